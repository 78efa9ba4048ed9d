from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from harvester.storage.key_ranges import just_before, split_by_hexadecimal_digit

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.text("09af:g/\0\U0010ffff", max_size=6)
prefixes = st.sampled_from(["", "p/", "deep/er/", "\u00e9/"])


@given(prefixes, names, st.lists(names, min_size=1))
def test_ranges_hold_every_later_key_once_and_in_order(prefix: str, after: str, found: list[str]) -> None:
    ranges = split_by_hexadecimal_digit(prefix, prefix + after if after else "")

    for key in {prefix + name for name in found}:
        inside = [r for r in ranges if r[0] <= key and (r[1] is None or key < r[1])]
        assert len(inside) == (1 if not after or key.encode() > (prefix + after).encode() else 0)
    for (_, end), (start, _) in pairwise(ranges):
        assert end == start
    assert ranges[-1][1] is None


@given(names.filter(bool), names)
def test_just_before_is_before_and_close(key: str, other: str) -> None:
    before = just_before(key)

    assert before.encode() < key.encode()
    # Whatever lies between the two shares all but its last character with the key, and ends oddly.
    if before.encode() < other.encode() < key.encode():
        assert other.startswith(key[:-1])
        assert other > key[:-1]
