"""No key leaves the destination, no two keys get one path."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harvester.destination.paths import (
    SAFE_NAME_FOLDER,
    STATE_FOLDER,
    FileSystemNames,
    FoldedClaims,
    SortedClaims,
    own_path,
    probe_names,
    safe_path,
)

# Few letters, so that collisions are found; all that a path may stumble over.
PARTS = st.sampled_from(
    ["a", "b", "A", ".", "..", "", "x.json", "x.json.gz", ".gz", "_keys", STATE_FOLDER, "\u00e9", "e\u0301"]
)
KEYS = st.one_of(
    st.lists(PARTS, min_size=1, max_size=4).map("/".join),
    st.text("ab/.gz-0 ", min_size=1, max_size=8),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=30),
)
EXACT = FileSystemNames(folds_case=False, folds_normalization=False)


def assigned(key: str, *, keep_compressed: bool, claims: SortedClaims | FoldedClaims) -> str:
    """Return the path of a key in a run that starts from nothing, as the planner decides it."""
    path, refusal = own_path(key, keep_compressed=keep_compressed)
    if not refusal and claims.claim(key, path):
        return path
    return safe_path(key, keep_compressed=keep_compressed)


@given(key=KEYS, keep_compressed=st.booleans())
@example(key="../x", keep_compressed=False)
@example(key="a/../../x", keep_compressed=False)
@example(key="/etc/passwd", keep_compressed=False)
@example(key="..gz", keep_compressed=False)
@example(key="...gz", keep_compressed=False)
@example(key="a/...gz", keep_compressed=False)
@example(key="a/.gz", keep_compressed=False)
def test_a_path_is_a_plain_one_inside(key: str, *, keep_compressed: bool) -> None:
    path, refusal = own_path(key, keep_compressed=keep_compressed)
    paths = [safe_path(key, keep_compressed=keep_compressed)]
    if not refusal:
        paths.append(path)
        assert path in (key, key.removesuffix(".gz"))
        assert path.split("/")[0].casefold() not in (STATE_FOLDER, SAFE_NAME_FOLDER)
    for each in paths:
        assert os.path.normpath(f"/dest/{each}") == f"/dest/{each}"
        assert each.isprintable() or not any(ord(character) < 32 for character in each)
        assert all(0 < len(part.encode()) <= 255 for part in each.split("/"))


@given(keys=st.sets(KEYS, max_size=12), keep_compressed=st.booleans())
@example(keys={"a", "a/b"}, keep_compressed=False)
@example(keys={"a.gz", "a", "a/b", "a.gz/b"}, keep_compressed=False)
@example(keys={"a", "a.gz", "a-", "a/b.gz", "a/b"}, keep_compressed=False)
@example(keys={"x.json", "x.json.gz", "x.json.gz.gz"}, keep_compressed=False)
def test_every_key_has_a_path_of_its_own(keys: set[str], *, keep_compressed: bool) -> None:
    claims = SortedClaims()
    paths = [assigned(key, keep_compressed=keep_compressed, claims=claims) for key in sorted(keys, key=str.encode)]
    assert len(set(paths)) == len(keys)
    folders = {path[:position] for path in paths for position, character in enumerate(path) if character == "/"}
    assert not folders & set(paths)


@given(keys=st.sets(KEYS, max_size=12), keep_compressed=st.booleans())
def test_the_sorted_stack_decides_as_a_full_memory_does(keys: set[str], *, keep_compressed: bool) -> None:
    stack, memory = SortedClaims(), FoldedClaims(EXACT)
    for key in sorted(keys, key=str.encode):
        path, refusal = own_path(key, keep_compressed=keep_compressed)
        if not refusal:
            assert stack.claim(key, path) == memory.claim(key, path), key


@given(st.sets(KEYS, max_size=12))
def test_no_two_names_that_fold_alike(keys: set[str]) -> None:
    names = FileSystemNames(folds_case=True, folds_normalization=True)
    claims = FoldedClaims(names)
    paths = [assigned(key, keep_compressed=False, claims=claims) for key in sorted(keys, key=str.encode)]
    assert len({names.identity(path) for path in paths}) == len(keys)


@given(keys=st.sets(KEYS, min_size=2, max_size=12), keep_compressed=st.booleans())
def test_safe_names_differ(keys: set[str], *, keep_compressed: bool) -> None:
    assert len({safe_path(key, keep_compressed=keep_compressed) for key in keys}) == len(keys)


@pytest.mark.parametrize(
    ("key", "path", "reason"),
    [
        ("a.json", "a.json", ""),
        ("a.json.gz", "a.json", ""),
        ("deep/a.json", "deep/a.json", ""),
        (".hidden", ".hidden", ""),
        ("-rf", "-rf", ""),
        (" ", " ", ""),
        ("back\\slash", "back\\slash", ""),
        (".gz", ".gz", ""),
        ("a/.gz", "a/.gz", ""),
        ("n" * 255, "n" * 255, ""),
        ("n" * 256, "", "name_too_long"),
        ("\u00e9" * 128, "", "name_too_long"),
        ("a/" * 2048, "", "path_too_long"),
        ("/a", "", "absolute_path"),
        ("a//b", "", "not_a_plain_path"),
        ("a/", "", "not_a_plain_path"),
        ("..", "", "not_a_plain_path"),
        ("...gz", "", "not_a_plain_path"),
        ("a\nb", "", "control_character"),
        ("\u2028", "", "control_character"),
        ("exe\u202enosj.json", "", "control_character"),
        ("a/\u2066b", "", "control_character"),
        ("\u200f\u05d0", "\u200f\u05d0", ""),
        ("\U0001f469\u200d\U0001f680", "\U0001f469\u200d\U0001f680", ""),
        ("", "", "empty_name"),
        (".nimble-harvester/x", "", "reserved_name"),
        (".Nimble-Harvester/x", "", "reserved_name"),
        ("_keys", "", "reserved_name"),
        ("below/_keys/x", "below/_keys/x", ""),
        ("\udce9", "", "name_not_utf8"),
    ],
)
def test_paths_and_refusals(key: str, path: str, reason: str) -> None:
    found, refusal = own_path(key, keep_compressed=False)
    assert refusal == reason
    if not reason:
        assert found == path


def test_safe_names_keep_a_plain_suffix() -> None:
    assert safe_path("a//b.json", keep_compressed=False).endswith(".json")
    assert safe_path("a//b.json.gz", keep_compressed=False).endswith(".json")
    assert safe_path("a//b.json.gz", keep_compressed=True).endswith(".json.gz")
    assert "." not in safe_path("a//b.j s", keep_compressed=False)
    assert safe_path("x", keep_compressed=False).startswith(f"{SAFE_NAME_FOLDER}/")


def test_this_file_system_is_probed(tmp_path: Path) -> None:
    (tmp_path / "lower").touch()
    assert probe_names(tmp_path).folds_case == (tmp_path / "LOWER").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["lower"]
