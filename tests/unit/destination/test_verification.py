"""Verification compares each path with the manifest, and names what the manifest does not know."""

from __future__ import annotations

from pathlib import Path

import pytest
import xxhash

from harvester.destination.manifest.manifest import Manifest
from harvester.destination.manifest.row_types import LandedRow
from harvester.destination.manifest.source_binding import SourceBinding
from harvester.destination.opened import open_destination
from harvester.destination.verification import FileMark, Verification, VerifyReport
from harvester.errors import ConfigurationError, ExitCode, UsageError
from harvester.location import parse_location
from harvester.location_template import parse_place


def land(root: Path, manifest: Manifest, name: str, content: bytes, *, evicted: int = 0) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    if not evicted:
        (root / name).write_bytes(content)
    digest = xxhash.xxh3_128_hexdigest(content)
    row = LandedRow(
        f"p/{name}", "one", len(content), 1.0, name, len(content), 7, digest, manifest.take_seq(), 1, 2.0, "extract",
        "identity", None, None, None, "delivered", evicted, 0,
    )  # fmt: skip
    manifest.record([row], [])


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    with open_destination(tmp_path / "dest") as opened:
        manifest = opened.manifest
        manifest.bind(SourceBinding("s3://bucket/p/", "", keep_compressed=False), opened.root)
        manifest.begin_run()
        for name in ("same.json", "shorter.json", "altered.json", "gone.json", "d/under.json"):
            land(opened.root, manifest, name, b"content")
        land(opened.root, manifest, "evicted.json", b"content", evicted=1)
        return opened.root


def verify(dest: Path) -> tuple[dict[str, FileMark], VerifyReport]:
    verification = Verification(dest)
    marks = {verified.path: verified.mark for verified in verification}
    return marks, verification.report()


def test_an_untouched_destination_is_the_same(dest: Path) -> None:
    marks, report = verify(dest)

    assert set(marks.values()) == {FileMark.SAME, FileMark.EVICTED}
    assert report.exit_code is ExitCode.OK
    assert report.as_document()["counts"] == {
        "same": 5, "differs": 0, "missing": 0, "extra": 0, "evicted": 1, "unreadable": 0, "nonconforming": 0,
    }  # fmt: skip


def test_every_difference_is_named(dest: Path, tmp_path: Path) -> None:
    (dest / "shorter.json").write_bytes(b"short")
    (dest / "altered.json").write_bytes(b"CONTENT")
    (dest / "gone.json").unlink()
    (dest / "d").rename(tmp_path / "moved")
    (dest / "d").symlink_to(tmp_path / "moved")
    (dest / "foreign.txt").write_text("mine")

    marks, report = verify(dest)

    assert marks == {
        "same.json": FileMark.SAME,
        "shorter.json": FileMark.DIFFERS,
        "altered.json": FileMark.DIFFERS,
        "gone.json": FileMark.MISSING,
        "d/under.json": FileMark.MISSING,
        "evicted.json": FileMark.EVICTED,
        "foreign.txt": FileMark.EXTRA,
        "d": FileMark.EXTRA,
    }
    assert report.exit_code is ExitCode.INTEGRITY


def test_a_file_that_the_manifest_does_not_know_is_a_difference(dest: Path) -> None:
    (dest / "foreign.txt").write_text("mine")

    assert verify(dest)[1].exit_code is ExitCode.INTEGRITY


def test_a_folder_that_was_never_synced_cannot_be_verified(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        verify(tmp_path)


def test_a_part_of_the_source_is_compared_alone(dest: Path) -> None:
    (dest / "altered.json").write_bytes(b"CONTENT")
    (dest / "extra.json").write_bytes(b"")
    (dest / "d" / "extra.json").write_bytes(b"")

    marks = {each.path: each.mark for each in Verification(dest, place=parse_location("s3://bucket/p/d/"))}
    dated = Verification(dest, place=parse_place("s3://bucket/p/{date:%Y}/"))

    assert marks == {"d/under.json": FileMark.SAME, "d/extra.json": FileMark.EXTRA}
    assert list(dated) == []
    for outside in ("s3://bucket/", "s3://other/p/", "gs://bucket/p/d/"):
        with pytest.raises(UsageError, match="lies outside"):
            list(Verification(dest, place=parse_location(outside)))
