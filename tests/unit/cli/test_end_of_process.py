"""The end of the process: its exit handlers run and all output is written, whether or not it ends at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import atexit, os, sys, threading, types
from harvester.cli.shared.standard_streams import end_process
atexit.register(lambda: print("handler"))
class Freed:
    def __del__(self, write=os.write):
        write(1, b"freed one by one")
sys.modules["kept"] = types.ModuleType("kept")
sys.modules["kept"].value = Freed()
print("output")
print("message", end="", file=sys.stderr)
{more}
end_process(7, at_once={at_once})
"""
THREAD = "threading.Thread(target=threading.Event().wait, args=(0.2,)).start()"
TRACED = "sys.settrace(lambda *_: None)"


@pytest.mark.parametrize(
    ("at_once", "more", "taken_apart"),
    [(True, "", False), (False, "", True), (True, THREAD, True), (True, TRACED, True)],
    ids=["at once", "by the interpreter", "a thread goes on", "a debugger waits"],
)
def test_everything_is_written(at_once: bool, more: str, taken_apart: bool) -> None:
    program = PROGRAM.format(at_once=at_once, more=more)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 7
    assert ended.stderr == "message"
    assert ended.stdout == "output\nhandler\n" + "freed one by one" * taken_apart
