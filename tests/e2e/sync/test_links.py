"""Symbolic links in a destination: nothing is ever written through one."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scripts.commands import installed_command
from scripts.servers.fault_proxy import Delay, FaultProxy, Rule

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BODY = b'{"url": "https://www.example.com/", "task_id": "t", "status": "success", "data": {}, "status_code": 200}'


def _safe(key: str) -> str:
    return f"_keys/{hashlib.sha256(key.encode()).hexdigest()}.json"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder with one file, which links lead to and nothing may be written into."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "mine.json").write_bytes(b"mine")
    return folder


def _untouched(outside: Path) -> bool:
    return installed_command.tree(outside, but=()) == {"mine.json": b"mine"}


def _fill(directory: Path, keys: Sequence[str]) -> str:
    for key in keys:
        (directory / key).parent.mkdir(parents=True, exist_ok=True)
        (directory / key).write_bytes(BODY)
    return f"file://{directory}"


@pytest.fixture
def linked(tmp_path: Path, outside: Path) -> Path:
    """A destination full of links, and of a folder where an object is to lie."""
    destination = tmp_path / "destination"
    (destination / "deep").mkdir(parents=True)
    (destination / "within").mkdir()
    (destination / "in-the-way.json" / "foreign").mkdir(parents=True)
    (destination / "folder").symlink_to(outside)
    (destination / "deep" / "folder").symlink_to(outside)
    (destination / "alias").symlink_to("within")
    (destination / "dangling").symlink_to(outside / "missing")
    (destination / "file.json").symlink_to(outside / "mine.json")
    (destination / "dangling.json").symlink_to(outside / "missing.json")
    return destination


BARRED = ("folder/x.json", "deep/folder/x.json", "alias/x.json", "dangling/x.json", "in-the-way.json")
FREE = ("file.json", "dangling.json", "deep/x.json", "within/x.json")


def test_what_lies_behind_a_link_lands_under_its_safe_name(tmp_path: Path, linked: Path, outside: Path) -> None:
    location = _fill(tmp_path / "source", (*BARRED, *FREE))

    ended = installed_command.sync(location, linked)

    assert ended.code == 0, ended
    assert ended.nonzero == {"landed": 9}
    assert installed_command.tree(linked) == {_safe(key): BODY for key in BARRED} | dict.fromkeys(FREE, BODY)
    assert not (linked / "file.json").is_symlink()
    assert _untouched(outside)
    assert installed_command.sync(location, linked).nonzero == {"unchanged": 9}


def test_refuse_refuses_what_lies_behind_a_link(tmp_path: Path, linked: Path, outside: Path) -> None:
    location = _fill(tmp_path / "source", (*BARRED, *FREE))

    ended = installed_command.sync(location, linked, "--unsafe-names", "refuse")

    assert ended.code == 3, ended
    assert ended.problems == {f"{tmp_path}/source/{key}": ("refused", "path_obstructed") for key in BARRED}
    assert installed_command.tree(linked) == dict.fromkeys(FREE, BODY)
    assert _untouched(outside)
    assert installed_command.leftovers(linked) == []


def test_a_link_in_place_of_the_safe_names_bars_only_what_needs_one(tmp_path: Path, outside: Path) -> None:
    location = _fill(tmp_path / "source", ("good.json", "new\nline.json"))
    destination = tmp_path / "destination"
    destination.mkdir()
    (destination / "_keys").symlink_to(outside)

    ended = installed_command.sync(location, destination)

    assert ended.code == 3, ended
    assert ended.problems == {f"{tmp_path}/source/new\nline.json": ("refused", "path_obstructed")}
    assert installed_command.tree(destination) == {"good.json": BODY}
    assert _untouched(outside)
    assert installed_command.leftovers(destination) == []


@pytest.mark.parametrize("name", ["", "/tmp", "/quarantine", "/versions", "/lock", "/manifest.sqlite"])
def test_state_behind_a_link_is_refused_before_anything_is_written(tmp_path: Path, outside: Path, name: str) -> None:
    location = _fill(tmp_path / "source", ("good.json",))
    link = tmp_path / f"destination/.nimble-harvester{name}"
    link.parent.mkdir(parents=True)
    link.symlink_to(outside / "mine.json" if name in ("/lock", "/manifest.sqlite") else outside)

    ended = installed_command.run("sync", location, tmp_path / "destination")

    assert ended.code == 12, ended
    assert ended.err.startswith("error: ")
    assert installed_command.tree(tmp_path / "destination") == {}
    assert _untouched(outside)


def test_a_destination_may_itself_be_given_by_a_link(tmp_path: Path) -> None:
    location = _fill(tmp_path / "source", ("good.json",))
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")

    assert installed_command.sync(location, tmp_path / "link").code == 0
    assert installed_command.tree(tmp_path / "real") == {"good.json": BODY}


def test_a_link_put_in_while_a_run_works_is_not_followed(
    tmp_path: Path, s3: S3Client, s3_bucket: str, fault_proxy: FaultProxy
) -> None:
    keys = [f"a/b/{number:03}.json" for number in range(120)]
    for key in keys:
        s3.put_object(Bucket=s3_bucket, Key=key, Body=BODY)
    fault_proxy.add(Rule(Delay(150), path=r"/a/b/"))
    destination, moved = tmp_path / "destination", tmp_path / "moved"

    process = installed_command.start_group("sync", f"s3://{s3_bucket}/", destination, "--workers", "1")
    while not list(destination.glob("a/b/*.json")):
        assert process.poll() is None
        time.sleep(0.01)
    # The folder is moved away and a link left in its place, as is usual on a full disk.
    (destination / "a").rename(moved)
    (destination / "a").symlink_to(moved)
    there = set(installed_command.tree(moved, but=()))
    # What was being renamed at this very instant may still arrive; whatever comes later must not.
    time.sleep(0.1)
    settled = set(installed_command.tree(moved, but=()))
    assert process.wait() == 0

    assert there < {key.removeprefix("a/") for key in keys}
    assert set(installed_command.tree(moved, but=())) == settled
    assert len(settled) - len(there) <= 1
    assert installed_command.tree(destination) == {
        _safe(key): BODY for key in keys if key.removeprefix("a/") not in settled
    }
