"""Reading and peeking of streamed content, whatever is asked for at a time."""

from __future__ import annotations

import gzip
import io

from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.results.content_stream import ContentStream
from harvester.results.gzip_reader import INFLATED_BYTES

CONTENT = bytes(range(256)) * (9 * INFLATED_BYTES // 1024)
"""Several blocks, the last of them not full."""
PACKED = gzip.compress(CONTENT, 1)
SIZES = st.integers(1, 3 * INFLATED_BYTES)


@given(st.lists(st.tuples(st.booleans(), SIZES), max_size=12))
@settings(max_examples=25)
def test_the_content_comes_whole_and_in_order(steps: list[tuple[bool, int]]) -> None:
    sink, place = io.BytesIO(), 0
    with ContentStream(
        io.BytesIO(PACKED), sink, compressed=True, max_content_bytes=len(CONTENT), max_ratio=1_000
    ) as stream:
        for peeks, size in steps:
            if peeks:
                found = stream.peek(size)
                assert len(found) >= min(size, len(CONTENT) - place)
                assert CONTENT.startswith(found, place)
            else:
                found = stream.read(size)
                assert len(found) <= size
                assert CONTENT.startswith(found, place)
                assert found or place == len(CONTENT)
                place += len(found)
        assert CONTENT.endswith(b"".join(stream.rest()), place)
        assert stream.read(1) == b""
        stream.drain()
        assert stream.size == len(CONTENT)
    assert sink.getvalue() == CONTENT


def test_what_was_peeked_at_and_not_read_is_written_by_the_end() -> None:
    sink = io.BytesIO()
    with ContentStream(
        io.BytesIO(PACKED), sink, compressed=True, max_content_bytes=len(CONTENT), max_ratio=1_000
    ) as stream:
        stream.peek(1)
        stream.read(5)
        assert stream.whole().read() == CONTENT
