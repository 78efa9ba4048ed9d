"""What one object may cost: the worker it stalls or fills is ended, and every other object lands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.program import Directory, result, sync

# Each level tries the next one twice: 2**40 steps for 40 levels.
EXPONENTIAL = {
    "$defs": {"node": {"anyOf": [{"type": "array", "items": {"$ref": "#/$defs/node"}}] * 2}},
    "properties": {"deep": {"$ref": "#/$defs/node"}},
}
STALLING = "[" * 40 + "1" + "]" * 40


def envelope(deep: str, more: str = "[]") -> bytes:
    return f'{{"url": "u", "data": {{"parsing": {{"deep": {deep}, "more": {more}}}}}}}'.encode()


@pytest.fixture
def schema(tmp_path: Path) -> str:
    file = tmp_path / "schema.json"
    file.write_text(json.dumps(EXPONENTIAL))
    return str(file)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_object_that_stalls_its_worker_fails_alone(source: Directory, dest: Path, schema: str, workers: str) -> None:
    for number in range(200):
        source.put(f"{number:03d}.json", result(number))
    source.put("050-stalls.json", envelope(STALLING))
    source.put("150-stalls.json", envelope(STALLING))

    report = sync(source.location, dest, "--schema", schema, "--decode-timeout", "1s", "--workers", workers, expected=3)

    assert report["counts"] | {"landed": 200, "failed": 2} == report["counts"]
    failed = [(Path(problem["key"]).name, problem["reason"]) for problem in report["problems"]]
    assert failed == [("050-stalls.json", "time_exceeded"), ("150-stalls.json", "time_exceeded")]


def test_an_object_that_fills_memory_fails_alone(source: Directory, dest: Path, schema: str) -> None:
    for number in range(20):
        source.put(f"{number:03d}.json", result(number))
    source.put("010-fills.json", envelope(STALLING, "[" + ",".join(["[]"] * 1_200_000) + "]"))
    limits = ["--decode-timeout", "10m", "--max-worker-memory", "120MB"]

    report = sync(source.location, dest, "--schema", schema, *limits, expected=3)

    assert report["counts"] | {"landed": 20, "failed": 1} == report["counts"]
    assert [problem["reason"] for problem in report["problems"]] == ["memory_exceeded"]


def test_a_big_honest_object_may_take_longer_than_the_limit(source: Directory, dest: Path) -> None:
    row = json.dumps({"title": "x" * 200, "price": 1.5}).encode() + b"\n"
    source.put("rows.jsonl", row * 1_200_000)

    report = sync(source.location, dest, "--decode-timeout", "1s", "--workers", "1")

    assert report["counts"] | {"landed": 1, "failed": 0} == report["counts"]
