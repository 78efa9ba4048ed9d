"""What counts as JSON: the scanner against the standard library, the fast path against the scanner."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harvester.results.json_text import fast_path
from harvester.results.json_text.json_scanner import MAX_DEPTH, MAX_NUMBER_DIGITS, Scanner, scan
from harvester.results.record import ContentReason, ContentRefused
from harvester.results.row_batches import BrokenRows, RowBatch

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
spaces = st.sampled_from(["", " ", "\n", "\r\n\t"])


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """JSON with escapes or raw text and any indentation."""
    separators = (draw(spaces) + "," + draw(spaces), draw(spaces) + ":" + draw(spaces))
    text = json.dumps(
        draw(values),
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.none() | st.just(1)),
        separators=separators,
    )
    return (draw(spaces) + text + draw(spaces)).encode("utf-8", "surrogatepass")


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """JSON with a few bytes cut, replaced or put in: often broken, sometimes not."""
    content = bytearray(draw(documents()))
    for _ in range(draw(st.integers(0, 3))):
        index = draw(st.integers(0, len(content)))
        piece = draw(
            st.sampled_from(
                [
                    b"",
                    b"0",
                    b"-",
                    b".",
                    b"e",
                    b'"',
                    b"\\",
                    b"\\u",
                    b",",
                    b":",
                    b"{",
                    b"]",
                    b"\x00",
                    b"\xff",
                    b"x",
                    b"\x0b",
                ]
            )
        )
        content[index : index + draw(st.integers(0, 2))] = piece
    return bytes(content)


def oracle(content: bytes) -> bool:
    """Return whether the standard library accepts it, strictly."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        json.loads(content.decode(), parse_constant=refuse)
    except (ValueError, UnicodeDecodeError):
        return False
    return True


def refusal(content: bytes, cuts: tuple[int, ...] = ()) -> ContentRefused | None:
    scanner = Scanner()
    start = 0
    try:
        for cut in (*cuts, len(content)):
            scanner.feed(content[start:cut])
            start = max(start, cut)
        scanner.finish()
    except ContentRefused as refused:
        return refused
    return None


@settings(max_examples=200)
@given(documents() | damaged() | st.binary(max_size=20))
def test_the_scanner_takes_exactly_what_the_standard_library_takes_strictly(content: bytes) -> None:
    assert (refusal(content) is None) == oracle(content)


@settings(max_examples=150)
@given(documents() | damaged(), st.lists(st.integers(0, 60), max_size=6).map(sorted).map(tuple))
@example(b'{"\xe0\xa0":null}', (4,))
def test_where_blocks_end_changes_nothing(content: bytes, cuts: tuple[int, ...]) -> None:
    whole, parts = refusal(content), refusal(content, cuts)
    assert (whole is None) == (parts is None)
    if whole and parts:
        assert _offset(whole) == _offset(parts)


@settings(max_examples=200)
@given(documents() | damaged())
def test_what_the_fast_path_takes_the_scanner_takes(content: bytes) -> None:
    rows = b"[" + content + b"]"
    envelope = b'{"status":"success","data":{"parsing":[' + content + b']},"other":' + content + b"}"
    for document in (content, rows, envelope):
        if fast_path.quick_parse(document) is not None:
            assert refusal(document) is None


def _offset(refused: ContentRefused) -> str:
    detail = refused.problem.detail
    return detail[detail.index("byte ") : detail.index(")")]


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
@pytest.mark.parametrize(
    ("before", "after", "outside"),
    [(b"", b"", 0), (b'{"status":"x","data":{"parsing":', b"}}", 2), (b"[", b"]", 1)],
)
def test_nesting_ends_at_a_thousand_levels(
    opening: bytes, closing: bytes, before: bytes, after: bytes, outside: int
) -> None:
    def document(levels: int) -> bytes:
        inside = levels - outside
        return before + opening * inside + b"1" + closing * inside + after

    assert refusal(document(MAX_DEPTH)) is None
    refused = refusal(document(MAX_DEPTH + 1))
    assert refused is not None
    assert refused.problem.reason is ContentReason.TOO_DEEP
    assert fast_path.quick_parse(document(MAX_DEPTH + 1)) is None


