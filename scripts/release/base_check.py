"""Check the base installation: it does what README.md shows, and each feature of an extra is one error.

``python -m scripts.release.base_check`` builds the wheel and installs it, alone, into build/base.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from difflib import unified_diff
from pathlib import Path
from typing import Any, NamedTuple

from harvester.cli.application import COMMANDS
from scripts.documents.readme_examples import README, executed, normalised
from scripts.inputs.deliveries import Author, jobs_json_lines, jobs_parquet, jobs_rows
from scripts.release.environments import BUILD, CheckFailed, build_wheel, install, own_environment
from scripts.servers.fake_gcs import FakeGcs
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
        self._programs = programs
        self._folder = folder
        self._environment = own_environment() | {"HOME": str(folder)} | dict(variables)

    def run(self, *arguments: str | Path, expected: int = 0) -> Ended:
        """Run a command in the folder. Raises CheckFailed for another exit code or a traceback."""
        ended = self._run("nimble-harvester", *arguments)
        if ended.code != expected or "Traceback" in ended.stderr:
            shown = " ".join(map(str, arguments))
            raise CheckFailed(f"exit {ended.code}, expected {expected}: {shown}\n{ended.stderr}")
        return ended

    def run_python(self, code: str) -> Ended:
        """Run code in the interpreter of the environment."""
        return self._run("python", "-c", code)

    def _run(self, program: str, *arguments: str | Path) -> Ended:
        ended = subprocess.run(
            [self._programs / program, *map(str, arguments)],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)


def require(condition: object, message: str) -> None:
    """Raise CheckFailed with the message unless the condition holds."""
    if not condition:
        raise CheckFailed(message)


def check_base(programs: Path, complete: Path, folder: Path) -> None:
    """Check the programs of a base installation; ``complete`` are those of an installation with every extra."""
    page = README.read_text(encoding="utf-8")
    difference = unified_diff(
        normalised(page).splitlines(), normalised(executed(page, programs)).splitlines(), n=0, lineterm=""
    )
    shown = "\n".join(difference)
    require(not shown, f"README.md and the base installation differ:\n{shown}")
    objects = results(OBJECTS, 1)
    with MemoryS3(objects) as server:
        variables = {**_AWS, "AWS_ENDPOINT_URL": server.url, "NIMBLE_API_KEY": "key"}
        base, full = Program(programs, folder, variables), Program(complete, folder, variables)
        check_help(base)
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
        check_missing_extras(base, server, folder)
    check_gcs(programs, folder)


def check_gcs(programs: Path, folder: Path) -> None:
    """Check that the base installation syncs and verifies a bucket of Cloud Storage, and tests its connection."""
    with FakeGcs() as server:
        server.create_bucket("bucket")
        for key, body in results(OBJECTS, 2).items():
            server.put("bucket", key, body)
        base = Program(programs, folder, {"STORAGE_EMULATOR_HOST": server.url})
        counts = base.run("sync", "gs://bucket/r/", "gs", "--format", "json").report["counts"]
        require(counts["landed"] == OBJECTS, f"of {OBJECTS} objects landed {counts}")
        base.run("verify", "gs", "--remote")
        base.run("test", "gs://bucket/r/", "--access", "write")


def check_help(base: Program) -> None:
    """Check that help, version and completion need no extra."""
    for arguments in (["--version"], ["--help"], *([name, "--help"] for name in COMMANDS)):
        base.run(*arguments)
    for shell in ("bash", "zsh", "fish"):
        base.run("completion", shell)


def check_missing_extras(base: Program, server: MemoryS3, folder: Path) -> None:
    """Check that each feature of an extra is one error with the install command, and leaves nothing behind."""
    manifest = {"sourceBucket": "bucket", "fileFormat": "Parquet", "fileSchema": "", "files": []}
    body = json.dumps(manifest).encode()
    server.put("inventory/manifest.json", body)
    server.put("inventory/manifest.checksum", hashlib.md5(body, usedforsecurity=False).hexdigest().encode())
    config = folder / "config.toml"
    config.write_text(
        f'[pipeline.p]\nlocation = "s3://bucket/r/"\ndestination = "{folder}/s3"\nexport = {{ to = "{folder}/out" }}\n'
    )
    config.chmod(0o600)
    subscription = "projects/p/subscriptions/s"
    queue = "https://sqs.us-east-1.amazonaws.com/111122223333/q"
    for extras, command in (
        ("events", ["watch", "gs://bucket/r/", "out", "--queue", subscription, "--once"]),
        ("nimble", ["tasks", "get", "t"]),
        ("nimble", ["batches", "get", "b"]),
        ("nimble", ["runs", "get", "r"]),
        ("nimble", ["reconcile", "s3", "--batch", "b"]),
        ("listen,nimble", ["listen", "s3"]),
        ("listen", ["watch", "s3://bucket/r/", "out", "--once", "--metrics-port", "0"]),
        ("parquet", ["export", "s3", "--to", "out"]),
        ("parquet", ["sync", "s3://bucket/r/", "--export-to", "out"]),
        ("parquet", ["watch", "s3://bucket/r/", "--export-to", "out", "--queue", queue, "--once"]),
        ("parquet", ["sync", "s3://bucket/r/", "out", "--keys-from", "s3://bucket/inventory/manifest.json"]),
        ("parquet", ["--config", "config.toml", "run", "-q"]),
        ("parquet", ["backfill", "run", "shards"]),
        ("delta", ["export", "s3", "--to", "out", "--as", "delta"]),
        ("dask", ["backfill", "run", "shards", "--engine", "dask"]),
        ("report", ["report", "s3"]),
    ):
        error = base.run(*command, expected=8).stderr
        require(f"\n  pip install 'nimble-harvester[{extras}]'\n" in error, f"no install command in: {error}")
        require(error.count("not installed") == 1, f"more than one error: {error}")
        require(not (folder / "out").exists(), f"{command} began to write")
    error = base.run_python("import harvester; harvester.nimble_results('s3')").stderr
    require("needs the extra [dlt]" in error, f"nimble_results: {error}")


def check_parquet(base: Program, full: Program, folder: Path) -> None:
    """Check that Parquet objects are refused without the extra, and land in the first run that has it."""
    source = folder / "source"
    source.mkdir()
    rows = jobs_rows(Author(1), ROWS)
    for name in ("a", "b"):
        (source / f"{name}.parquet").write_bytes(jobs_parquet(rows))
    (source / "c.jsonl").write_bytes(jobs_json_lines(rows))
    sync = ("sync", f"file://{source}/", "rows")
    ended = base.run(*sync, expected=3)
    for printed in (ended.stdout, ended.stderr):
        require(printed.count("2 × refused: parquet extra missing") == 1, f"the refused objects: {printed}")
    base.run(*sync)
    report = base.run(*sync, "--fail-on", "any", "--format", "json", expected=3).report
    problems = [(each["outcome"], each["reason"]) for each in report["problems"]]
    require(problems == [("refused", "parquet_extra_missing")] * 2, f"problems: {problems}")
    counts = full.run(*sync, "--format", "json").report["counts"]
    require((counts["landed"], counts["unchanged"]) == (2, 1), f"with the extra: {counts}")
    error = base.run("cat", "rows", expected=8).stderr
    require("pip install 'nimble-harvester[parquet]'" in error, f"no install command in: {error}")
    require(len(full.run("cat", "rows").stdout.splitlines()) == 3 * ROWS, "cat prints another number of rows")


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
