"""Workers are copies of the program that syncs where it has one thread, else new interpreters; callers do not see a
difference."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.commands.installed_command import environment, tree
from tests.e2e.sources import Directory, result

PROGRAM = """
import os, signal, sys, threading
from pathlib import Path
import harvester

print("printed once", end=" ")
reading, writing = os.pipe()
if "{companion}" == "thread":
    threading.Thread(target=threading.Event().wait, daemon=True).start()
elif "{companion}" == "unwanted children":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
seen = []

def look(event):
    if not seen:
        own = Path("/proc/self/task", str(os.getpid()), "children").read_text().split()
        seen.extend(Path("/proc", number, "cmdline").read_text() for number in own)
        os.close(writing)
        # Would wait for ever if a worker held the other end.
        assert os.read(reading, 1) == b""

report = harvester.sync("{location}", "{dest}", observer=harvester.Observer(event=look))
report.raise_for_error()
print(report.counts.landed, all("harvester.transfer.workers.worker_process" in command for command in seen), bool(seen))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows the threads and descriptors of a process")
@pytest.mark.parametrize(("companion", "new"), [("none", False), ("thread", True), ("unwanted children", False)])
def test_a_program_that_syncs(companion: str, new: bool, source: Directory, dest: Path, tmp_path: Path) -> None:
    for number in range(300):
        source.put(f"{number}.json", result(number))
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(companion=companion, location=source.location, dest=dest))
    ended = subprocess.run(
        [sys.executable, program], capture_output=True, text=True, env=environment(), check=False, timeout=60
    )
    assert (ended.stdout, ended.stderr) == (f"printed once 300 {new} True\n", "")
    assert len(tree(dest)) == 300
