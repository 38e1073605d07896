"""Files on servers and in object stores: every URL that fsspec knows."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO
from urllib.parse import unquote

from weft.errors import SourceError
from weft.interfaces.source import Offer, SourceReader
from weft.preparation.sources.archive import archive_offer
from weft.preparation.sources.archives import is_archive
from weft.preparation.sources.assemble import assemble
from weft.preparation.sources.entries import Entry, safe_name, without_auxiliary
from weft.preparation.sources.locations import is_url, without_secrets
from weft.preparation.sources.spooling import IN_MEMORY, copy_limited, temporary_file

CONNECT_SECONDS = 20
READ_SECONDS = 60
ASKED_AT_ONCE = 32
"""Files about which a server is asked at the same time."""

_CHANGES_WITH_CONTENT = (
    "ETag", "etag", "md5Hash", "Content-MD5", "Digest", "checksum", "blob_id", "sha", "CRC",
    "LastModified", "Last-Modified", "last_modified", "updated", "mtime", "modify", "modified", "created",
)  # fmt: skip
"""What the file systems of fsspec call a checksum or the time of the last change, the surest first."""


class UrlReader(SourceReader):
    """A file, a folder, or a pattern with ``*``. Of ``http`` and ``https`` a folder is an address that ends in
    ``/`` and shows a page of links, as web servers make it."""

    @classmethod
    def accepts(cls, location: Any) -> bool:
        return is_url(location)

    def offer(self) -> Offer:
        url = str(self.location)
        try:
            entries = list(_list(url, self.limits.member_bytes))
        # Every file system of fsspec has errors of its own, from a missing package to a refused password.
        except Exception as error:
            raise SourceError(
                f"the source {without_secrets(url)} cannot be read ({_describe(error, url)}); check the address, the "
                f"network, and the credentials that it needs"
            ) from error
        if len(entries) == 1 and is_archive(entries[0].name):
            return archive_offer(entries[0], self)
        kept, auxiliary = without_auxiliary(entries) if len(entries) > 1 else (entries, [])
        label = without_secrets(url).rstrip("/").rpartition("/")[2]
        beside = partial(_beside, url, self.limits.member_bytes) if len(kept) == 1 else None
        return assemble(kept, label, self.limits, auxiliary=auxiliary, beside=beside)


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """Fetches a file: into memory, or into a temporary file where it is large or of unknown size.

    Attributes:
        url: Of the file.
        size: In bytes; ``None`` where the server does not say.
        most: Bytes that a file of unknown size may have.
    """

    url: str
    size: int | None
    most: int

    def __call__(self) -> BinaryIO:
        filesystem, path = _filesystem(self.url)
        if self.size is None:
            problem = (
                f"it has more than the {self.most} bytes that are allowed where the server does not say how many there "
                f"are; download it, and name the file"
            )
            with filesystem.open(path, "rb") as stream:
                return copy_limited(stream, self.most, problem)
        if self.size <= IN_MEMORY:
            return io.BytesIO(filesystem.cat_file(path))
        file = temporary_file()
        filesystem.get_file(path, file)
        file.seek(0)
        return file


def _list(url: str, most: int) -> Iterator[Entry]:
    filesystem, path = _filesystem(url)
    source = without_secrets(url)
    base, found = _found(filesystem, path)
    facts = _with_sizes(filesystem, found)
    for each in sorted(found):
        name = safe_name(unquote(each[len(base) :]) if _is_http(url) else each[len(base) :])
        yield _entry(name, _with_protocol(filesystem, each), facts[each], source, most)


def _entry(name: str, url: str, info: Mapping[str, Any], source: str, most: int) -> Entry:
    size = None if info.get("size") is None else int(info["size"])
    return Entry(name, RemoteFile(url, size, most), size or 0, source, stamp=_stamp(info))


def _stamp(info: Mapping[str, Any]) -> str:
    """Empty where the server says nothing that changes with the content."""
    found = next((key for key in _CHANGES_WITH_CONTENT if info.get(key)), None)
    return "" if found is None else f"{info.get('size')}-{info[found]}"


def _beside(table: str, most: int, name: str) -> Entry | None:
    """A file below the folder of a table."""
    if name.startswith(("/", "..")):
        return None
    url = f"{table.partition('?')[0].rpartition('/')[0]}/{name}"
    try:
        filesystem, path = _filesystem(url)
        info = filesystem.info(path)
    # As when a source is listed: each file system has errors of its own for what is not there.
    except Exception:
        return None
    return _entry(name, url, info, without_secrets(table), most)


def _found(filesystem: Any, path: str) -> tuple[str, dict[str, Any]]:
    """Where names begin, and the files below with what is known of them."""
    if re.search(r"[*?\[]", path) and not (_is_http(path) and "*" not in path):
        base = re.split(r"[*?\[]", path)[0].rpartition("/")[0] + "/"
        matches = filesystem.glob(path, detail=True)
        return base, {name: info for name, info in matches.items() if info.get("type") != "directory"}
    folder = path.endswith("/") if _is_http(path) else filesystem.isdir(path)
    if not folder:
        return path.rpartition("/")[0] + "/", {path: filesystem.info(path)}
    found = filesystem.find(path, detail=True)
    if not found:
        raise FileNotFoundError("there is nothing in it")
    return path.rstrip("/") + "/", found


def _with_sizes(filesystem: Any, found: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """What is known of files; a server that lists names only is asked about each."""
    unknown = [name for name, info in found.items() if info.get("size") is None]
    if len(found) == 1 or not unknown:
        return dict(found)
    with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        return {**found, **dict(zip(unknown, pool.map(filesystem.info, unknown), strict=True))}


def _filesystem(url: str) -> tuple[Any, str]:
    import fsspec  # type: ignore[import-untyped]

    options = {}
    if _is_http(url):
        import aiohttp

        options["client_kwargs"] = {
            "timeout": aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS)
        }
    filesystem, path = fsspec.core.url_to_fs(url, **options)
    return filesystem, str(path)


def _with_protocol(filesystem: Any, path: str) -> str:
    return path if is_url(path) else str(filesystem.unstrip_protocol(path))


def _is_http(url: str) -> bool:
    return url.startswith(("http://", "https://"))


def _describe(error: Exception, url: str) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text.replace(url, without_secrets(url))[:300]
