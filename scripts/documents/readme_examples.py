"""The console blocks of README.md: run them on an embedded S3, compare, or write what they print into the page.

``python -m scripts.documents.readme_examples`` writes; a test compares. Every line that begins with ``$`` is a command,
what follows is what it prints. Times, ports, request ids, the object that happened to land last and lengths of
compressed bytes differ from run to run, or from one zlib to another, and are no part of the comparison.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from scripts.demonstration.run_demo import BUCKET, Demo
from scripts.inputs.deliveries import deliveries
from scripts.servers.server_process import ServerProcess

README = Path(__file__).parents[2] / "README.md"
OBJECTS = 60
_BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
_VARIABLE = (
    (re.compile(r"\d{8}T\d{6}\.\d+Z"), "TIME"),
    (re.compile(r" +\d+ ms  \w+$", re.MULTILINE), " N ms  REQUEST"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\dZ"), "TIME"),
    (re.compile(r"\b\d+(\.\d+)? s$", re.MULTILINE), "N s"),
    (re.compile(r"127\.0\.0\.1:\d+"), "HOST"),
    (re.compile(r"^  newest .*$", re.MULTILINE), "  newest"),
    (re.compile(r"[\d.]+ (B|kB|MB) fetched"), "N fetched"),
    (re.compile(r"\d+ bytes delivered, \d+ inflated"), "N delivered, N inflated"),
)


def normalised(text: str) -> str:
    """Return what must be equal in every run."""
    for pattern, replacement in _VARIABLE:
        text = pattern.sub(replacement, text)
    return text


def executed(page: str, programs: Path = Path(sys.executable).parent) -> str:
    """Return the page with what its commands print now; ``programs`` is the folder that holds the command."""
    with tempfile.TemporaryDirectory() as folder, ServerProcess("scripts.servers.moto_process") as server:
        demo = Demo(server.url, Path(folder), programs)
        demo.s3.create_bucket(Bucket=BUCKET)
        for delivery in deliveries(OBJECTS):
            if not delivery.key.endswith(".parquet"):  # the page holds for the base installation too
                demo.deliver(delivery)
        return _BLOCK.sub(lambda block: "```console\n" + "".join(_run(block[1], demo)) + "```", page)


def _run(block: str, demo: Demo) -> Iterator[str]:
    for line in block.splitlines():
        if line.startswith("$ "):
            ended = subprocess.run(
                ["bash", "-c", line[2:]],
                cwd=demo.folder,
                env={**demo.environment, "LC_ALL": "C.UTF-8"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            yield f"{line}\n{ended.stdout}"


if __name__ == "__main__":
    README.write_text(executed(README.read_text(encoding="utf-8")), encoding="utf-8")
