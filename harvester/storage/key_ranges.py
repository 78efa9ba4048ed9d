"""Keys to start or cut a listing at."""

from __future__ import annotations

_HIGHEST = "\U0010fffd"  # sorts behind every other character that XML and JSON can carry


def usable_folders(folders: list[str], parent: str) -> list[str]:
    """Return the folders below ``parent`` that a listing can be cut at: plain text that ends with ``/``."""
    return [
        folder
        for folder in folders
        if folder.startswith(parent) and folder.endswith("/") and len(folder) > len(parent) + 1 and folder.isprintable()
    ]


def printable_bound(key: str, *, upper: bool = False) -> str:
    """Return a bound of a listing without NUL at its end, which Cloud Storage does not accept, that excludes nothing.

    ``upper``: no key of the listing is greater or equal, so the bound may only rise.
    """
    if not key.endswith("\0"):
        return key
    return key[:-1] + (" " if upper else "")


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
