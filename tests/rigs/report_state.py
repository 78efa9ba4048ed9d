"""The state of a destination that a report has something to show of, made without a sync."""

from __future__ import annotations

import json
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from harvester.destination import SourceBinding, manifest_path
from harvester.destination.manifest.manifest import Manifest
from harvester.destination.manifest.row_types import Heartbeat, LandedRow, ProblemRow
from harvester.destination.positions import BEGINNING

HOSTILE = (
    "<script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)>\"'&\x1b[2J\u202etxt\ud800{{ 7 * 7 }}"
)
LOCATION = "s3://acme-results/nimble/"
_HOUR = 3600.0


def make_destination(path: Path, objects: int = 2000, *, runs: int = 60, hostile: bool = True, seed: int = 1) -> Path:
    """Make the state of a destination; half of its names and texts are ``HOSTILE``."""
    draw, now = random.Random(seed), time.time()
    manifest_file = manifest_path(path, None)
    folder = manifest_file.parent
    folder.mkdir(parents=True)
    odd = HOSTILE.encode("utf-8", "backslashreplace").decode() if hostile else "odd"
    with Manifest(manifest_file) as manifest:
        manifest.bind(SourceBinding(LOCATION, "", keep_compressed=False), path)
        for number in range(runs):
            run = manifest.begin_run()
            troubled = number % 9 == 4
            counts = {
                "listed": 0, "landed": draw.randrange(0, 900) * (number % 7 != 3), "unchanged": 900 * number,
                "ignored": 1, "refused": 0, "quarantined": 3 + 40 * troubled, "failed": 60 * troubled,
                "not_attempted": 0,
            }  # fmt: skip
            report = {"counts": counts, "bytes_fetched": counts["landed"] * 30_000}
            manifest.end_run(run, 3 if troubled else 0, json.dumps(report))
        rows = _rows(draw, now, objects, odd)
        while chunk := [row for _, row in zip(range(10_000), rows, strict=False)]:
            manifest.record(chunk, [])
        reasons = ("invalid_json", "schema", odd, "too_large", "object_denied")
        problems = [
            ProblemRow(
                f"nimble/{number:04}-{odd}", "etag", 10, _outcome(reason), reason, f"line 1: {odd}", 1, runs,
                None, None, "print",
            )
            for number in range(60)
            for reason in [reasons[number % 7 % 5]]
        ]  # fmt: skip
        manifest.record([], problems)
        manifest.acceptances().accept(problems[:20], odd, None)
        for verb, age, code in (("sync", 0.4, 0), ("export", 2.0, 0), ("profile", 30.0, 16)):
            manifest.record_heartbeat(Heartbeat(verb, now - age * _HOUR, now - 0.3 * _HOUR, code))
        consumers = manifest.consumers(path)
        for name in ("warehouse", "alerts"):
            consumers.create(name, "{}", BEGINNING)
    with closing(sqlite3.connect(manifest_file)) as database, database:
        database.execute("UPDATE runs SET started_at = ? - (? - run) * 9000, ended_at = started_at + 60", (now, runs))
        database.execute("UPDATE runs SET ended_at = started_at + 40 + run % 17 * 11")
        database.execute("UPDATE consumers SET name = ?, acknowledged_at = ? WHERE name = 'alerts'", (odd, now - 900))
    database.close()
    _write_profiles(folder, odd)
    return path


def _outcome(reason: str) -> str:
    return {"too_large": "refused", "object_denied": "failed"}.get(reason, "quarantined")


def _rows(draw: random.Random, now: float, objects: int, odd: str) -> Iterator[LandedRow]:
    statuses = ["success"] * 18 + ["error", odd]
    for number in range(objects):
        age = 170 * _HOUR * draw.random() ** 1.3
        size = int(draw.lognormvariate(10, 1.5))
        landed_at = now - age
        yield LandedRow(
            f"nimble/{number:07}.json", f"e{number}", size, landed_at - draw.lognormvariate(6, 1.6),
            f"{number:07}.json", size, 1, "0" * 32, number + 1, 1, landed_at, "extract", "identity", f"task-{number}",
            draw.choice(statuses), None, "delivered", 0, 0, None, None, "amazon_pdp",
        )  # fmt: skip


def _write_profiles(folder: Path, odd: str) -> None:
    fields = {"title": 1.0, "price": 0.97, "brand": 0.62, "rating": 0.41, odd: 0.2}
    for kind, changes in (("accepted", {}), ("newest", {"price": 0.31, "brand": 0.66, "stock": 0.9})):
        groups = {
            name: {"fields": {path: {"fill_rate": rate} for path, rate in {**fields, **changes}.items()}}
            for name in ("amazon_pdp", odd)
        }
        document = {"schema": f"urn:nimble-harvester:{kind}-profile:v1", "groups": groups}
        (folder / f"{kind}-profile.json").write_text(json.dumps(document))
