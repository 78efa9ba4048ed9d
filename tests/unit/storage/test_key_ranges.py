from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harvester.storage.key_ranges import just_before, usable_folders

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.text("09af:g/\0\U0010ffff", max_size=6)


def test_usable_folders_are_below_their_parent_and_plain() -> None:
    folders = ["p/a/", "p/b\u00e9/", "p/", "p//", "q/a/", "p/a", "p/\x00/", "p/\ud800/"]

    assert usable_folders(folders, "p/") == ["p/a/", "p/b\u00e9/"]


@given(names.filter(bool), names)
def test_just_before_is_before_and_close(key: str, other: str) -> None:
    before = just_before(key)

    assert before.encode() < key.encode()
    # Whatever lies between the two shares all but its last character with the key, and ends oddly.
    if before.encode() < other.encode() < key.encode():
        assert other.startswith(key[:-1])
        assert other > key[:-1]
