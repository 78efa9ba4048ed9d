"""Known pages: what packs their files, and what drops them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.destination.manifest.manifest import Manifest
from harvester.destination.manifest.row_types import LandedRow, ProblemRow, VersionRow
from harvester.destination.manifest.source_binding import SourceBinding
from harvester.destination.page_files import PageFiles
from harvester.destination.tree import NoFollowTree
from harvester.errors import IntegrityError
from harvester.storage.base import KnownPage

PAGES = [KnownPage("", "p/c", 2, b"1"), KnownPage("p/c", "p/f", 2, b"2")]


def row(key: str, **changes: object) -> LandedRow:
    path = key.removeprefix("p/")
    landed = LandedRow(
        key, "one", 4, 1.0, path, 4, 7, "digest", 1, 1, 1.0, None, "identity", None, None, None, "delivered", 0, 0,
        agent=None,
    )  # fmt: skip
    return landed._replace(**changes)  # type: ignore[arg-type]  # columns by name


@pytest.fixture
def manifest(tmp_path: Path) -> Iterator[Manifest]:
    with Manifest(tmp_path / "manifest.sqlite") as opened:
        opened.record([row(f"p/{name}", seq=number) for number, name in enumerate("bcef", 1)], [])
        opened.pages().remember(PAGES)
        yield opened


def problem(key: str) -> ProblemRow:
    return ProblemRow(key, "one", 4, "refused", "too_large", "", 1, 1, None, None, "")


CHANGES: dict[str, Callable[[Manifest], object]] = {
    "landed": lambda manifest: manifest.record([row("p/e", etag="two", seq=9)], []),
    "landed between": lambda manifest: manifest.record([row("p/d", seq=9)], []),
    "landed at the path of another": lambda manifest: manifest.record([row("p/z", path="e", seq=9)], []),
    "a problem": lambda manifest: manifest.record([], [problem("p/e")]),
    "a problem between": lambda manifest: manifest.record([], [problem("p/d")]),
    "gone": lambda manifest: manifest.record([], [], gone=["p/e"]),
    "removed": lambda manifest: manifest.record([], [], removed=["p/e"]),
    "evicted": lambda manifest: manifest.evict([row("p/e", seq=3)]),
    "purged": lambda manifest: manifest.purge([("p/e", None)]),
    "distrusted": lambda manifest: manifest.distrust(["p/e"]),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_changed_row_drops_its_page_and_no_other(manifest: Manifest, what: str) -> None:
    assert manifest.pages().all() == PAGES
    CHANGES[what](manifest)
    assert manifest.pages().all() == PAGES[:1]


def test_other_keys_drop_no_page(manifest: Manifest) -> None:
    manifest.record([row("p/g", seq=9)], [problem("q")])
    manifest.record([], [], versions=[VersionRow("p/e", 3, "one", "versions/e", "digest")])
    assert manifest.pages().all() == PAGES


def test_other_keys_of_the_same_rows_drop_both_pages(manifest: Manifest) -> None:
    manifest.rebind(SourceBinding("s3://other/q/", "", keep_compressed=False), "p/", "q/")
    assert manifest.pages().all() == []


@pytest.mark.parametrize("change", [{"evicted": 1}, {"gone": 1}, {"size": 0}])
def test_a_page_with_an_unusual_row_is_not_remembered(manifest: Manifest, change: dict[str, object]) -> None:
    manifest.record([row("p/e", seq=9, **change)], [])
    manifest.pages().remember(PAGES)
    assert manifest.pages().all() == PAGES[:1]


def test_a_page_of_another_number_of_rows_is_not_remembered(manifest: Manifest) -> None:
    manifest.pages().forget(PAGES)
    manifest.pages().remember([PAGES[0]._replace(keys=3), PAGES[1]])
    assert manifest.pages().all() == PAGES[1:]


def test_a_page_with_a_problem_is_not_remembered(manifest: Manifest) -> None:
    manifest.record([], [problem("p/e")])
    manifest.pages().remember(PAGES)
    assert manifest.pages().all() == PAGES[:1]


def test_another_secret_knows_no_page(manifest: Manifest) -> None:
    table = manifest.pages()
    known = table.secret()
    assert len(known) == 32
    assert table.secret() == known
    table.remember(PAGES)
    with manifest.durable_transaction() as database:
        database.execute("UPDATE settings SET value = 'damaged' WHERE name = 'pages_secret'")
    assert table.secret() != known
    assert table.all() == []


def test_the_files_of_a_page(manifest: Manifest) -> None:
    assert manifest.pages().files(PAGES[1]) == PageFiles((("", ["e", "f"]),), (4, 4), (7, 7))
    assert manifest.pages().files(PAGES[1]._replace(keys=3)) is None
    assert manifest.pages().files(KnownPage("p/x", "p/y", 2, b"")) is None


NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=4)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
NUMBERS = st.integers(-(2**63), 2**63 - 1)


@given(st.lists(st.tuples(PATHS, NUMBERS, NUMBERS), min_size=1))
def test_what_is_packed_is_unpacked(files: list[tuple[str, int, int]]) -> None:
    found = PageFiles.unpack(PageFiles.pack(files), len(files))
    assert found is not None
    paths = [f"{folder}/{name}" if folder else name for folder, names in found.groups for name in names]
    assert [*zip(paths, found.sizes, found.times, strict=True)] == files


@given(st.binary(), st.integers(0, 9))
def test_any_bytes_are_unpacked_or_refused(packed: bytes, count: int) -> None:
    found = PageFiles.unpack(packed, count)
    assert found is None or len(found.sizes) == len(found.times) == sum(len(names) for _, names in found.groups)


def test_a_name_with_a_slash_is_refused() -> None:
    packed = PageFiles.pack([("a/b", 1, 2)])
    assert PageFiles.unpack(packed.replace(b"b", b"../x"), 1) is None


class TestComparison:
    """Files as they lie there."""

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        for name in ("a", "in/b", "in/c"):
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"four")
            os.utime(path, ns=(1, 7))
        return tmp_path

    FILES = PageFiles((("", ["a"]), ("in", ["b", "c"])), (4, 4, 4), (7, 7, 7))

    def test_as_landed(self, root: Path) -> None:
        assert self.FILES.are_unchanged(NoFollowTree(root))
        assert not self.FILES._replace(sizes=(4, 4, 5)).are_unchanged(NoFollowTree(root))
        assert not self.FILES._replace(times=(7, 8, 7)).are_unchanged(NoFollowTree(root))

    def test_missing(self, root: Path) -> None:
        (root / "in/c").unlink()
        assert not self.FILES.are_unchanged(NoFollowTree(root))

    def test_a_link_of_the_same_size_and_time(self, root: Path) -> None:
        (root / "in/c").rename(root / "in/file")
        (root / "in/c").symlink_to("file")
        os.utime(root / "in/c", ns=(1, 7), follow_symlinks=False)
        assert not self.FILES.are_unchanged(NoFollowTree(root))

    def test_a_link_above(self, root: Path) -> None:
        (root / "in").rename(root / "moved")
        (root / "in").symlink_to("moved")
        assert not self.FILES.are_unchanged(NoFollowTree(root))

    @pytest.mark.parametrize("folder", ["..", "in/..", "/etc", "in//x"])
    def test_outside(self, root: Path, folder: str) -> None:
        with pytest.raises(IntegrityError):
            PageFiles(((folder, ["b"]),), (4,), (7,)).are_unchanged(NoFollowTree(root))
