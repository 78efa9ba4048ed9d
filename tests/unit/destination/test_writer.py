"""Files appear whole, at their own path or not at all, and never through a symbolic link."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import xxhash

from harvester.destination.opened import open_destination
from harvester.destination.paths import QUARANTINE, TEMPORARY, check_inside
from harvester.destination.writer import DestinationWriter, PathObstructedError
from harvester.errors import IntegrityError


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    with open_destination(tmp_path / "dest") as destination:
        yield destination.root


@pytest.fixture
def writer(root: Path) -> DestinationWriter:
    return DestinationWriter(str(root), "w")


def temporary(root: Path) -> list[str]:
    return sorted(path.name for path in (root / TEMPORARY).iterdir() if path.name.startswith("w-"))


def test_a_file_is_invisible_until_it_lands(root: Path, writer: DestinationWriter) -> None:
    name, mtime_ns = writer.write(b"content")
    assert not (root / "a").exists()
    writer.land(name, "a/b/c.json")

    landed = root / "a/b/c.json"
    assert landed.read_bytes() == b"content"
    assert landed.stat().st_mtime_ns == mtime_ns
    assert temporary(root) == []


def test_a_landed_file_replaces_the_one_before(root: Path, writer: DestinationWriter) -> None:
    for content in (b"one", b"two"):
        writer.land(writer.write(content)[0], "a.json")

    assert (root / "a.json").read_bytes() == b"two"


def test_an_older_version_is_kept_aside(root: Path, writer: DestinationWriter) -> None:
    writer.land(writer.write(b"one")[0], "d/a.json")
    writer.land(writer.write(b"two")[0], "d/a.json", ".nimble-harvester/versions/1/a.json")

    assert (root / "d/a.json").read_bytes() == b"two"
    assert (root / ".nimble-harvester/versions/1/a.json").read_bytes() == b"one"


def test_nothing_to_keep_is_no_obstacle(root: Path, writer: DestinationWriter) -> None:
    writer.land(writer.write(b"one")[0], "a.json", ".nimble-harvester/versions/1/a.json")

    assert (root / "a.json").read_bytes() == b"one"


@pytest.mark.parametrize("kind", ["link to a folder", "file", "folder in the file's place"])
def test_what_lies_in_the_way_is_left_alone(root: Path, writer: DestinationWriter, tmp_path: Path, kind: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    match kind:
        case "link to a folder":
            (root / "a").symlink_to(elsewhere)
        case "file":
            (root / "a").write_bytes(b"mine")
        case _:
            (root / "a" / "b.json").mkdir(parents=True)
    name, _ = writer.write(b"content")

    with pytest.raises(PathObstructedError):
        writer.land(name, "a/b.json")

    assert list(elsewhere.iterdir()) == []
    assert temporary(root) == [name]


def test_a_folder_that_became_a_link_meanwhile_leads_no_write_elsewhere(
    root: Path, writer: DestinationWriter, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    writer.land(writer.write(b"one")[0], "a/b.json")
    (root / "a").rename(root / "moved")
    (root / "a").symlink_to(elsewhere)

    with pytest.raises(PathObstructedError):
        writer.land(writer.write(b"two")[0], "a/b.json")

    assert list(elsewhere.iterdir()) == []
    assert (root / "moved/b.json").read_bytes() == b"one"


def test_a_folder_that_was_removed_meanwhile_is_made_again(root: Path, writer: DestinationWriter) -> None:
    writer.land(writer.write(b"one")[0], "a/b.json")
    (root / "a/b.json").unlink()
    (root / "a").rmdir()

    writer.land(writer.write(b"two")[0], "a/b.json")

    assert (root / "a/b.json").read_bytes() == b"two"


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def test_many_folders_are_written_with_a_bounded_number_open(root: Path, writer: DestinationWriter) -> None:
    before = open_files()
    for number in range(300):
        writer.land(writer.write(b"x")[0], f"{number}/a.json")

    assert len(list(root.glob("*/a.json"))) == 300
    assert open_files() - before <= 130


def test_quarantined_bytes_have_a_name_of_their_own(root: Path, writer: DestinationWriter) -> None:
    path = writer.quarantine(writer.write(b"{")[0], "a/b.json")

    assert path.startswith(QUARANTINE + "/")
    assert path.endswith(".json")
    assert (root / path).read_bytes() == b"{"


def test_a_copy_is_made_only_of_the_bytes_that_were_quarantined(root: Path, writer: DestinationWriter) -> None:
    content = b"{" * 2_500_000
    path = writer.quarantine(writer.write(content)[0], "a.json")
    progress: list[None] = []

    copy = writer.copy_of(path, xxhash.xxh3_128_hexdigest(content), lambda: progress.append(None))
    assert copy is not None
    assert Path(writer.temporary_path(copy)).read_bytes() == content
    assert len(progress) == 3
    writer.discard(copy)
    assert writer.copy_of(path, xxhash.xxh3_128_hexdigest(b"other"), lambda: None) is None
    assert temporary(root) == []


def test_what_did_not_land_can_be_discarded(root: Path, writer: DestinationWriter) -> None:
    writer.land(writer.write(b"one")[0], "a.json")
    writer.write(b"two")
    kept, file = writer.create()
    file.close()
    writer.discard_unlanded(kept)
    assert temporary(root) == [kept]
    writer.discard_unlanded()

    assert temporary(root) == []
    assert (root / "a.json").exists()


def test_only_the_expected_version_is_removed(root: Path, writer: DestinationWriter) -> None:
    name, mtime_ns = writer.write(b"one")
    writer.land(name, "d/a.json")

    assert not writer.remove("d/a.json", (4, mtime_ns))
    assert not writer.remove("d/a.json", (3, mtime_ns + 1))
    assert (root / "d/a.json").read_bytes() == b"one"
    assert writer.remove("d/a.json", (3, mtime_ns))
    assert not (root / "d/a.json").exists()
    assert writer.remove("d/a.json")
    assert writer.remove("never/was.json")


def test_nothing_is_removed_through_a_link(root: Path, writer: DestinationWriter, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.json").write_bytes(b"mine")
    (root / "d").symlink_to(elsewhere)

    with pytest.raises(OSError, match=r"."):
        writer.remove("d/a.json")

    assert (elsewhere / "a.json").read_bytes() == b"mine"


def test_a_path_outside_is_refused_before_anything_is_opened(root: Path, writer: DestinationWriter) -> None:
    outside = root.parent / "outside.json"
    outside.write_bytes(b"x")
    for path in ("../outside.json", "d/../../outside.json", "/etc/passwd", "d//a.json"):
        with pytest.raises((IntegrityError, OSError)):
            writer.remove(path)
        with pytest.raises(IntegrityError):
            check_inside(path)
    assert outside.exists()
    check_inside("d/..a/b..json")
