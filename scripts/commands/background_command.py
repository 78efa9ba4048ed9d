"""The installed command as a process that runs beside the test: followed by its output, ended by its pid."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scripts.commands.installed_command import COMMAND, environment
from scripts.commands.output_schemas import validate

_LONGEST = 600.0


def wait_until(holds: Callable[[], bool], what: str = "") -> None:
    """Return when ``holds`` does; fail after a time no working program needs."""
    until = time.monotonic() + _LONGEST
    while not holds():
        assert time.monotonic() < until, f"waited in vain: {what}"
        time.sleep(0.01)


class Running:
    """The command while it runs."""

    def __init__(self, folder: Path, *arguments: str | Path, **variables: str) -> None:
        self._folder = folder
        self._arguments = [COMMAND, *map(str, arguments)]
        self._environment = environment(**variables)
        self.process: subprocess.Popen[bytes] | None = None
        self._starts = 0

    def start(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._starts += 1
        with (self._folder / f"out-{self._starts}").open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                self._arguments, env=self._environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )
        return self

    @property
    def _err(self) -> Path:
        return self._folder / f"err-{self._starts}"

    @property
    def out(self) -> str:
        """What it has printed since its last start."""
        return (self._folder / f"out-{self._starts}").read_text()

    @property
    def err(self) -> str:
        """Its standard error since its last start."""
        return self._err.read_text()

    @property
    def document(self) -> dict[str, Any]:
        """Its standard output as the JSON document it must be."""
        document = json.loads(self.out)
        assert isinstance(document, dict)
        validate(document["schema"].split(":")[2], document)
        return document

    def wait_for_line(self, pattern: str) -> re.Match[str]:
        """Wait until standard error matches the pattern; return the match."""
        found: list[re.Match[str]] = []

        def look() -> bool:
            match = re.search(pattern, self.err)
            assert match or self.alive, f"it ended: {self.err}"
            found.extend([match] if match else [])
            return bool(found)

        wait_until(look, pattern)
        return found[0]

    def listening_url(self) -> str:
        """Wait until ``listen`` takes requests; return its URL."""
        return self.wait_for_line(r"listening on (https?://\S+)")[1]

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: int) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """End it as a crash does; its workers end when they notice."""
        self.signal(signal.SIGKILL)
        self.ended()

    def ended(self) -> int:
        """Wait for its end; return its exit code. A traceback is a failure whatever else is expected."""
        assert self.process is not None
        code = self.process.wait(_LONGEST)
        assert "Traceback" not in self.err, self.err
        return code

    def stop(self) -> int:
        """Ask it to end, and wait."""
        if self.alive:
            self.signal(signal.SIGTERM)
        return self.ended()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.alive:
            self.kill()
