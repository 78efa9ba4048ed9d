"""What one object may cost: the worker it stalls or fills is ended, and every other object lands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import harvester
from scripts.commands.installed_command import COMMAND, run, sync_report
from tests.e2e.sources import Directory, result
from tests.e2e.sync.stalling_values import ANY_STEPS, EXPONENTIAL, STALLING, envelope


@pytest.fixture
def schema(tmp_path: Path) -> str:
    file = tmp_path / "schema.json"
    file.write_text(json.dumps(EXPONENTIAL))
    return str(file)


def test_an_object_that_stalls_its_worker_is_quarantined_alone(source: Directory, dest: Path, schema: str) -> None:
    for number in range(200):
        source.put(f"{number:03d}.json", result(number))
    source.put("050-stalls.json", envelope(STALLING))

    limits = ["--max-schema-steps", ANY_STEPS, "--decode-timeout", "1s", "--workers", "2"]
    report = sync_report(source.location, dest, "--schema", schema, *limits, expected=3)

    assert report["counts"] | {"landed": 200, "quarantined": 1} == report["counts"]
    refused = [(Path(problem["key"]).name, problem["reason"]) for problem in report["problems"]]
    assert refused == [("050-stalls.json", "time_exceeded")]

    # Known, and not tried again before the limits, the schema or the object change.
    again = sync_report(source.location, dest, "--schema", schema, *limits)
    assert again["counts"] | {"unchanged": 200, "quarantined": 1, "failed": 0} == again["counts"]
    report = sync_report(source.location, dest, "--schema", schema, *limits[2:], expected=3)
    assert {problem["reason"] for problem in report["problems"]} == {"user_schema"}
    assert sync_report(source.location, dest)["counts"]["landed"] == 1


def test_an_object_that_fills_memory_is_quarantined_alone(source: Directory, dest: Path, schema: str) -> None:
    for number in range(20):
        source.put(f"{number:03d}.json", result(number))
    source.put("010-fills.json", envelope(STALLING, "[" + ",".join(["[]"] * 1_200_000) + "]"))
    limits = ["--max-schema-steps", ANY_STEPS, "--decode-timeout", "10m", "--max-worker-memory", "120MB"]

    report = sync_report(source.location, dest, "--schema", schema, *limits, expected=3)

    assert report["counts"] | {"landed": 20, "quarantined": 1} == report["counts"]
    assert [problem["reason"] for problem in report["problems"]] == ["memory_exceeded"]

    # Tried again under another limit, which it does not exceed.
    report = sync_report(source.location, dest, "--schema", schema, "--max-worker-memory", "2GB", expected=3)
    assert [problem["reason"] for problem in report["problems"]] == ["user_schema"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps this limit of every process")
def test_an_object_that_the_system_gives_no_memory_for_is_quarantined_alone(
    source: Directory, dest: Path, schema: str
) -> None:
    for number in range(20):
        source.put(f"{number:03d}.json", result(number))
    source.put("010-fills.json", envelope(STALLING, "[" + "[]," * 6_000_000 + "[]]"))

    ended = subprocess.run(
        f"ulimit -v 350000; exec {COMMAND} sync {source.location} {dest} --schema {schema} --workers 1 --format json",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )

    report = json.loads(ended.stdout)
    assert report["counts"] | {"landed": 20, "quarantined": 1, "failed": 0} == report["counts"]
    (problem,) = report["problems"]
    assert (problem["reason"], problem["detail"]) == (
        "memory_exceeded",
        "decoding it takes more memory than the system gives to a process",
    )


def test_a_schema_that_multiplies_steps_refuses_values_that_take_too_many(
    source: Directory, dest: Path, schema: str
) -> None:
    source.put("deep.json", envelope(STALLING))
    source.put("other.json", b'{"url": "u", "data": {"parsing": {"more": []}}}')

    report = sync_report(source.location, dest, "--schema", schema, expected=3)

    assert report["counts"] | {"landed": 1, "quarantined": 1} == report["counts"]
    (problem,) = report["problems"]
    assert (problem["reason"], problem["detail"].partition(" takes ")[2]) == (
        "user_schema",
        "more than 200,000,000 steps",
    )
    # What landed before without the schema is checked under the same bound.
    assert sync_report(source.location, dest)["counts"]["landed"] == 1
    checked = run("verify", dest, "--schema", schema)
    assert (checked.code, "1 same, 1 nonconforming" in checked.out) == (3, True)


def test_a_big_honest_object_may_take_longer_than_the_limit(source: Directory, dest: Path) -> None:
    # With the space it takes the slower parser, for several seconds of processor time.
    source.put("rows.jsonl", b' {"price":1}\n' * 3_000_000)

    report = sync_report(source.location, dest, "--decode-timeout", "1s", "--workers", "1")

    assert report["counts"] | {"landed": 1, "failed": 0} == report["counts"]


def children() -> set[int]:
    return {int(each) for each in Path("/proc/self/task", str(os.getpid()), "children").read_text().split()}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows the children of a process")
def test_objects_of_a_worker_that_a_fault_ended_are_landed_by_others(source: Directory, dest: Path) -> None:
    for number in range(300):
        source.put(f"{number:03d}.json", result(number))
    before = children()
    ended: list[int] = []

    def end_one(_: harvester.ObjectEvent) -> None:
        if not ended:
            ended.append(min(children() - before))
            os.kill(ended[0], signal.SIGSEGV)

    options = harvester.SyncOptions(workers=2)
    report = harvester.sync(source.location, dest, options, observer=harvester.Observer(event=end_one))

    assert (report.counts.landed, report.exit_code) == (300, 0)
