"""Positions sort as rows do, and one of another history is recognised."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.destination.manifest.epochs import check_position, epoch_of, newest_position, newest_shared
from harvester.destination.manifest.row_types import EpochRow
from harvester.destination.positions import (
    BEGINNING,
    Position,
    draw_epoch,
    end_of,
    milliseconds_of,
    parse_position,
)
from harvester.errors import ForeignPosition, UsageError

NOW = 1_793_000_000.123


def at(milliseconds: int) -> str:
    return draw_epoch(now=milliseconds / 1000)


positions = st.builds(
    Position,
    st.integers(0, 2**47).map(at),
    st.integers(0, 10**12 - 1),
    st.integers(0, 10**9),
)


@given(positions)
def test_a_position_comes_back_from_its_text(position: Position) -> None:
    assert parse_position(str(position)) == position
    assert re.fullmatch(r"[0-9a-v]{13}-[0-9]{12}-([0-9]{9}|end)", str(position))


@given(st.lists(positions, min_size=2, max_size=6))
def test_texts_sort_as_positions(drawn: list[Position]) -> None:
    assert sorted(map(str, drawn)) == [str(position) for position in sorted(drawn)]
    assert all(position > BEGINNING and str(position) > str(BEGINNING)[:0] for position in drawn)


@given(st.integers(0, 2**47), st.integers(0, 2**47))
def test_epochs_sort_by_time_also_when_the_clock_goes_back(first: int, second: int) -> None:
    earlier = at(first)
    later = draw_epoch(earlier, second / 1000)
    assert earlier < later
    assert milliseconds_of(later) >= milliseconds_of(earlier) + 1
    assert len(later) == 13


def test_an_epoch_holds_the_time_it_was_drawn() -> None:
    assert milliseconds_of(draw_epoch(now=NOW)) == 1_793_000_000_123
    assert len({draw_epoch(now=NOW) for _ in range(50)}) > 40


@pytest.mark.parametrize(
    "text",
    ["", "7", "00", "-1", "0-0-0", "0000dpc4vqg3r-7-0", "0000DPC4VQG3R-000000000007-000000000",
     "0000dpc4vqg3r-000000000007", "0000dpc4vqg3r-000000000007-End",
     "0000dpc4vqg3w-000000000007-end", "0000dpc4vqg3r-00000000000٧-end", " 0"],
)  # fmt: skip
def test_what_is_no_position_is_a_usage_error_that_shows_the_form(text: str) -> None:
    with pytest.raises(UsageError, match="not a position") as raised:
        parse_position(text)
    assert "EPOCH-SEQ-ROW" in raised.value.cause


def history(*parts: tuple[int, int, int]) -> list[EpochRow]:
    """Return epochs, each drawn at a time and with its first and last sequence number."""
    return [EpochRow(at(time), first, last, time / 1000) for time, first, last in parts]


MINE = history((1000, 1, 40), (3000, 41, 60))


@pytest.mark.parametrize(
    ("position", "shared"),
    [
        (BEGINNING, BEGINNING),
        (end_of(MINE[0].epoch, 40), end_of(MINE[0].epoch, 40)),
        (Position(MINE[0].epoch, 1, 0), Position(MINE[0].epoch, 1, 0)),
        (Position(MINE[1].epoch, 60, 7), Position(MINE[1].epoch, 60, 7)),
        # The copy from which this was restored went on in the same session.
        (Position(MINE[1].epoch, 61, 0), end_of(MINE[1].epoch, 60)),
        (Position(MINE[0].epoch, 50, 0), end_of(MINE[0].epoch, 40)),
        # A session that began after everything here had ended.
        (Position(at(4000), 70, 0), end_of(MINE[1].epoch, 60)),
        # It began between the two, and so before the second of this history.
        (Position(at(2000), 70, 0), end_of(MINE[0].epoch, 40)),
        # It has given out fewer numbers than the second epoch here: it cannot contain that.
        (Position(at(4000), 55, 0), end_of(MINE[0].epoch, 40)),
        (Position(at(4000), 60, 0), end_of(MINE[0].epoch, 40)),
        (Position(at(500), 5, 0), BEGINNING),
    ],
)
def test_the_newest_position_that_two_histories_share(position: Position, shared: Position) -> None:
    assert newest_shared(MINE, position) == shared
    if shared == position:
        check_position(MINE, position, "dest")
    else:
        with pytest.raises(ForeignPosition) as raised:
            check_position(MINE, position, "dest")
        assert (raised.value.shared, raised.value.exit_code) == (str(shared), 17)


def test_an_epoch_still_written_to_when_another_began_is_no_part_of_it() -> None:
    mine = [EpochRow(at(1000), 1, 40, 1.0), EpochRow(at(2000), 41, 60, 5.0)]
    assert newest_shared(mine, Position(at(4000), 90, 0)) == end_of(mine[0].epoch, 40)


def test_the_epoch_of_a_sequence_number() -> None:
    assert [epoch_of(MINE, seq) for seq in (1, 40, 41, 99)] == [MINE[0].epoch] * 2 + [MINE[1].epoch] * 2
    assert newest_position(MINE) == end_of(MINE[1].epoch, 60)
    assert newest_position([]) == BEGINNING


@given(st.integers(0, 2**47), st.integers(0, 10**12 - 1))
def test_the_beginning_and_the_ends_of_objects_come_back(time: int, seq: int) -> None:
    assert (str(BEGINNING), parse_position("0")) == ("0", BEGINNING)
    end = end_of(at(time), seq)
    assert str(end).endswith(f"-{seq:012d}-end")
    assert parse_position(str(end)) == end
    assert end.ends_object
    assert BEGINNING.ends_object
    last = Position(end.epoch, seq, 10**9 - 1)
    assert not last.ends_object
    assert last < end < Position(end.epoch, seq + 1, 0)
    assert parse_position(str(last)) == last


def test_an_epoch_is_48_bits_of_time_and_16_of_chance() -> None:
    assert at(0)[:9] == "000000000"
    assert at(2**48 - 1) <= "fvvvvvvvvvvvv"
    number = 0
    for letter in at(2**48 - 1):
        number = number * 32 + "0123456789abcdefghijklmnopqrstuv".index(letter)
    assert number >> 16 == 2**48 - 1


def test_a_refusal_names_the_start_of_what_was_given() -> None:
    with pytest.raises(UsageError) as raised:
        parse_position("x" * 100)
    assert (raised.value.what, raised.value.subject) == (f"not a position: {'x' * 60!r}", "x" * 60)


def test_what_follows_an_epoch_that_is_not_shared_is_not_shared_either() -> None:
    mine = [EpochRow(at(1000), 1, 40, 1.0), EpochRow(at(2000), 41, 60, 5.0), EpochRow(at(2500), 61, 70, 3.0)]
    assert newest_shared(mine, Position(at(4000), 90, 0)) == end_of(mine[0].epoch, 40)
    assert newest_position(mine) == end_of(mine[2].epoch, 70)
    assert newest_shared(mine, BEGINNING._replace(seq=0)) == BEGINNING


@pytest.mark.parametrize(("recorded_at", "is_shared"), [(2.9, True), (3.0005, True), (3.001, False), (3.0015, False)])
def test_an_epoch_ended_when_its_last_row_was_recorded_before_the_other_began(
    recorded_at: float, is_shared: bool
) -> None:
    mine = [EpochRow(at(1000), 1, 40, recorded_at)]
    assert newest_shared(mine, Position(at(3000), 90, 0)) == (end_of(mine[0].epoch, 40) if is_shared else BEGINNING)
