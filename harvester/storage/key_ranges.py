"""How a listing is split into ranges of keys that can be walked at the same time."""

from __future__ import annotations

_CUTS = "2468ace"
_HIGHEST = "\U0010fffd"  # sorts behind every other character that XML and JSON can carry


def split_by_hexadecimal_digit(prefix: str, after: str) -> list[tuple[str, str | None]]:
    """Return ranges ``start <= key < end`` which hold every key below ``prefix`` that is ``> after``, in order.

    They are cut at every other hexadecimal digit behind the prefix, as default task ids are random UUIDs. Each but
    the last ends within a page whose rest is thrown away: more of them would be more to fetch.
    """
    first = f"{after}\0" if after else ""  # the very next key in byte order
    bounds = [prefix + digit for digit in _CUTS]
    starts: list[str] = ["", *bounds]
    ends: list[str | None] = [*bounds, None]
    return [(max(start, first), end) for start, end in zip(starts, ends, strict=True) if end is None or end > first]


def just_before(key: str) -> str:
    """Return a key ``k < key`` that hardly any other lies behind; for stores that can only list ``> k``.

    A key has no nearest lower neighbour, except one that ends in NUL. What does lie between has to be dropped. The
    result adds no character that XML cannot carry, as some stores echo it unencoded.
    """
    if not key:
        return ""
    head, last = key[:-1], ord(key[-1])
    if last <= ord(" "):
        return head  # only keys with a control character lie between
    previous = last - 1
    if 0xD800 <= previous <= 0xDFFF:
        previous = 0xD7FF  # no key holds a surrogate
    elif previous in {0xFFFE, 0xFFFF}:
        previous = 0xFFFD
    return head + chr(previous) + _HIGHEST
