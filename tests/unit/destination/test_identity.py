"""A state and a destination belong together by one id; state is opened in plain files only."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from harvester.destination.identity import IDENTITY_NAME, check_state_files, read_identity
from harvester.destination.opened import open_destination, read_destination, share_destination
from harvester.errors import (
    ConfigurationError,
    DestinationLocked,
    DestinationUnusable,
    HarvesterError,
    IntegrityError,
    UsageError,
)
from tests.unit.destination.landed_rows import row


def land(dest: Path, state: Path | None = None) -> tuple[str, ...]:
    with open_destination(dest, state) as opened:
        (dest / "a").write_bytes(b"x")
        opened.manifest.record([row("a", 1, path="a")], [])
        return opened.notices


def test_both_sides_hold_one_id(tmp_path: Path) -> None:
    dest, state = tmp_path / "dest", tmp_path / "state"
    assert land(dest, state) == ()
    known = read_identity(dest)
    assert known is not None
    with read_destination(dest, state) as opened:
        assert opened.manifest.identity() == (known, str(dest))
    moved = dest.rename(tmp_path / "moved")
    with open_destination(moved, state) as opened:
        assert opened.notices == ()
        assert opened.manifest.identity() == (known, str(moved))


@pytest.mark.parametrize("opening", [open_destination, read_destination, share_destination])
@pytest.mark.parametrize("other", ["new", "synced"])
def test_the_state_of_another_destination_is_refused(
    tmp_path: Path, opening: Callable[..., object], other: str
) -> None:
    first, second, state = tmp_path / "first", tmp_path / "second", tmp_path / "state"
    land(first, state)
    if other == "synced":
        land(second)
    with pytest.raises(UsageError, match="is not the state of"), opening(second, state):  # type: ignore[attr-defined]
        pass
    with open_destination(first, state):
        pass


def test_an_empty_destination_at_its_place_is_taken_for_lost(tmp_path: Path) -> None:
    dest, state = tmp_path / "dest", tmp_path / "state"
    land(dest, state)
    known = read_identity(dest)
    shutil.rmtree(dest)
    with read_destination(dest, state) as opened:
        assert not opened.manifest.is_empty()
    with open_destination(dest, state) as opened:
        (notice,) = opened.notices
        assert "fetched again" in notice
    assert read_identity(dest) == known
    # With files and without an id it is something else.
    (dest / "b").write_bytes(b"x")
    (dest / ".nimble-harvester" / IDENTITY_NAME).unlink()
    with pytest.raises(UsageError), open_destination(dest, state):
        pass


def test_destination_and_state_are_both_locked(tmp_path: Path) -> None:
    dest, state = tmp_path / "dest", tmp_path / "state"
    with open_destination(dest, state):
        for other in ((dest, None), (tmp_path / "other", state)):
            with pytest.raises(DestinationLocked), open_destination(*other):
                pass
        with read_destination(dest, state), share_destination(dest, state):
            pass


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": 7}', '{"id": "../x"}', '{"id": "' + "A" * 32 + '"}'])
def test_a_damaged_id_is_an_integrity_error(tmp_path: Path, text: str) -> None:
    land(tmp_path / "dest")
    (tmp_path / "dest" / ".nimble-harvester" / IDENTITY_NAME).write_text(text)
    with pytest.raises(IntegrityError, match="does not name a destination"), read_destination(tmp_path / "dest"):
        pass


@pytest.mark.parametrize("kind", ["fifo", "socket", "second name", "link", "link to nothing"])
@pytest.mark.parametrize("name", ["lock", "manifest.sqlite-wal", IDENTITY_NAME])
def test_a_state_file_that_is_not_plain_is_refused(tmp_path: Path, kind: str, name: str) -> None:
    dest = tmp_path / "dest"
    land(dest)
    path = dest / ".nimble-harvester" / name
    path.unlink(missing_ok=True)
    victim = tmp_path / "victim"
    victim.write_bytes(b"content")
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "socket":
            here = Path.cwd()
            os.chdir(path.parent)
            try:
                with socket.socket(socket.AF_UNIX) as made:
                    made.bind(name)
            finally:
                os.chdir(here)
        case "second name":
            path.hardlink_to(victim)
        case "link":
            path.symlink_to(victim)
        case _:
            path.symlink_to(tmp_path / "nothing")
    for opening in (open_destination, read_destination, share_destination):
        with pytest.raises(DestinationUnusable) as raised, opening(dest):
            pass
        assert str(path) in str(raised.value)
    assert victim.read_bytes() == b"content"


def test_no_folder_has_nothing_to_refuse(tmp_path: Path) -> None:
    check_state_files(tmp_path / "nothing")
    check_state_files(tmp_path)


@pytest.mark.parametrize(("content", "error"), [(b"", IntegrityError), (b"junk" * 300, IntegrityError)])
def test_a_damaged_manifest_is_an_integrity_error(tmp_path: Path, content: bytes, error: type[HarvesterError]) -> None:
    dest = tmp_path / "dest"
    land(dest)
    (dest / ".nimble-harvester" / "manifest.sqlite").write_bytes(content)
    for opening in (open_destination, read_destination, share_destination):
        with pytest.raises(error), opening(dest):
            pass


def test_a_manifest_without_tables_was_never_synced(tmp_path: Path) -> None:
    state = tmp_path / ".nimble-harvester"
    state.mkdir()
    (state / "manifest.sqlite").write_bytes(b"")
    for opening in (read_destination, share_destination):
        with pytest.raises(ConfigurationError, match="never been synced"), opening(tmp_path):
            pass


@pytest.mark.parametrize("page", range(2, 12))
def test_a_damaged_page_is_an_integrity_error(tmp_path: Path, page: int) -> None:
    dest = tmp_path / "dest"
    with open_destination(dest) as opened:
        opened.manifest.record([row(f"{number:05}", number, path=f"{number:05}") for number in range(1, 400)], [])
    manifest = dest / ".nimble-harvester" / "manifest.sqlite"
    with manifest.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)

    def read_all() -> None:
        with read_destination(dest) as opened:
            assert len(list(opened.manifest.landed())) == len(list(opened.manifest.landed_by_seq())) == 399
            opened.manifest.totals()
            opened.manifest.runs()
            opened.manifest.epochs()

    with contextlib.suppress(IntegrityError):
        read_all()
    with contextlib.suppress(IntegrityError), open_destination(dest) as opened:
        opened.manifest.begin_run()
