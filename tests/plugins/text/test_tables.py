"""Tables, web pages and large files to samples."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import weft
from weft_text.lines import read_lines
from weft_text.options import TextOptions
from weft_text.portions import cut_lines
from weft_text.preparer import TextPreparer


def item_at(path: Path) -> weft.Item:
    return weft.Item(name=path.name, open=partial(path.open, "rb"), size=path.stat().st_size)


def parquet(**columns: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def payloads(found: Sequence[Any]) -> list[Any]:
    return [each.detail if isinstance(each, weft.Unreadable) else (each.prompt, each.payload) for each in found]


def test_a_row_of_csv_is_a_sample(read: Any) -> None:
    data = 'label,text\r\nham,"one, ""two""\r\n  three"\r\n\r\nspam,four\r\n'
    assert payloads(read(data.encode(), "a.csv")) == [(None, 'one, "two"\n  three'), (None, "four")]
    assert payloads(read(b"\xef\xbb\xbftext\tid\none, two\t1\n", "a.tsv")) == [(None, "one, two")]


def test_columns_are_found_in_order(read: Any) -> None:
    assert payloads(read(b"content,text\nc,t\n", "a.csv")) == [(None, "t")]
    assert payloads(read(b"prompt,content,response\np,c,r\n", "a.csv")) == [(None, "c")]
    assert payloads(read(b"response, prompt\nr,p\n", "a.csv")) == [("p", "r")]
    assert payloads(read(b'{"content": "c"}\n', "a.jsonl")) == [(None, "c")]


def test_a_column_can_be_named(make_item: Any) -> None:
    preparer = TextPreparer(TextOptions(column="body"))
    for data, name in ((b"text,body\nt,b\n", "a.csv"), (b'{"text": "t", "body": "b"}', "a.jsonl")):
        assert payloads(list(preparer.read(make_item(data, name)))) == [(None, "b")]
    with pytest.raises(weft.UnreadableError, match=r"no column `body`, which text.column names .*`text`"):
        list(preparer.read(make_item(b"text\nt\n", "a.csv")))


def test_bad_rows_are_reported_alone(read: Any) -> None:
    found = payloads(read(b'text,label\ngood,1\none,two,three\nalone\n\xe9,2\n"last\nline",3\n', "a.csv"))
    assert found == [
        (None, "good"),
        "the row at line 3 has 3 fields, where the header names 2",
        "the row at line 4 has 1 field, where the header names 2",
        "the row at line 5 is not UTF-8",
        (None, "last\nline"),
    ]


@pytest.mark.parametrize("data", [b"", b"a,b\n1,2\n"], ids=["empty", "other columns"])
def test_a_table_without_text_is_unreadable(read: Any, data: bytes) -> None:
    with pytest.raises(weft.UnreadableError, match=r"neither a column `text` nor .*text\.column"):
        read(data, "a.csv")


def test_a_field_may_be_longer_than_python_allows_by_default(read: Any) -> None:
    text = "word " * 100_000
    assert payloads(read(f"text\n{text}\n".encode(), "a.csv")) == [(None, text)]


def test_parquet_rows(read: Any) -> None:
    data = parquet(text=["one", None, "three"], label=[1, 2, 3])
    assert payloads(read(data, "a.parquet")) == [
        (None, "one"),
        "row 2 has null in the column `text`, where text is needed",
        (None, "three"),
    ]
    data = parquet(response=["r"] * 1000, prompt=[str(n) for n in range(1000)])
    assert [prompt for prompt, _ in payloads(read(data, "a.parquet"))] == [str(n) for n in range(1000)]
    assert payloads(read(parquet(text=[7]), "a.parquet")) == [
        "row 1 has a number in the column `text`, where text is needed"
    ]


def test_what_is_no_parquet_is_refused(read: Any) -> None:
    with pytest.raises(pa.ArrowException):
        read(b"text\nnot parquet\n", "a.parquet")


PAGE = """<html><head><title>Home</title><script>var x = 1;</script></head><body>
<nav><ul><li><a href="/">Home</a></li>
<li><a href="/shop">Shop</a></li><li><a href="/contact">Contact</a></li></ul></nav>
<article><h1>The tides of the bay</h1><p>Twice a day the sea comes into the bay, and twice a day it goes out again, and
the fishermen know the hours by heart, for their boats lie dry on the sand until the water lifts them.</p>
<p>Au château, the highest tide of the year came up to the third step; so it is written on the wall of the chapel,
where a line has been cut into the stone, with the year and the name of the man who saw it.</p></article>
<footer>Cookie settings | Imprint</footer></body></html>"""


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_page_is_its_main_text(read: Any, encoding: str) -> None:
    page = PAGE.replace("<head>", f'<head><meta charset="{encoding}">')
    (sample,) = read(page.encode(encoding), "a.html")
    assert "Twice a day the sea" in sample.payload
    assert "Au château" in sample.payload
    assert not any(word in sample.payload for word in ("Shop", "Cookie", "var x", "<p>"))


@pytest.mark.parametrize("page", [b"", b"<html><body><script>1</script></body></html>"], ids=["empty", "script"])
def test_a_page_without_main_text_is_unreadable(read: Any, page: bytes) -> None:
    with pytest.raises(weft.UnreadableError, match="no main text"):
        read(page, "a.htm")


LINE = st.one_of(
    st.text(max_size=30).map(lambda text: json.dumps({"text": text}, ensure_ascii=False)),
    st.sampled_from(["", "{broken", "\r", '{"text": "\u2028"}']),
)


@settings(max_examples=40, deadline=None)
@given(lines=st.lists(LINE, max_size=40), size=st.integers(1, 300))
def test_portions_give_the_samples_of_the_whole(lines: list[str], size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jsonl"
        path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
        item = item_at(path)
        parts = cut_lines(item, size)
        assert sum(part.size for part in parts) == item.size
        if item.size > 3 * size + 1000:
            assert len(parts) > 1
        # They travel to other processes.
        parts = pickle.loads(pickle.dumps(parts))
        assert [each for part in parts for each in read_lines(part)] == list(read_lines(item))


def test_large_lines_are_cut_by_default(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "' + "x" * 1000 + '"}\n' * 1 + ('{"text": "' + "y" * 1000 + '"}\n') * 9000)
    preparer = TextPreparer(TextOptions())
    parts = preparer.portions(item_at(path))
    assert len(parts) == 3
    assert {part.name for part in parts} == {"a.jsonl"}
    assert sum(len(list(preparer.read(part))) for part in parts) == 9001
    assert len(preparer.portions(item_at(path.rename(tmp_path / "a.txt")))) == 1


def test_what_cannot_be_cut_stays_whole(tmp_path: Path, make_item: Any) -> None:
    text = '{"text": "x"}\n' * 100
    packed = tmp_path / "a.jsonl.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    wide = tmp_path / "wide.jsonl"
    wide.write_text(text, encoding="utf-16")
    gone = weft.Item(name="gone.jsonl", open=partial((tmp_path / "gone.jsonl").open, "rb"), size=1000)
    for item in (
        make_item(text.encode(), "memory.jsonl"),
        weft.Item(name="member.jsonl", open=partial(gzip.open, packed), size=len(text)),  # type: ignore[arg-type]
        item_at(wide),
        gone,
    ):
        assert list(cut_lines(item, 100)) == [item]
