"""Where a command's output goes: closed, full, a pipe, a link; nothing else is written to, and no ending is a bug."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from pathlib import Path

import pytest

from scripts.commands.installed_command import COMMAND, checked_report, environment, run, sync_report, tree
from tests.e2e.sources import Directory, result

FULL = Path("/dev/full")
"""A device that is always full; Linux has it."""


@pytest.fixture
def synced(source: Directory, dest: Path) -> Directory:
    source.put("a.json", result(1))
    sync_report(source.location, dest)
    return source


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize(
    "verb", [["cat"], ["status"], ["verify", "--combined"], ["evict", "--through", "0"], ["schema"], ["--help"]]
)
def test_a_full_disk_behind_standard_output_is_reported(synced: Directory, dest: Path, verb: list[str]) -> None:
    where = [] if verb[0] in ("schema", "--help") else [str(dest)]
    with FULL.open("w") as full:
        ended = subprocess.run(
            [COMMAND, *verb, *where],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            check=False,
        )
    assert ended.returncode == 12
    assert ended.stderr.splitlines()[-3:-1] == ["error: cannot write standard output", "  No space left on device"]


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_files_to_write_into(synced: Directory, dest: Path, tmp_path: Path, closed: str) -> None:
    synced.put("b.json", result(2))
    synced.put("bad.json", b"{")
    report = tmp_path / "report.json"
    ended = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", COMMAND, "sync", synced.location, dest, "--report", report],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert ended.returncode == 3
    assert ("1 × quarantined" in ended.stderr) is ("2>&-" not in closed)
    assert checked_report(json.loads(report.read_text()), 3)["counts"]["landed"] == 1
    assert tree(dest) == {"a.json": result(1), "b.json": result(2)}
    assert run("verify", dest).code == 0


@pytest.mark.parametrize("verb", ["ls", "cat", "status", "schema"])
def test_a_command_that_prints_data_fails_when_its_output_is_closed(synced: Directory, dest: Path, verb: str) -> None:
    arguments = {"ls": [synced.location], "schema": ["status"]}.get(verb, [str(dest)])
    ended = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", COMMAND, verb, *arguments],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert ended.returncode == 12
    assert ended.stderr.startswith("error: cannot write standard output\n  it is closed\n")


@pytest.mark.parametrize("streams", ["<&-", "<&- >&-", "<&- >&- 2>&-", "</dev/null >/dev/full"])
def test_a_question_that_cannot_be_asked_is_no_bug(synced: Directory, tmp_path: Path, streams: str) -> None:
    plan = ["backfill", "plan", synced.location, "--to", str(tmp_path / "tables")]
    ended = subprocess.run(
        ["sh", "-c", f'exec "$@" {streams}', "sh", COMMAND, *plan],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert ended.returncode == 13
    assert "2>&-" in streams or ended.stderr.splitlines()[-1].strip() == "run the same command with --yes"


def test_no_policy_is_read_from_a_closed_input() -> None:
    check = ["policy", "check", "-", "--bucket", "bucket", "--mode", "async"]
    ended = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", COMMAND, *check],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert (ended.returncode, "the document is empty" in ended.stderr) == (7, True)


def test_a_report_into_a_pipe_leaves_the_pipe(synced: Directory, dest: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    taken: list[str] = []
    reader = threading.Thread(target=lambda: taken.append(pipe.read_text()), daemon=True)
    reader.start()
    ended = run("sync", synced.location, dest, "--report", pipe)
    reader.join(30)
    assert ended.code == 0
    assert checked_report(json.loads(taken[0]), 0)["counts"]["unchanged"] == 1
    assert pipe.is_fifo()


def test_a_report_to_standard_output_comes_with_what_is_printed(synced: Directory, dest: Path, tmp_path: Path) -> None:
    printed = tmp_path / "printed"
    with printed.open("w") as output:
        subprocess.run(
            [COMMAND, "sync", synced.location, dest, "--report", "/dev/stdout"],
            stdout=output,
            env=environment(),
            check=True,
        )
    document, end = json.JSONDecoder().raw_decode(printed.read_text())
    checked_report(document, 0)
    assert printed.read_text()[end:].lstrip().startswith("1 listed: 0 landed, 1 unchanged")


def test_a_report_through_a_link_keeps_the_link(synced: Directory, dest: Path, tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to(tmp_path / "report.json")
    report = sync_report(synced.location, dest, "--report", tmp_path / "link.json")
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads((tmp_path / "report.json").read_text()) == report


def test_a_report_that_cannot_be_written_hides_no_run(synced: Directory, dest: Path, tmp_path: Path) -> None:
    ended = run("sync", synced.location, dest, "--report", tmp_path)
    assert ended.code == 12
    assert ended.out.startswith("1 listed: 0 landed, 1 unchanged")
    assert ended.err.splitlines()[:2] == [f"error: cannot write the report {tmp_path}", "  Is a directory"]
    failed = run("sync", f"file://{tmp_path}/nowhere/", tmp_path / "other", "--report", tmp_path)
    assert failed.code == 5
    assert "warning: cannot write the report" in failed.err
    assert "error: no such directory" in failed.err
