"""A destination is opened by one session at a time, with nothing left over of a run that was killed."""

from __future__ import annotations

from pathlib import Path

import pytest
import xxhash

from harvester.destination.crash_recovery import release_space, reserve_space
from harvester.destination.manifest.manifest import Manifest
from harvester.destination.manifest.row_types import LandedRow
from harvester.destination.opened import (
    check_apart,
    manifest_path,
    open_destination,
    read_destination,
    share_destination,
    state_folder,
)
from harvester.destination.paths import TEMPORARY
from harvester.error_codes import ErrorCode
from harvester.errors import (
    ConfigurationError,
    DestinationLocked,
    DestinationUnusable,
    HarvesterError,
    IntegrityError,
    UsageError,
)
from harvester.location import parse_location


def landed(manifest: Manifest, name: str, content: bytes) -> LandedRow:
    return LandedRow(
        name, "one", len(content), 1.0, name, len(content), 7, xxhash.xxh3_128_hexdigest(content), manifest.take_seq(),
        1, 2.0, None, "identity", None, None, None, "delivered", 0, 0,
    )  # fmt: skip


def test_a_new_destination_has_its_folders_and_an_empty_manifest(tmp_path: Path) -> None:
    with open_destination(tmp_path / "a/b") as opened:
        assert opened.manifest.is_empty()
        assert opened.root == (tmp_path / "a/b").resolve()
        assert {path.name for path in state_folder(opened.root).iterdir()} >= {"tmp", "quarantine", "versions", "lock"}


def test_a_second_session_is_refused_and_readers_are_not(tmp_path: Path) -> None:
    with open_destination(tmp_path):
        with pytest.raises(DestinationLocked), open_destination(tmp_path):
            pass
        with read_destination(tmp_path) as opened:
            assert opened.manifest.is_empty()
        with share_destination(tmp_path) as opened:
            assert opened.manifest.is_empty()
    with open_destination(tmp_path):
        pass


def test_what_was_never_synced_has_no_state_to_read(tmp_path: Path) -> None:
    for opening in (read_destination, share_destination):
        with pytest.raises(ConfigurationError) as raised, opening(tmp_path):
            pass
        assert raised.value.code is ErrorCode.NEVER_SYNCED
    assert list(tmp_path.iterdir()) == []


def test_temporary_files_of_a_killed_run_are_removed_and_landed_ones_stay(tmp_path: Path) -> None:
    with open_destination(tmp_path) as opened:
        (opened.root / "a.json").write_bytes(b"x")
    (tmp_path / TEMPORARY / "123-1-1").write_bytes(b"half")

    with open_destination(tmp_path):
        assert list((tmp_path / TEMPORARY).iterdir()) == []
    assert (tmp_path / "a.json").read_bytes() == b"x"


def test_after_an_unclean_end_only_files_beyond_the_barrier_are_read_again(tmp_path: Path) -> None:
    with open_destination(tmp_path) as opened:
        manifest = opened.manifest
        manifest.begin_run()
        for name in ("before", "good", "lost", "other"):
            (tmp_path / name).write_bytes(name.encode())
            manifest.record([landed(manifest, name, name.encode())], [])
        manifest.set_barrier(1)
    (tmp_path / "before").write_bytes(b"changed long after")
    (tmp_path / "lost").unlink()
    (tmp_path / "other").write_bytes(b"OTHER")

    with open_destination(tmp_path) as opened:
        trusted = {row.key: row.mtime_ns != -1 for row in opened.manifest.landed()}

    assert trusted == {"before": True, "good": True, "lost": False, "other": False}


@pytest.mark.parametrize("name", ["tmp", "quarantine", "versions", "lock", "manifest.sqlite"])
def test_state_is_never_written_through_a_link(tmp_path: Path, name: str) -> None:
    dest, elsewhere = tmp_path / "dest", tmp_path / "elsewhere"
    state_folder(dest).mkdir(parents=True)
    elsewhere.mkdir()
    target = elsewhere / "target"
    (target.mkdir if name in {"tmp", "quarantine", "versions"} else target.touch)()
    (state_folder(dest) / name).symlink_to(target)

    with pytest.raises(HarvesterError), open_destination(dest):
        pass

    assert target.is_dir() or target.read_bytes() == b""


def test_an_emptied_manifest_is_an_integrity_error(tmp_path: Path) -> None:
    with open_destination(tmp_path):
        pass
    manifest_path(tmp_path, None).write_bytes(b"")
    for suffix in ("-wal", "-shm"):
        Path(f"{manifest_path(tmp_path, None)}{suffix}").unlink(missing_ok=True)

    with pytest.raises(IntegrityError) as raised, open_destination(tmp_path):
        pass

    assert raised.value.code is ErrorCode.MANIFEST_EMPTY


def test_a_file_in_the_place_of_the_destination_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")

    with pytest.raises(DestinationUnusable) as raised, open_destination(tmp_path / "file"):
        pass

    assert raised.value.code is ErrorCode.DESTINATION_NOT_A_DIRECTORY
    assert (tmp_path / "file").read_text() == "mine"


def test_space_is_set_aside_and_given_back(tmp_path: Path) -> None:
    with open_destination(tmp_path) as opened:
        reserve_space(opened.root)
        reserved = [path.stat().st_size for path in (opened.root / TEMPORARY).iterdir()]
        release_space(opened.root)

        assert len(reserved) == 1
        assert reserved[0] > 0
        assert list((opened.root / TEMPORARY).iterdir()) == []


def test_a_destination_inside_another_or_around_its_location_is_refused(tmp_path: Path) -> None:
    with open_destination(tmp_path / "outer"):
        pass
    elsewhere = parse_location("s3://bucket/p/")

    with pytest.raises(UsageError) as raised:
        check_apart(elsewhere, tmp_path / "outer/inner")
    assert raised.value.code is ErrorCode.DESTINATION_INSIDE_ANOTHER
    check_apart(elsewhere, tmp_path / "outer")
    check_apart(elsewhere, tmp_path / "beside")
    for source, dest in (("src", "src/d"), ("src/s", "src"), ("src", "src")):
        with pytest.raises(UsageError):
            check_apart(parse_location(f"file://{tmp_path}/{source}/"), tmp_path / dest)
    check_apart(parse_location(f"file://{tmp_path}/src/"), tmp_path / "other")
