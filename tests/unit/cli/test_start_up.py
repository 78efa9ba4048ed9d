"""What a sync with nothing to do loads: the start is most of its time, so what few runs need is not part of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.servers.memory_s3 import MemoryS3, results

# Runs the command as installed, and prints what is loaded when it ends.
PROGRAM = """
import atexit, json, sys
atexit.register(lambda: print("\\n" + json.dumps(sorted(sys.modules))))
from harvester.cli import main
main()
"""
# Packages of others that every sync needs; curl only where there is a network.
LOADED = {"click", "lazy_loader"}
NEVER = {
    "asyncio", "bdb", "concurrent", "csv", "decimal", "difflib", "email", "http", "importlib.metadata", "logging",
    "multiprocessing", "pickle", "random", "secrets", "selectors", "socket", "ssl", "statistics", "subprocess",
    "typing_extensions", "unittest", "urllib.request",
}  # fmt: skip
# Of this program: what reads results, lands them, or does something else than a sync.
IDLE = (
    "harvester.access", "harvester.backfill", "harvester.cause_rows", "harvester.destination.consumer_store",
    "harvester.destination.maintenance", "harvester.destination.row_filter", "harvester.destination.rows",
    "harvester.destination.writer", "harvester.events", "harvester.html_report", "harvester.nimble_api",
    "harvester.queues", "harvester.reconciliation", "harvester.results.record", "harvester.results.result_reader",
    "harvester.results.row_files", "harvester.storage.gcs", "harvester.storage.http.fetcher", "harvester.tables",
    "harvester.transfer.rescued_results", "harvester.transfer.workers.worker_launch",
    "harvester.transfer.workers.worker_pool", "policies.checks", "policies.evaluation", "policies.language",
)  # fmt: skip
# For a worker that cannot be copied, or that meets a bug; and what multiprocessing brings.
WORKERS_NEVER = {"multiprocessing", "random", "shutil", "subprocess", "tempfile", "traceback"}
ROOT = Path(__file__).resolve().parents[3]
MOST = 280
"""Modules in all; each costs about 0.1 ms before it does anything."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    with MemoryS3(results(2, 1)) as server:
        yield server.url, tmp_path_factory.mktemp("start")


def modules(place: tuple[str, Path], location: str, name: str) -> set[str]:
    url, folder = place
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "HOME": str(folder),
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "y",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": url,
    }
    command = [sys.executable, "-c", PROGRAM, "sync", location, str(folder / name)]
    for _ in range(3):
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "2 unchanged" in ended.stdout
    return set(json.loads(ended.stdout.splitlines()[-1]))


def check(loaded: set[str], *, others: set[str]) -> None:
    ours = {name for name in loaded if name.partition(".")[0] in {"harvester", "policies"}}
    assert not [name for name in ours for idle in IDLE if name == idle or name.startswith(f"{idle}.")]
    assert not {name for name in loaded if name in NEVER}
    standard = sys.stdlib_module_names | {"__main__", "sitecustomize", "usercustomize"}
    foreign = {name.partition(".")[0] for name in loaded - ours} - standard
    # What environments of developers load by themselves.
    assert {name for name in foreign if not name.startswith(("_", "coverage", "a1_", "org"))} == others
    assert len(loaded) <= MOST


def test_from_a_bucket(place: tuple[str, Path]) -> None:
    check(modules(place, "s3://bucket/r/", "from-s3"), others=LOADED | {"pycurl"})


def test_from_a_directory(place: tuple[str, Path]) -> None:
    source = place[1] / "source"
    source.mkdir()
    for key, body in results(2, 1).items():
        (source / key.rpartition("/")[2]).write_bytes(body)
    check(modules(place, f"file://{source}/", "from-files"), others=LOADED)


def test_of_a_worker() -> None:
    loads = "import harvester.transfer.workers.worker_pool, harvester.transfer.workers.worker_process, sys"
    printing = "print(*sys.modules, sep='\\n')"
    ended = subprocess.run(
        [sys.executable, "-c", f"{loads}\n{printing}"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert not WORKERS_NEVER & set(ended.stdout.split())


@pytest.mark.parametrize(
    ("raised", "printed"), [("KeyboardInterrupt", "interrupted\n"), ("OSError(1)", "OSError: 1\n")]
)
def test_an_interrupt_while_it_is_loaded_prints_no_traceback(raised: str, printed: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", f"import harvester.cli; raise {raised}"], capture_output=True, text=True, check=False
    )
    assert (ended.returncode == -signal.SIGINT) == (raised == "KeyboardInterrupt")
    assert ended.stderr.endswith(printed)
    assert ("Traceback" in ended.stderr) == (raised != "KeyboardInterrupt")
