"""The one escaper, and numbers, times and tables for people."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester import text

# hypothesis draws no surrogates from text() by default; names of files and JSON of APIs hold them.
ANY_TEXT = st.text(st.characters(codec=None, categories=None))
UNSAFE = {"Cc", "Cf", "Cs", "Zl", "Zp"}


@given(ANY_TEXT)
def test_no_control_bidi_or_line_end_survives(raw: str) -> None:
    shown = text.printable(raw)
    assert not {unicodedata.category(character) for character in shown} & UNSAFE
    assert len(shown.splitlines()) <= 1
    shown.encode()


@given(ANY_TEXT)
def test_escaping_twice_changes_nothing(raw: str) -> None:
    assert text.printable(text.printable(raw)) == text.printable(raw)


@given(ANY_TEXT.filter(str.isprintable))
def test_printable_text_stays(raw: str) -> None:
    assert text.printable(raw) == raw


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("results/a b ü 中.json", "results/a b ü 中.json"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\x9b2J\x7f", "\\x9b2J\\x7f"),
        ("\u202egnp.exe\u2066\u200f", "\\u202egnp.exe\\u2066\\u200f"),
        ("a\u2028b\u2029c\x85d", "a\\u2028b\\u2029c\\x85d"),
        ("\udc80\ud800", "\\udc80\\ud800"),
        ("\U000e0001", "\\U000e0001"),
        ("back\\slash", "back\\slash"),
    ],
)
def test_escapes(raw: str, shown: str) -> None:
    assert text.printable(raw) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1_500_000, "1.5 MB"),
        (10**9, "1.0 GB"),
        (10**12, "1.0 TB"),
        (10**16, "10000.0 TB"),
    ],
)
def test_sizes(number: int, shown: str) -> None:
    assert text.size(number) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.44, "0.4 s"),
        (9.99, "10.0 s"),
        (10, "10 s"),
        (59.9, "59 s"),
        (60, "1 min 0 s"),
        (200, "3 min 20 s"),
        (3599, "59 min 59 s"),
        (7500, "2 h 5 min"),
    ],
)
def test_durations(seconds: float, shown: str) -> None:
    assert text.duration(seconds) == shown


def test_counts_have_a_plural() -> None:
    assert [text.count(number, "object") for number in (0, 1, 2000)] == ["0 objects", "1 object", "2,000 objects"]


def test_times_are_utc() -> None:
    assert text.moment(1_768_478_400.9) == "2026-01-15 12:00:00Z"
    assert text.rfc3339(1_768_478_400.25) == "2026-01-15T12:00:00.250Z"
    assert text.rfc3339(0) == "1970-01-01T00:00:00.000Z"
    assert text.rfc3339(1e300) == "9999-12-31T23:59:59.000Z"
    assert text.rfc3339(float("-inf")) == "0001-01-01T00:00:00.000Z"
    assert text.moment(1e15) == "9999-12-31 23:59:59Z"
    later = datetime(2026, 1, 15, 14, 0, tzinfo=timezone(timedelta(hours=2)))
    assert text.rfc3339_of(later) == "2026-01-15T12:00:00.000Z"


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001  # hypothesis adds the zone
def test_rfc3339_reads_back(time: datetime) -> None:
    assert abs(datetime.fromisoformat(text.rfc3339_of(time)) - time) < timedelta(milliseconds=1)


@given(st.lists(st.from_regex(r"[a-z/:=-]{1,60}", fullmatch=True), min_size=1), st.integers(10, 100))
def test_wrapping_breaks_no_word(words: list[str], width: int) -> None:
    lines = text.wrap(" ".join(words), first="- ", width=width).split("\n")
    assert " ".join(line.strip() for line in lines).removeprefix("- ").split() == words
    assert all(len(line) <= width or len(line.removeprefix("- ").split()) == 1 for line in lines)
    assert lines[0].startswith("- ")
    assert all(line.startswith("  ") for line in lines[1:])


def test_a_table_aligns_its_columns_and_leaves_empty_ones_out() -> None:
    rows: list[list[object]] = [["a", None, 1.5, True], ["long\x1bname", None, None, False]]
    assert text.table(["task_id", "error", "share", "done"], rows) == [
        "TASK ID       SHARE  DONE",
        "a             1.5    yes",
        "long\\x1bname  -      no",
    ]


def test_a_table_without_rows_shows_every_column() -> None:
    assert text.table(["id", "error"], []) == ["ID  ERROR"]


def test_a_table_is_cut_at_the_width() -> None:
    assert text.table(["id"], [["abcdef"], ["abcde"]], width=5) == ["ID", "abcd…", "abcde"]


def test_an_empty_cell_is_a_hyphen() -> None:
    assert text.table(["id", "name"], [["", "x"]]) == ["ID  NAME", "-   x"]


@pytest.mark.parametrize(
    ("given_text", "shown"),
    [
        ("http://ann:ZQ@host:9/b?x=1", "http://***@host:9/b?x=1"),
        ("cannot reach https://ann@host", "cannot reach https://***@host"),
        (
            "https://b.s3.amazonaws.com/k?X-Amz-Signature=ZQ&X-Amz-Date=1",
            "https://b.s3.amazonaws.com/k?X-Amz-Signature=***&X-Amz-Date=1",
        ),
        ("https://h/k?a=1&X-Amz-Security-Token=ZQ%2F and more", "https://h/k?a=1&X-Amz-Security-Token=*** and more"),
        ("https://h/k?api_key=ZQ&x=1", "https://h/k?api_key=***&x=1"),
        ("s3://bucket/a@b.json", "s3://bucket/a@b.json"),
        ("mail ann@example.com", "mail ann@example.com"),
        ("--prefix=a@b", "--prefix=a@b"),
    ],
)
def test_urls_are_shown_without_their_secrets(given_text: str, shown: str) -> None:
    assert text.masked(given_text) == shown
