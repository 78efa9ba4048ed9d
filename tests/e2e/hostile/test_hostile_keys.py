"""Keys no path can be made of: every object lands with its bytes intact, inside the destination, once."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from scripts.commands import installed_command
from scripts.servers.fake_gcs import FakeGcs
from tests.hostile.key_cases import HOSTILE_KEYS, HostileKeys, HostileObject, held_by_directories
from tests.rigs import file_systems

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PREFIX = "deliveries/"


@dataclass(frozen=True)
class Source:
    """A store that holds hostile keys."""

    location: str
    prefix: str
    cases: tuple[HostileKeys, ...]

    @property
    def objects(self) -> list[HostileObject]:
        return [found for case in self.cases for found in case.objects]


@pytest.fixture(params=["s3", "gs", "file"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    if request.param == "file":
        root = tmp_path / "source"
        cases = tuple(case for case in HOSTILE_KEYS if held_by_directories(case))
        for found in (found for case in cases for found in case.objects):
            path = root / found.key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(found.body)
        return Source(f"file://{root}", f"{root}/", cases)
    if request.param == "gs":
        gcs: FakeGcs = request.getfixturevalue("fake_gcs")
        gcs.create_bucket("hostile-keys")
        for found in (found for case in HOSTILE_KEYS for found in case.objects):
            gcs.put("hostile-keys", PREFIX + found.key, found.body)
        return Source(f"gs://hostile-keys/{PREFIX}", PREFIX, HOSTILE_KEYS)
    bucket: str = request.getfixturevalue("s3_bucket")
    s3: S3Client = request.getfixturevalue("s3")
    for found in (found for case in HOSTILE_KEYS for found in case.objects):
        s3.put_object(Bucket=bucket, Key=PREFIX + found.key, Body=found.body)
    return Source(f"s3://{bucket}/{PREFIX}", PREFIX, HOSTILE_KEYS)


def _folds(folder: Path) -> set[str]:
    """Return what the file system of ``folder`` does not distinguish."""
    folds = set()
    (folder / "probe-e\u0301").touch()
    if (folder / "PROBE-E\u0301").exists():
        folds.add("case")
    if (folder / "probe-\u00e9").exists():
        folds.add("normalization")
    (folder / "probe-e\u0301").unlink()
    return folds


def _expected(objects: list[HostileObject], folds: set[str]) -> dict[str, bytes]:
    """Return the tree that must result."""
    landing = [found for found in objects if found.fate != "ignored"]
    return {found.safe_path if found.fold in folds else found.path: found.content for found in landing}


def test_every_object_lands_once_with_its_bytes_and_nothing_outside(source: Source, tmp_path: Path) -> None:
    within = tmp_path / "within"
    destination = within / "destination"
    within.mkdir()
    expected = _expected(source.objects, _folds(within))
    ignored = Counter(found.detail for found in source.objects if found.fate == "ignored")

    ended = installed_command.sync(source.location, destination)

    assert ended.code == 0, ended
    assert ended.nonzero == {"landed": len(expected)} | ({"ignored": ignored.total()} if ignored else {})
    assert ended.document["ignored_by_reason"] == dict(ignored)
    assert installed_command.tree(destination) == expected
    assert list(within.iterdir()) == [destination]
    assert installed_command.leftovers(destination) == []
    assert ended.document["renamed"] == sum(path.startswith("_keys/") for path in expected)

    if not source.location.startswith("s3:"):
        return  # where the objects came from makes no difference to what follows
    verified = installed_command.verify(destination)
    assert verified.code == 0
    assert [line[0] for line in verified.out.splitlines()] == ["="] * len(expected)

    assert installed_command.verify(destination, "--remote").code == 0

    again = installed_command.sync(source.location, destination)
    assert again.code == 0
    assert again.counts["unchanged"] == len(expected)
    assert again.counts["landed"] == 0


@pytest.mark.parametrize("source", ["s3", "file"], indirect=True)
def test_refuse_refuses_exactly_what_has_no_path_of_its_own(source: Source, tmp_path: Path) -> None:
    folds = _folds(tmp_path)
    unsafe = [found for found in source.objects if found.fate == "safe" or found.fold in folds]
    own = [found for found in source.objects if found.fate == "own" and found.fold not in folds]

    ended = installed_command.sync(source.location, tmp_path / "destination", "--unsafe-names", "refuse")

    assert ended.code == (3 if unsafe else 0), ended
    assert ended.counts["refused"] == len(unsafe)
    assert ended.problems == {
        source.prefix + found.key: ("refused", found.reason or "path_collision") for found in unsafe
    }
    assert installed_command.tree(tmp_path / "destination") == _expected(own, folds)


class FileSystem(NamedTuple):
    """Where a destination lies."""

    folder: Path
    folds: set[str]
    refuses: frozenset[str]

    def named(self, tree: dict[str, bytes]) -> dict[str, bytes]:
        """Return a tree by its names; composed, where the file system may keep them in another form than they came."""
        folded = "normalization" in self.folds
        return {unicodedata.normalize("NFC", path) if folded else path: content for path, content in tree.items()}


@pytest.fixture(params=["exFAT", "like a Mac's"])
def folding(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FileSystem]:
    """A real file system that takes different names for one."""
    if request.param == "exFAT":
        with file_systems.exfat(tmp_path) as mounted:
            yield FileSystem(mounted, {"case"}, file_systems.EXFAT_REFUSES)
    else:
        with file_systems.folding(tmp_path) as mounted:
            yield FileSystem(mounted, {"case", "normalization"}, frozenset())


@pytest.mark.parametrize("source", ["s3"], indirect=True)
def test_on_a_file_system_that_folds_or_refuses_names_every_object_lands(source: Source, folding: FileSystem) -> None:
    destination, strict = folding.folder / "destination", folding.folder / "strict"
    assert _folds(folding.folder) == folding.folds
    landing = [found for found in source.objects if found.fate != "ignored"]
    barred = [
        found for found in landing if found.fold in folding.folds or folding.refuses & set(found.path.replace("/", ""))
    ]
    expected = {(found.safe_path if found in barred else found.path): found.content for found in landing}

    ended = installed_command.sync(source.location, destination)

    assert ended.code == 0, ended
    assert folding.named(installed_command.tree(destination)) == folding.named(expected)
    assert installed_command.leftovers(destination) == []
    assert installed_command.verify(destination, "--remote").code == 0
    again = installed_command.sync(source.location, destination)
    assert again.nonzero == {"unchanged": len(expected), "ignored": len(source.objects) - len(landing)}

    refused = installed_command.sync(source.location, strict, "--unsafe-names", "refuse")
    assert refused.code == 3
    own = {path: content for path, content in expected.items() if not path.startswith("_keys/")}
    assert folding.named(installed_command.tree(strict)) == folding.named(own)


def test_where_case_is_folded_the_key_that_has_the_path_keeps_it(
    s3: S3Client, s3_bucket: str, folding: FileSystem
) -> None:
    destination = folding.folder / "destination"
    bodies = {}

    def put(key: str, version: str) -> None:
        bodies[key] = HostileObject(key + version, "own").content
        s3.put_object(Bucket=s3_bucket, Key=key, Body=bodies[key])

    put("x/b.json", "first")
    assert installed_command.sync(f"s3://{s3_bucket}/", destination).code == 0
    put("X/b.json", "second")
    put("x/B.json", "third")
    assert installed_command.sync(f"s3://{s3_bucket}/", destination).nonzero == {"landed": 2, "unchanged": 1}
    put("x/b.json", "fourth")
    put("x/B.json", "fifth")
    assert installed_command.sync(f"s3://{s3_bucket}/", destination).nonzero == {"landed": 2, "unchanged": 1}

    assert installed_command.tree(destination) == {
        (HostileObject(key, "own").safe_path if key != "x/b.json" else key): body for key, body in bodies.items()
    }
    assert installed_command.verify(destination, "--remote").code == 0


def test_a_version_is_kept_where_no_file_has_two_names(s3: S3Client, s3_bucket: str, folding: FileSystem) -> None:
    destination = folding.folder / "destination"
    older, newer = (HostileObject(version, "own").content for version in ("older", "newer"))
    for body in (older, newer):
        s3.put_object(Bucket=s3_bucket, Key="a.json", Body=body)
        ended = installed_command.sync(f"s3://{s3_bucket}/", destination, "--on-change", "keep")
        assert ended.nonzero == {"landed": 1}
    assert installed_command.tree(destination) == {"a.json": newer}
    assert list(installed_command.tree(destination / ".nimble-harvester" / "versions").values()) == [older]


@pytest.mark.parametrize("output", ["table", "json", "jsonl"])
def test_a_file_name_that_is_no_text_is_refused_and_reported(tmp_path: Path, output: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    body = HostileObject("x.json", "own").content
    # In the order of their bytes, which is not the order Python gives their decoded forms.
    names = [b"\x80low.json", "caf\u00e9.json".encode(), "\U0001f600.json".encode(), b"\xffhigh.json"]
    for name in names:
        Path(os.fsdecode(os.fsencode(source) + b"/" + name)).write_bytes(body)

    for expected in (2, 0):
        ended = installed_command.run("sync", f"file://{source}", tmp_path / "destination", "--format", output)

        assert ended.code == 3, ended
        assert installed_command.tree(tmp_path / "destination") == dict.fromkeys(map(os.fsdecode, names[1:3]), body)
        assert "name_not_utf8" in ended.out or "name not utf8" in ended.out
        assert "\\udc80low.json" in ended.out or "\\x80low.json" in ended.out
        if output == "json":
            assert ended.counts["landed"] == expected
            assert ended.counts["refused"] == 2
            assert ended.document["source_gone"] == 0