@pytest.fixture
def deep_recursion() -> Iterator[None]:
    """Let C code recurse further, as newer interpreters do of themselves."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    yield
    sys.setrecursionlimit(limit)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":[', b"]}]")])
@pytest.mark.usefixtures("deep_recursion")
def test_the_fast_path_needs_no_recursion_limit_to_see_depth(opening: bytes, closing: bytes) -> None:
    for levels in range(980, 1021, 5):
        times = levels // (closing.count(b"]") + closing.count(b"}"))
        value = opening * times + b"1" + closing * times
        for document in (
            value,
            b'{"status":"x","data":{"parsing":' + value + b"}}",
            b'{"files":[{"a":' + value + b"}]}",
        ):
            if refusal(document) is not None:
                assert fast_path.quick_parse(document) is None
            assert fast_path.is_row(document) <= (refusal(document) is None)
            assert fast_path.good_lines(document + b"\n") is None or refusal(document) is None


@pytest.mark.parametrize("inner", [b"[[1]]", b'[{"a":1}]', b'{"a":[1]}'])
def test_nesting_is_counted_in_what_one_match_steps_over(inner: bytes) -> None:
    def in_arrays(outside: int) -> bytes:
        return b"[" * outside + b"1," + inner + b",1" + b"]" * outside

    def in_objects(outside: int) -> bytes:
        return b'{"a":' * (outside - 1) + b'{"b":1,"c":' + inner + b',"d":1}' + b"}" * (outside - 1)

    for document in (in_arrays, in_objects):
        assert refusal(document(MAX_DEPTH - 2)) is None
        refused = refusal(document(MAX_DEPTH - 1))
        assert refused is not None
        assert refused.problem.reason is ContentReason.TOO_DEEP


def test_the_fast_path_proves_depth_where_brackets_are_many() -> None:
    def envelope(parsing: bytes) -> bytes:
        return b'{"status":"x","data":{"parsing":' + parsing + b"}}"

    shallow = envelope(b"[" + b",".join([b'{"a":[]}'] * 3000) + b"]")
    deepest = envelope(b"[" * 998 + b"]" * 998 + b" " * 3000)
    too_deep = envelope(b"[" * 999 + b"]" * 999 + b" " * 3000)

    assert fast_path.quick_parse(shallow) is not None
    assert refusal(deepest) is None
    assert fast_path.quick_parse(too_deep) is None
    assert refusal(too_deep) is not None


@pytest.mark.parametrize("shape", ["{}", "-{}", "0.{}", "1e{}", "{}e5", "1.5e-{}"])
@pytest.mark.parametrize("position", [0, 1, 300, 511])
def test_long_numbers_are_counted_by_digits_wherever_they_stand(shape: str, position: int) -> None:
    def document(digits: int) -> bytes:
        number = shape.format("7" * (digits - sum(map(str.isdigit, shape))))
        return b'{"status":"x","data":{"x":"' + b"y" * position + b'","parsing":[' + number.encode() + b"]}}"

    assert refusal(document(MAX_NUMBER_DIGITS)) is None
    refused = refusal(document(MAX_NUMBER_DIGITS + 1))
    assert refused is not None
    assert refused.problem.reason is ContentReason.NUMBER_TOO_LONG
    assert fast_path.quick_parse(document(MAX_NUMBER_DIGITS + 1)) is None


def test_digits_in_a_text_are_no_number() -> None:
    assert refusal(b'["' + b"7" * 10_000 + b'"]') is None


def test_texts_that_look_like_numbers_here_and_there_stay_on_the_fast_path() -> None:
    # Every 512th character could be part of a number, as in many a text by chance; so the whole is looked at.
    row = b'{"a":"' + (b"e" + b"y" * 511) * 40 + b'"}\n'
    assert fast_path.good_lines(row * 3) == [row] * 3


@given(
    st.lists(
        st.sampled_from([b'{"a":1}', b"{}", b'{"a":', b"1}", b"\n", b" ", b"[]", b'{"b":"}\\n{"}', b"", b"\r\n"]),
        max_size=12,
    ).map(b"".join),
    st.booleans(),
)
def test_lines_counted_at_once_are_those_counted_one_by_one(block: bytes, long: bool) -> None:
    if long:
        block = block.replace(b"1}", b'"' + b"[" * (2 * MAX_DEPTH) + b'"}')
    rows = fast_path.good_lines(block)
    if rows is not None:
        lines = [line.strip() for line in block.split(b"\n") if line.strip()]
        assert [row[:-1] for row in rows] == lines
        assert all(fast_path.is_row(line) for line in lines)


def test_a_position_is_line_column_and_byte() -> None:
    refused = refusal('{"a": "é",\n "b": x}'.encode())
    assert refused is not None
    assert refused.problem.detail == "line 2 column 7 (byte 18): expected a value"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"{", "expected a string as key, or }"),
        (b'{"a"', "the document ends, expected a colon"),
        (b'{"a":1', "the document ends, expected a comma or }"),
        (b'{"a":1,}', "expected a string as key"),
        (b"[1 2]", "expected a comma or ]"),
        (b"[1,]", "expected a value"),
        (b'["a', "the document ends, expected the closing quote"),
        (b'["\\q"]', "expected a legal character of a string"),
        (b"[tru]", "expected a value"),
        (b"[-]", "expected a value"),
        (b"[01]", "expected the end of the number"),
    ],
)
def test_a_refusal_shows_what_was_expected(content: bytes, expected: str) -> None:
    refused = refusal(content)
    assert refused is not None
    assert refused.problem.detail.endswith(expected)


def test_a_refusal_never_repeats_what_it_read() -> None:
    refused = refusal(b'{"password": hunter2}')
    assert refused is not None
    assert "hunter2" not in refused.problem.detail


@given(st.dictionaries(st.sampled_from(["url", "status", "task_id", "data", "files", "run", "x"]), values, max_size=6))
def test_the_skeleton_has_the_keys_and_types_of_the_document(document: dict[str, Any]) -> None:
    skeleton = scan(json.dumps(document).encode()).skeleton
    assert list(skeleton) == list(document)
    for key, value in document.items():
        assert isinstance(skeleton[key], int | float) if _is_number(value) else type(skeleton[key]) is type(value)
    for key in ("data", "run"):
        if isinstance(document.get(key), dict):
            assert list(skeleton[key]) == list(document[key])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@given(st.lists(values, max_size=8), st.integers(1, 40))
def test_rows_keep_their_text_across_blocks(elements: list[Any], size: int) -> None:
    texts = [json.dumps(element).encode() for element in elements]
    content = b'{"run_id":[1],"files":[' + b" , ".join(texts) + b'],"more":{}}'
    scanner = Scanner(keep_rows=True)
    batches: list[RowBatch] = []
    for start in range(0, len(content), size):
        scanner.feed(content[start : start + size])
        batches += scanner.take_rows()
    scanner.finish()
    batches += scanner.take_rows()
    taken = [text for batch in batches if not isinstance(batch, BrokenRows) for text in batch]

    assert sum(batch.rows if isinstance(batch, BrokenRows) else len(batch) for batch in batches) == len(elements)
    assert taken == [text for text in texts if text.startswith(b"{")]
    assert scanner.rows.rows == len(elements)
    assert scanner.rows.broken == len(elements) - len(taken)
