"""A scheduler of Dask and its workers as processes on loopback, ended by pid."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from scripts.commands.background_command import wait_until
from scripts.commands.installed_command import environment

_DASK = str(Path(sys.executable).parent / "dask")


class DaskCluster:
    """``dask scheduler`` and a number of ``dask worker``."""

    def __init__(self, folder: Path, workers: int = 2) -> None:
        """Start in ``folder``, which takes their logs and files."""
        self._folder = folder
        self._folder.mkdir()
        self._count = workers
        self._started = 0
        self._port = 0
        self.workers: list[subprocess.Popen[bytes]] = []
        self.scheduler = self._start_scheduler()

    def __enter__(self) -> Self:
        """Start the workers."""
        for _ in range(self._count):
            self.add_worker()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all processes."""
        for process in (*self.workers, self.scheduler):
            _kill(process)

    @property
    def address(self) -> str:
        """Where the scheduler listens."""
        return f"tcp://127.0.0.1:{self._port}"

    def add_worker(self) -> None:
        """Start a worker, with one thread and without a nanny: what kills it kills the shard it works on."""
        self.workers.append(self._start("worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard"))

    def kill_worker(self) -> None:
        """Kill the oldest worker, and start another."""
        _kill(self.workers.pop(0))
        self.add_worker()

    def restart_scheduler(self) -> None:
        """Kill the scheduler, and start one at its address; workers that leave it are replaced."""
        _kill(self.scheduler)
        self.scheduler = self._start_scheduler()
        for worker in self.workers:
            _kill(worker)
        self.workers.clear()
        for _ in range(self._count):
            self.add_worker()

    def _start_scheduler(self) -> subprocess.Popen[bytes]:
        file = self._folder / f"scheduler-{self._started}.json"
        port = ("--port", str(self._port))
        process = self._start(
            "scheduler", "--host", "127.0.0.1", *port, "--no-dashboard", "--scheduler-file", str(file)
        )
        wait_until(lambda: _written(file) or process.poll() is not None, "the scheduler")
        self._port = int(json.loads(file.read_text())["address"].rpartition(":")[2])
        return process

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        self._started += 1
        with (self._folder / f"log-{self._started}").open("wb") as log:
            return subprocess.Popen(
                [_DASK, *arguments],
                cwd=self._folder,
                env=environment(DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED="false"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


def _written(file: Path) -> bool:
    try:
        return "address" in json.loads(file.read_text())
    except (OSError, ValueError):
        return False


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process with the worker processes of the shard it works on."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
