"""Positions: where a consumer is in the history of one destination.

``EPOCH-SEQ-ROW`` is a row, ``EPOCH-SEQ-end`` everything through the object with that sequence number, ``0`` the
beginning. All three parts have a fixed width, so positions sort as text in the order in which rows are read.
"""

import os
import re
import time
from hashlib import blake2b
from typing import NamedTuple

from harvester.error_codes import ErrorCode
from harvester.errors import UsageError

# RFC 4648 base32hex in lower case: its letters sort as the numbers do.
_ALPHABET = "0123456789abcdefghijklmnopqrstuv"
_EPOCH_LETTERS = 13
_RANDOM_BITS = 16
_FOLLOWS_BITS = 16
_END = "end"
_NO_EPOCH = ""
_FORM = r"([0-9a-v]{13})-([0-9]{12})-([0-9]{9}|end)"
# Row numbers of real rows stay below it: nine digits.
_AFTER_ALL_ROWS = 10**9


class Position(NamedTuple):
    """A place between two rows; compares in reading order."""

    epoch: str
    """13 characters that name one writing session; empty at the beginning."""
    seq: int
    """Sequence number of the object."""
    row: int
    """Number of the row in its object, from 0; 10**9 for the end of the object."""

    def __str__(self) -> str:
        """Return the text form."""
        if not self.epoch:
            return "0"
        return f"{self.epoch}-{self.seq:012d}-{_END if self.row == _AFTER_ALL_ROWS else f'{self.row:09d}'}"

    @property
    def ends_object(self) -> bool:
        """Whether it is the end of an object, or the beginning of everything."""
        return self.row == _AFTER_ALL_ROWS


BEGINNING = Position(_NO_EPOCH, 0, _AFTER_ALL_ROWS)
"""Before the first row."""


def end_of(epoch: str, seq: int) -> Position:
    """Return the position after every row of an object."""
    return Position(epoch, seq, _AFTER_ALL_ROWS)


def parse_position(text: str) -> Position:
    """Return the position that ``text`` is. Raises UsageError for anything else, a bare number among them."""
    if text == "0":
        return BEGINNING
    # Compiled on first use: a sync needs no position of others.
    found = re.fullmatch(_FORM, text, re.ASCII)
    if found is None:
        raise UsageError(
            f"not a position: {text[:60]!r}",
            cause="a position is 0, or EPOCH-SEQ-ROW as in 0000dpc4vqg3r-000000000007-000000000, or EPOCH-SEQ-end;"
            " a sequence number alone does not name the history it belongs to",
            code=ErrorCode.NOT_A_POSITION,
            subject=text[:60],
        )
    epoch, seq, row = found.groups()
    return Position(epoch, int(seq), _AFTER_ALL_ROWS if row == _END else int(row))


def is_epoch(text: str) -> bool:
    """Return whether a text has the form of an epoch."""
    return len(text) == _EPOCH_LETTERS and set(text) <= set(_ALPHABET)


def draw_epoch(newest: str = "", follows: Position = BEGINNING, now: float | None = None) -> str:
    """Return a new epoch: 32 bits of seconds, 16 that name the end it ``follows``, and 16 random bits.

    It sorts after ``newest``: where the clock is before that, its time is one second later.
    """
    seconds = int(time.time() if now is None else now)
    if newest:
        seconds = max(seconds, seconds_of(newest) + 1)
    ordered = seconds << _FOLLOWS_BITS | _check_of(follows)
    return _encode(ordered << _RANDOM_BITS | int.from_bytes(os.urandom(_RANDOM_BITS // 8)))


def may_follow(epoch: str, end: Position) -> bool:
    """Return whether an epoch was drawn after ``end``; wrong for one in 65,536 other ends."""
    return (_number_of(epoch) >> _RANDOM_BITS) & ((1 << _FOLLOWS_BITS) - 1) == _check_of(end)


def seconds_of(epoch: str) -> int:
    """Return when an epoch was drawn, seconds since 1970."""
    return _number_of(epoch) >> (_RANDOM_BITS + _FOLLOWS_BITS)


def _check_of(end: Position) -> int:
    return int.from_bytes(blake2b(str(end).encode(), digest_size=_FOLLOWS_BITS // 8).digest())


def _encode(number: int) -> str:
    letters = []
    for _ in range(_EPOCH_LETTERS):
        letters.append(_ALPHABET[number & 31])
        number >>= 5
    return "".join(reversed(letters))


def _number_of(epoch: str) -> int:
    number = 0
    for letter in epoch:
        number = number << 5 | _ALPHABET.index(letter)
    return number
