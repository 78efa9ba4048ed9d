"""Memory does not grow with the number of objects or rows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from scripts.commands.installed_command import COMMAND, environment
from scripts.soak_test.watch_memory import memory_of_looks

_RUN = """
import resource, subprocess, sys
ended = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(ended.returncode, usage.ru_maxrss)
"""
# Far less than the objects in question would take: a listed object alone is some 400 bytes.
_TOLERATED_KILOBYTES = 8_000


def peak(source: Path, dest: Path, *options: str) -> int:
    """Return the peak resident size of the largest process of a sync, in kilobytes."""
    return peak_of("sync", f"file://{source}/", str(dest), "--workers", "1", *options)


def peak_of(*arguments: str) -> int:
    """Return the peak resident size of the largest process of a command, in kilobytes."""
    ended = subprocess.run(
        [sys.executable, "-c", _RUN, COMMAND, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
    )
    code, size = map(int, ended.stdout.split())
    assert code == 0
    return size


def fill(source: Path, count: int) -> Path:
    source.mkdir()
    body = source / "body.json"
    body.write_bytes(b'{"status":"success","data":{"markdown":"x"}}')
    for number in range(1, count):
        folder = source / f"{number // 500}"
        folder.mkdir(exist_ok=True)
        # Hard links: one file on the disk, many objects for the program.
        os.link(body, folder / f"{number}.json")
    return source


def test_a_look_of_watch_leaves_nothing_behind(tmp_path: Path) -> None:
    first, *_, last = memory_of_looks(tmp_path, 60, every=15)
    looks = last.looks - first.looks
    # A row, a report or a worker that was kept would be an object a look; texts are freed now and then only.
    assert (last.objects - first.objects) / looks < 0.5
    assert (last.traced_bytes - first.traced_bytes) / looks < 1_000


def test_landing(tmp_path: Path) -> None:
    few, many = (peak(fill(tmp_path / f"{count}", count), tmp_path / f"dest-{count}") for count in (2_000, 9_000))
    landed = [path for path in (tmp_path / "dest-9000").rglob("*.json") if ".nimble-harvester" not in path.parts]
    assert len(landed) == 9_000
    assert many - few < _TOLERATED_KILOBYTES, (few, many)


def test_planning(tmp_path: Path) -> None:
    # More than the pages that may be listed ahead, in both cases.
    few, many = (peak(fill(tmp_path / f"{count}", count), tmp_path / "dest", "--dry-run") for count in (18_000, 40_000))
    assert many - few < _TOLERATED_KILOBYTES, (few, many)


def test_exporting(tmp_path: Path) -> None:
    # Several row groups in both cases.
    sizes = []
    for rows in (60_000, 240_000):
        folder = tmp_path / str(rows)
        folder.mkdir()
        (folder / "rows.jsonl").write_text('{"url":"https://x.example/1","price":1.5}\n' * rows)
        peak(folder, tmp_path / f"dest-{rows}")
        sizes.append(peak_of("export", str(tmp_path / f"dest-{rows}"), "--to", str(tmp_path / f"out-{rows}")))
    few, many = sizes
    assert many - few < _TOLERATED_KILOBYTES, (few, many)
