"""Commands as a scheduler starts them, and the metrics that they leave."""

from __future__ import annotations

import subprocess
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from scripts.commands.installed_command import COMMAND, environment

PREFIX = "nimble_harvester_"


def scheduled(*arguments: str | Path, together: bool = False) -> tuple[int, str]:
    """Run a command with standard output thrown away, or sent to the same pipe; return exit code and the rest."""
    ended = subprocess.run(
        [COMMAND, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if together else subprocess.DEVNULL,
        stderr=subprocess.STDOUT if together else subprocess.PIPE,
        text=True,
        env=environment(),
        check=False,
    )
    return ended.returncode, ended.stdout if together else ended.stderr


def samples(text: str) -> dict[str, float]:
    """Return the samples by name and label value, without the destination."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            own = [value for name, value in sample.labels.items() if name not in ("destination", "verb")]
            found[" ".join([sample.name.removeprefix(PREFIX), *own])] = sample.value
    return found
