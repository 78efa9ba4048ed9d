"""Backfills of the installed command: sources, and what is visible in their outputs."""

from __future__ import annotations

import io
import json
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from harvester.tables import open_output
from scripts.commands.installed_command import run
from scripts.commands.output_schemas import validate
from scripts.servers.fake_gcs import FakeGcs
from tests.e2e.sources import Directory, result


def bucket_of(kind: str, request: pytest.FixtureRequest) -> str:
    """Return an output in a fresh bucket of moto (``s3``) or of our Cloud Storage (``gcs``)."""
    if kind == "s3":
        return f"s3://{request.getfixturevalue('s3_bucket')}/tables"
    fake: FakeGcs = request.getfixturevalue("fake_gcs")
    name = f"b-{uuid.uuid4().hex}"
    fake.create_bucket(name)
    return f"gs://{name}/tables"


def fill(source: Directory, objects: int) -> Counter[tuple[str, int]]:
    """Store envelopes and files of rows; return the key and row number of every row."""
    rows: Counter[tuple[str, int]] = Counter()
    for number in range(objects):
        if number % 5:
            key, count = source.put(f"day-{number % 3}/{number:04d}.json", result(number)), 1
        else:
            lines = "\n".join(json.dumps({"url": f"u{number}", "n": row}) for row in range(3))
            key, count = source.put(f"jobs/{number:04d}.jsonl", lines.encode()), 3
        rows.update((key, row) for row in range(count))
    return rows


def plan(location: str, out: Path | str, *options: str, shards: int = 4) -> dict[str, Any]:
    """Write a plan; return it."""
    ended = run("backfill", "plan", location, "--to", out, "--shards", shards, "--yes", "--format", "json", *options)
    assert ended.code == 0, ended.err
    validate("backfill-plan", ended.document)
    return ended.document


def status(out: Path | str, *options: str, expected: int = 0) -> dict[str, Any]:
    """Return the status, whose counts add up."""
    ended = run("backfill", "status", out, "--format", "json", *options)
    assert ended.code == expected, (ended.err, ended.out)
    document = ended.document
    validate("backfill-status", document)
    counts = dict(document["counts"])
    assert counts.pop("listed") == sum(counts.values())
    assert counts["ignored"] == sum(document["ignored_by_reason"].values())
    return document


def visible_rows(out: Path | str) -> Counter[tuple[str, int]]:
    """Return the key and row number of every row under data/."""
    found: Counter[tuple[str, int]] = Counter()
    with open_output(str(out)) as store:
        for name in store.names("data/"):
            columns = pq.read_table(io.BytesIO(store.read(name) or b""), columns=["key", "row_index"]).to_pydict()
            found.update(zip(columns["key"], columns["row_index"], strict=True))
    return found
