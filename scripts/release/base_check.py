"""Check the base installation: it syncs S3 and directories, and each feature of an extra is one error.

``python -m scripts.release.base_check`` builds the wheel and installs it, alone, into build/base.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from scripts.inputs.deliveries import Author, jobs_json_lines, jobs_parquet, jobs_rows
from scripts.release.environments import BUILD, CheckFailed, build_wheel, install, own_environment
from scripts.servers.memory_s3 import MemoryS3, landed, results

OBJECTS = 40
ROWS = 5
_AWS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""The credentials of AWS's documentation; the embedded S3 takes any."""


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def report(self) -> dict[str, Any]:
        """Standard output as one JSON document."""
        document: dict[str, Any] = json.loads(self.stdout)
        return document


class Program:
    """The command of one environment."""

    def __init__(self, programs: Path, folder: Path, variables: Mapping[str, str]) -> None:
        self._program = programs / "nimble-harvester"
        self._folder = folder
        self._environment = own_environment() | {"HOME": str(folder)} | dict(variables)

    def run(self, *arguments: str | Path, expected: int = 0) -> Ended:
        """Run a command in the folder. Raises CheckFailed for another exit code or a traceback."""
        ended = subprocess.run(
            [self._program, *map(str, arguments)],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode != expected or "Traceback" in ended.stderr:
            shown = " ".join(map(str, arguments))
            raise CheckFailed(f"exit {ended.returncode}, expected {expected}: {shown}\n{ended.stderr}")
        return Ended(ended.returncode, ended.stdout, ended.stderr)


def require(condition: object, message: str) -> None:
    """Raise CheckFailed with the message unless the condition holds."""
    if not condition:
        raise CheckFailed(message)


def check_base(programs: Path, complete: Path, folder: Path) -> None:
    """Check the programs of a base installation; ``complete`` are those of an installation with every extra."""
    objects = results(OBJECTS, 1)
    with MemoryS3(objects) as server:
        variables = {**_AWS, "AWS_ENDPOINT_URL": server.url, "NIMBLE_API_KEY": "key"}
        base, full = Program(programs, folder, variables), Program(complete, folder, variables)
        for arguments in (["--help"], ["--version"], ["completion", "bash"], ["sync", "--help"], ["tasks", "--help"]):
            base.run(*arguments)
        base.run("policy", "show", "--mode", "async", "--bucket", "acme-results", "--prefix", "nimble/")
        counts = base.run("sync", "s3://bucket/r/", "s3", "--format", "json").report["counts"]
        require(counts["landed"] == len(objects), f"of {len(objects)} objects landed {counts}")
        tree = {path.name: path.read_bytes() for path in (folder / "s3").glob("*.json")}
        require(tree == landed(objects), "the landed files differ from the objects")
        base.run("verify", "s3")
        base.run("status", "s3")
        require(len(base.run("cat", "s3").stdout.splitlines()) == len(objects), "cat prints another number of rows")
        base.run("ls", "s3://bucket/r/")
        check_parquet(base, full, folder)
        base.run("backfill", "plan", "s3://bucket/r/", "--to", "shards", "--shards", "2", "--yes")
        for extra, command in (
            ("events", ["watch", "gs://bucket/r/", "q", "--queue", "projects/p/subscriptions/s", "--once"]),
            ("nimble", ["tasks", "list"]),
            ("nimble", ["reconcile", "s3", "--batch", "b"]),
            ("nimble", ["listen", "s3"]),
            ("parquet", ["export", "s3", "--to", "tables"]),
            ("delta", ["export", "s3", "--to", "tables", "--as", "delta"]),
            ("report", ["report", "s3"]),
            ("parquet", ["backfill", "run", "shards"]),
            ("dask", ["backfill", "run", "shards", "--engine", "dask"]),
        ):
            error = base.run(*command, expected=8).stderr
            require(f"pip install 'nimble-harvester[{extra}]'" in error, f"no install command in: {error}")


def check_parquet(base: Program, full: Program, folder: Path) -> None:
    """Check that a Parquet object is refused without the extra, and lands in the first run that has it."""
    source = folder / "source"
    source.mkdir()
    rows = jobs_rows(Author(1), ROWS)
    (source / "a.parquet").write_bytes(jobs_parquet(rows))
    (source / "b.jsonl").write_bytes(jobs_json_lines(rows))
    sync = ("sync", f"file://{source}/", "rows", "--format", "json")
    for fetched in (True, False):
        ended = base.run(*sync, "--fail-on", "any", expected=3)
        report = ended.report
        problems = [(each["outcome"], each["reason"]) for each in report["problems"]]
        require(problems == [("refused", "parquet_extra_missing")], f"problems: {problems}")
        require(bool(report["counts"]["landed"]) is fetched, f"counts: {report['counts']}")
    counts = full.run(*sync).report["counts"]
    require((counts["landed"], counts["unchanged"]) == (1, 1), f"with the extra: {counts}")
    error = base.run("cat", "rows", expected=8).stderr
    require("pip install 'nimble-harvester[parquet]'" in error, f"no install command in: {error}")
    require(len(full.run("cat", "rows").stdout.splitlines()) == 2 * ROWS, "cat prints another number of rows")


def main() -> int:
    """Build, install and check; return 1 with the reason when something is not as it must be."""
    try:
        programs = install(build_wheel(BUILD / "wheel"), BUILD / "base")
        with tempfile.TemporaryDirectory() as folder:
            check_base(programs, Path(sys.executable).parent, Path(os.path.realpath(folder)))
    except CheckFailed as failed:
        print(f"the base installation: {failed}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
