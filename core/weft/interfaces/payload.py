"""How a payload is kept, identified and shown."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Generic

from weft.interfaces.samples import P


class PayloadFormat(ABC, Generic[P]):
    """The form in which payloads of one modality are stored without loss, hashed, and shown to a person.

    Corpora store ``to_bytes``; artifacts are saved with :meth:`save`; pages embed :meth:`html`.
    """

    extension: ClassVar[str]
    """File extension of the stored form, with its dot."""

    @abstractmethod
    def to_bytes(self, payload: P) -> bytes:
        """Encode a *cleaned* payload so that :meth:`from_bytes` gives back exactly the same."""

    @abstractmethod
    def from_bytes(self, data: bytes) -> P:
        """Decode what :meth:`to_bytes` wrote."""

    def content_hash(self, payload: P) -> str:
        """SHA-256 (hex) of the decoded content: equal payloads have equal hashes, whatever file they came from.

        Override it where the stored bytes may differ between library versions for equal content.
        """
        return hashlib.sha256(self.to_bytes(payload)).hexdigest()

    def save(self, payload: P, path: Path) -> None:
        """Write one payload to ``path`` as a file that other programs open. Default: :meth:`to_bytes`."""
        path.write_bytes(self.to_bytes(payload))

    def media(self, payload: P) -> tuple[str, bytes] | None:
        """The payload for viewers that know a few formats, TensorBoard for one: its media type, and bytes of it.

        ``text/plain`` (UTF-8), ``image/png`` and ``audio/wav`` (PCM) are shown. ``None``, the default, where it is none
        of these.
        """
        return None

    @abstractmethod
    def html(self, payload: P, path: Path, *, title: str) -> str:
        """A fragment of HTML that shows the payload on a page.

        Args:
            payload: What to show.
            path: A file name without extension, in a folder beside the page, under which files that the fragment
                refers to may be written. Refer to them relative to the page, which is in ``path.parent.parent``
                (``<img src="media/name.png">`` for a ``path`` of ``.../media/name``).
            title: Text alternative for readers who cannot see or hear the payload.
        """
