"""Choose keys that cut the rest of a listing in two, from the keys that were listed so far. Pure.

A listing starts at any key (``start-after``), so a range can be split wherever keys are expected on both sides. Keys
are expected to continue as they began: each character position has a class (digits, hexadecimal digits, letters …),
and a cut lies halfway between the last listed key and the end of the range.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_CLASSES = (
    "0123456789",
    "0123456789abcdef",
    "0123456789ABCDEF",
    "abcdefghijklmnopqrstuvwxyz",
    "0123456789abcdefghijklmnopqrstuvwxyz",
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
)
_ALPHANUMERIC = _CLASSES[-1]
_VARIED = 3  # random names of 100,000,000 keys share this many characters at most; a padded number shares more
_POSITIONS = 6  # characters of a key that decide where it lies in its range; 6 hexadecimal digits are 2**24 steps
_LONGEST_KEY = 1024
_EXTENSION = r"(\.[A-Za-z][A-Za-z0-9]{0,4}){1,2}$"  # .json.gz: a longer name may continue it
_NEAR = 0.2  # a short cut is taken when it lies this near to the middle, as a share of the range
_FEW_FOLDERS = 3  # of a page's sample: a level with more has folders too small to be ranges


class KeyAlphabet:
    """The characters that keys have at each place of a folder's or file's name, as far as keys were listed.

    A place is the number of slashes before it and the number of characters since the last one.
    """

    def __init__(self) -> None:
        """Start without characters."""
        self._seen: dict[tuple[int, int], set[str]] = {}
        self._classes: dict[tuple[int, int], str] = {}

    def learn(self, keys: Sequence[str]) -> None:
        """Take the characters of some keys into account."""
        for key in keys:
            depth = offset = 0
            for character in re.sub(_EXTENSION, "", key[:_LONGEST_KEY]):
                seen = self._seen.setdefault((depth, offset), set())
                if character not in seen:
                    seen.add(character)
                    self._classes.clear()
                depth, offset = (depth + 1, 0) if character == "/" else (depth, offset + 1)

    def after(self, base: str) -> str:
        """Return the characters expected behind ``base``, in byte order."""
        place = _place(base)
        if place not in self._seen:
            return _CLASSES[1]
        if place not in self._classes:
            self._classes[place] = _class_of(self._alike(*place))
        return self._classes[place]

    def _alike(self, depth: int, offset: int) -> set[str]:
        """Return the characters seen at a place and, as the first one of a random name varies late, those behind it."""
        alike = set(self._seen[depth, offset])
        for behind in range(offset + 1, offset + _VARIED):
            seen = self._seen.get((depth, behind), set())
            if not alike.union(seen) <= set(_ALPHANUMERIC):
                break
            alike |= seen
        return alike

    def base_of(self, first: str, last: str) -> str:
        """Return what two keys begin with alike, without the characters at its end that other keys may vary."""
        base = common_prefix(first, last)
        stem = base.rstrip(_ALPHANUMERIC)
        return stem if len(base) - len(stem) <= _VARIED else base[:-1]

    def evenly_used(self, first: str, last: str) -> bool:
        """Return whether keys from ``first`` to ``last`` use about all characters behind the one they first differ in.

        Random names and counters do; then keys are expected everywhere between a key and the end of its range.
        """
        length = len(common_prefix(first, last)) + 1
        for position in range(length, min(length + 2, len(last))):
            seen = self._seen.get(_place(last[:position]), set())
            if len(seen) > max(len(self.after(last[:position])) // 2, 2):
                return True
            if len(seen) <= 1:
                return False
        return False

    def share(self, key: str, base: str) -> float:
        """Return where ``key`` lies among the keys that begin with ``base``, from 0 to 1."""
        if not key.startswith(base):
            return 0.0 if key < base else 1.0
        share, step = 0.0, 1.0
        for position in range(len(base), min(len(base) + _POSITIONS, len(key))):
            characters = self.after(key[:position])
            step /= len(characters)
            share += step * sum(each < key[position] for each in characters)
        return min(share, 1.0)

    def key_at(self, share: float, base: str, length: int) -> str:
        """Return the key of ``length`` characters after ``base`` that lies at ``share``, or shortly before it."""
        key = base
        for _ in range(length):
            characters = self.after(key)
            index = min(int(share * len(characters)), len(characters) - 1)
            key += characters[index]
            share = share * len(characters) - index
        return key


def _place(base: str) -> tuple[int, int]:
    return base.count("/"), len(base) - base.rfind("/") - 1


def common_prefix(one: str, other: str) -> str:
    """Return what two keys begin with alike."""
    length = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        length += 1
    return one[:length]


def choose_cut(
    alphabet: KeyAlphabet, origin: str, last: str, end: str | None, *, listed: str, after: int = 0
) -> str | None:
    """Return a key ``last < cut < end`` near the middle of what is left, None when none is found.

    ``origin`` is the first key of the listing, ``last`` the key listed last of the range, else its start; everything up
    to ``listed`` was listed. Keys are not cut within their first ``after`` characters, the location's prefix.
    """
    base = _base(alphabet, origin, last, end)
    if len(base) < after:
        base = last[:after]
    low = alphabet.share(last, base)
    high = alphabet.share(end, base) if end is not None else 1.0
    if high <= low:
        return None
    middle = (low + high) / 2
    best = None
    for length in range(1, _POSITIONS + 1):
        cut = alphabet.key_at(middle, base, length)
        if cut > last and (end is None or cut < end) and separates_paths(cut, listed, after):
            best = cut
            if abs(alphabet.share(cut, base) - middle) <= _NEAR * (high - low):
                break
    return best


def remaining_share(alphabet: KeyAlphabet, first: str, last: str, end: str | None, *, origin: str) -> float:
    """Return how much of a range is left, in multiples of what was listed of it, from ``first`` to ``last``."""
    base = _base(alphabet, origin, first, end) if end is not None else _base(alphabet, origin, last, end)
    start, here = alphabet.share(first, base), alphabet.share(last, base)
    stop = alphabet.share(end, base) if end is not None else 1.0
    return max(stop - here, 0.0) / (here - start) if here > start else 1.0


def parent_folders(keys: Sequence[str], after: int) -> list[str]:
    """Return folders whose subfolders are worth listing, the deepest first, from a sample of one page's keys.

    A level with many folders in one page is none of them: its folders are smaller than a page.
    """
    last = keys[-1]
    parents = []
    slash = last.rfind("/")
    while slash >= after:
        if len({key[: slash + 1] for key in keys}) <= _FEW_FOLDERS:
            parents.append(last[: max(last.rfind("/", 0, slash) + 1, after)])
        slash = last.rfind("/", 0, slash)
    return parents


def separates_paths(cut: str, listed: str, after: int) -> bool:
    """Return whether no path on one side of ``cut`` can collide with one on the other, as far as keys show.

    Paths collide where one equals the other or is its parent; a path is its key, or the key without ``.gz``. A key
    below the cut collides with one above only if its path Q begins the cut and is followed there by a character up to
    ``/``. Such a cut is safe when each of Q and ``Q.gz`` that is smaller than the cut is smaller than ``listed`` too:
    then `nests` has seen whether keys below Q follow it. ``after`` is the length of the location's prefix.
    """
    for length in range(after + 1, len(cut)):
        if cut[length] <= "/":
            path = cut[:length]
            if any(listed <= key < cut for key in (path, f"{path}.gz")):
                return False
    return True


def nests(keys: Sequence[str]) -> bool:
    """Return whether any of the sorted keys begins with the path of the one before it: paths may then collide."""
    stems = [key.removesuffix(".gz") for key in keys]
    return any(map(str.startswith, keys[1:], stems))


def _base(alphabet: KeyAlphabet, origin: str, key: str, end: str | None) -> str:
    return common_prefix(key, end) if end is not None else alphabet.base_of(origin, key)


def _class_of(seen: set[str]) -> str:
    for characters in _CLASSES:
        if seen <= set(characters):
            return characters
    return "".join(sorted(seen))
