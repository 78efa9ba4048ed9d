"""Positions sort as rows do, and one of another history is recognised."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harvester.destination.manifest.epochs import check_position, epoch_of, newest_position, newest_shared
from harvester.destination.manifest.row_types import EpochRow
from harvester.destination.positions import (
    BEGINNING,
    Position,
    draw_epoch,
    end_of,
    may_follow,
    parse_position,
    seconds_of,
)
from harvester.errors import ForeignPosition, UsageError

NOW = 1_793_000_000.123


def at(seconds: int, follows: Position = BEGINNING) -> str:
    return draw_epoch("", follows, seconds)


positions = st.builds(
    Position,
    st.integers(0, 2**31).map(at),
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


@given(st.integers(0, 2**31), st.integers(0, 2**31))
def test_epochs_sort_by_time_also_when_the_clock_goes_back(first: int, second: int) -> None:
    earlier = at(first)
    later = draw_epoch(earlier, now=second)
    assert earlier < later
    assert seconds_of(later) >= seconds_of(earlier) + 1
    assert len(later) == 13


def test_an_epoch_holds_the_time_it_was_drawn() -> None:
    assert seconds_of(draw_epoch(now=NOW)) == 1_793_000_000
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
    epochs: list[EpochRow] = []
    for time, first, last in parts:
        epochs.append(EpochRow(at(time, newest_position(epochs)), first, last, time))
    return epochs


MINE = history((1000, 1, 40), (3000, 41, 60))
FIRST, SECOND = end_of(MINE[0].epoch, 40), end_of(MINE[1].epoch, 60)


@pytest.mark.parametrize(
    ("position", "shared"),
    [
        (BEGINNING, BEGINNING),
        (FIRST, FIRST),
        (Position(MINE[0].epoch, 1, 0), Position(MINE[0].epoch, 1, 0)),
        (Position(MINE[1].epoch, 41, 0), Position(MINE[1].epoch, 41, 0)),
        (Position(MINE[1].epoch, 60, 7), Position(MINE[1].epoch, 60, 7)),
        # The copy from which this was restored went on in the same session.
        (Position(MINE[1].epoch, 61, 0), SECOND),
        (Position(MINE[0].epoch, 50, 0), FIRST),
        # No session has given out such a position.
        (Position(MINE[1].epoch, 40, 0), FIRST),
        (Position(MINE[0].epoch, 0, 0), BEGINNING),
        # A session of a copy, which followed an end of this history.
        (Position(at(4000, SECOND), 61, 0), SECOND),
        (Position(at(2000, FIRST), 70, 0), FIRST),
        (Position(at(4000, FIRST), 70, 0), FIRST),
        # It followed the first session while that was written to, or a session that is not known here.
        (Position(at(4000, end_of(MINE[0].epoch, 39)), 70, 0), BEGINNING),
        (Position(at(4000, end_of(at(3500, SECOND), 70)), 80, 0), BEGINNING),
        # It names an end that it cannot have followed.
        (Position(at(4000, SECOND), 60, 0), BEGINNING),
        (Position(at(500, FIRST), 70, 0), BEGINNING),
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


def test_of_two_ends_that_an_epoch_may_have_followed_the_older_one_is_taken() -> None:
    epochs = [EpochRow("0" * 12 + letter, number, number, 0.0) for number, letter in enumerate("123456", 1)]
    ends = [end_of(each.epoch, each.last_seq) for each in epochs]
    foreign = Position(at(4000, ends[2]), 99, 0)
    assert newest_shared(epochs, foreign) == ends[2]
    twice = [*epochs[:3], *epochs[2:]]
    assert newest_shared(twice, foreign) == ends[2]
    assert [end for end in ends if may_follow(foreign.epoch, end)] == [ends[2]]


class Copy(NamedTuple):
    """One copy of a destination, as a history of (epoch, sequence number)."""

    epochs: tuple[EpochRow, ...]
    seqs: tuple[tuple[str, int], ...]

    @property
    def end(self) -> Position:
        return newest_position(list(self.epochs))

    def with_session(self, clock: int, objects: int, *, is_killed: bool) -> Copy:
        first = self.end.seq + (1000 if is_killed else 1)
        epoch = draw_epoch(self.end.epoch, self.end, clock)
        seqs = tuple((epoch, first + number) for number in range(objects))
        return Copy((*self.epochs, EpochRow(epoch, first, first + objects - 1, clock)), self.seqs + seqs)

    def cut(self, left: int) -> Copy:
        """Return a copy of this destination as it was when ``left`` objects had landed, in mid-session or not."""
        seqs = self.seqs[:left]
        ended = [each for each in self.epochs if seqs and each.first_seq <= seqs[-1][1]]
        if ended:
            ended[-1] = ended[-1]._replace(last_seq=seqs[-1][1])
        return Copy(tuple(ended), seqs)


def drawn_copies(data: st.DataObject) -> tuple[list[Copy], dict[str, Position]]:
    """Return copies of a destination, and which end each of their epochs followed."""
    copies = [Copy((), ())]
    followed: dict[str, Position] = {}
    for _ in range(data.draw(st.integers(2, 10))):
        chosen = data.draw(st.sampled_from(copies))
        # Clocks differ and go back; copies are taken at any time, and written to in any order.
        if data.draw(st.booleans()):
            chosen = chosen.cut(data.draw(st.integers(0, len(chosen.seqs))))
            copies.append(chosen)
        clock, objects, is_killed = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 3), st.booleans()))
        copies.append(chosen.with_session(clock, objects, is_killed=is_killed))
        epoch = copies[-1].epochs[-1].epoch
        assume(epoch not in followed)
        followed[epoch] = chosen.end
    # Chance lets another end seem to be the one that an epoch followed, once in 65,536 times.
    ends = {end_of(each.epoch, each.last_seq) for copy in copies for each in copy.epochs}
    assume(not any(may_follow(epoch, end) for epoch in followed for end in ends - {followed[epoch]}))
    return copies, followed


@given(st.data())
def test_in_any_tree_of_copies_no_row_is_skipped(data: st.DataObject) -> None:
    copies, followed = drawn_copies(data)
    here, there = data.draw(st.sampled_from(copies)), data.draw(st.sampled_from(copies))
    own = {each.epoch: end_of(each.epoch, each.last_seq) for each in here.epochs}
    for number, (epoch, seq) in enumerate(there.seqs):
        position = Position(epoch, seq, 0)
        shared = newest_shared(list(here.epochs), position)
        # What is not read again was read there, up to the position.
        assert {each for each in here.seqs if Position(*each, 0) <= shared} <= set(there.seqs[: number + 1])
        if (epoch, seq) in here.seqs:
            assert shared == position
        elif epoch in own:
            assert shared == own[epoch]
        elif followed[epoch] in own.values():
            # The session continued exactly what stands here: no row comes twice.
            assert shared == followed[epoch]


@given(st.data())
def test_the_last_position_of_each_epoch_shows_exactly_what_is_shared(data: st.DataObject) -> None:
    copies, _ = drawn_copies(data)
    here, there = data.draw(st.sampled_from(copies)), data.draw(st.sampled_from(copies))
    for number, (epoch, seq) in enumerate(there.seqs):
        read = there.seqs[: number + 1]
        last = {each: Position(each, through, 0) for each, through in read}
        passed = data.draw(st.permutations(list(last.values())))
        try:
            check_position(list(here.epochs), Position(epoch, seq, 0), "dest", passed)
        except ForeignPosition as foreign:
            assert set(read) - set(here.seqs)
            shared = parse_position(foreign.shared)
            assert {each for each in here.seqs if Position(*each, 0) <= shared} == set(read) & set(here.seqs)
        else:
            assert set(read) <= set(here.seqs)


@pytest.mark.parametrize("lost", [1, 2, 5])
def test_after_a_restore_the_positions_of_earlier_epochs_show_where_to_go_on(lost: int) -> None:
    before = list(MINE)
    read = [FIRST, SECOND]
    for number in range(lost):
        end = newest_position(before)
        before.append(EpochRow(at(4000 + number, end), end.seq + 1, end.seq + 5, 0.0))
        read.append(newest_position(before))
    restored = [*MINE, EpochRow(at(5000, SECOND), 61, 90, 0.0)]
    with pytest.raises(ForeignPosition) as alone:
        check_position(restored, read[-1], "dest")
    assert alone.value.shared == str(SECOND if lost == 1 else BEGINNING)
    assert alone.value.shared_if_restored == str(SECOND)
    assert (str(SECOND) in alone.value.cause, alone.value.parameters["shared_if_restored"]) == (True, str(SECOND))
    with pytest.raises(ForeignPosition) as caught:
        check_position(restored, read[-1], "dest", read)
    assert (caught.value.shared, caught.value.shared_if_restored) == (str(SECOND), str(SECOND))
    assert "if the destination was restored" not in caught.value.cause


def test_a_copy_that_was_written_to_meanwhile_may_share_less_than_time_suggests() -> None:
    """The reason why an older epoch is not taken to be shared: no text of a position shows what lies between."""
    first = history((1000, 1, 40))
    mine = [*first, EpochRow(at(2000, newest_position(first)), 41, 44, 0.0)]
    other = [*first, EpochRow(at(2500, newest_position(first)), 41, 60, 0.0)]
    other.append(EpochRow(at(3000, newest_position(other)), 61, 70, 0.0))
    with pytest.raises(ForeignPosition) as caught:
        check_position(mine, newest_position(other), "dest")
    assert caught.value.shared == "0"
    assert caught.value.shared_if_restored == str(newest_position(mine))
    with pytest.raises(ForeignPosition) as caught:
        check_position(mine, newest_position(other), "dest", [newest_position(other[:2])])
    assert caught.value.shared == str(newest_position(first))


def test_the_epoch_of_a_sequence_number() -> None:
    assert [epoch_of(MINE, seq) for seq in (1, 40, 41, 99)] == [MINE[0].epoch] * 2 + [MINE[1].epoch] * 2
    assert newest_position(MINE) == end_of(MINE[1].epoch, 60)
    assert newest_position([]) == BEGINNING


@given(st.integers(0, 2**31), st.integers(0, 10**12 - 1))
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


def test_an_epoch_is_48_ordered_bits_and_16_of_chance() -> None:
    # Two copies go on in one second: what they continued is the same, chance is not.
    assert {epoch[:9] for epoch in (at(7) for _ in range(9))} == {at(7)[:9]}
    assert at(2**32 - 1) <= "fvvvvvvvvvvvv"
    number = 0
    for letter in at(2**32 - 1):
        number = number * 32 + "0123456789abcdefghijklmnopqrstuv".index(letter)
    assert number >> 32 == 2**32 - 1


def test_a_refusal_names_the_start_of_what_was_given() -> None:
    with pytest.raises(UsageError) as raised:
        parse_position("x" * 100)
    assert (raised.value.what, raised.value.subject) == (f"not a position: {'x' * 60!r}", "x" * 60)
