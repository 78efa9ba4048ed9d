"""The dlt source: each row once in the warehouse, also after a kill before its state and without its folder."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import duckdb

import harvester
from scripts.commands.installed_command import environment, sync_report
from tests.e2e.sources import Directory, result

LOAD = """
import sys, dlt, harvester
dest, folder, database, consumer, killed = sys.argv[1:]
warehouse = dlt.destinations.duckdb(database)
pipeline = dlt.pipeline("nimble", pipelines_dir=folder, destination=warehouse, dataset_name="web")
source = harvester.nimble_results(dest, consumer or None)
if killed:
    import os
    pipeline.run(source)
    os._exit(9)  # loaded, and not acknowledged
pipeline.run(source).raise_on_failed_jobs()
if consumer:
    position = [row.position for row in harvester.read(dest)][-1]
    harvester.acknowledge(dest, consumer, position)
"""


def load(dest: Path, folder: Path, *, consumer: str = "", killed: bool = False) -> int:
    command = [sys.executable, "-c", LOAD, str(dest), str(folder / "p"), str(folder / "w.duckdb"), consumer]
    variables = environment(RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="ERROR", HOME=str(folder))
    ended = subprocess.run(
        [*command, "killed" if killed else ""], env=variables, cwd=folder, capture_output=True, text=True, check=False
    )
    assert ended.returncode in (0, 9), ended.stderr
    return ended.returncode


def loaded(folder: Path) -> Counter[tuple[str, str, int]]:
    with duckdb.connect(str(folder / "w.duckdb"), read_only=True) as database:
        found: Counter[tuple[str, str, int]] = Counter()
        for table in ("envelopes", "job_rows"):
            found.update(database.execute(f"SELECT key, version, row_index FROM web.{table}").fetchall())
        return found


def positions(folder: Path) -> set[str]:
    with duckdb.connect(str(folder / "w.duckdb"), read_only=True) as database:
        found = database.execute("SELECT position FROM web.envelopes UNION ALL SELECT position FROM web.job_rows")
        return {position for (position,) in found.fetchall()}


def expected(dest: Path) -> Counter[tuple[str, str, int]]:
    return Counter((row.key, row.version, row.row) for row in harvester.read(dest))


def test_rows_are_merged_whatever_is_lost(source: Directory, dest: Path, tmp_path: Path) -> None:
    source.put("a.json", result(1))
    source.put("b.jsonl", b"\n".join(json.dumps({"n": number}).encode() for number in range(5)))
    sync_report(source.location, dest)
    harvester.create_consumer(dest, "warehouse")
    assert load(dest, tmp_path, consumer="warehouse") == 0
    assert loaded(tmp_path) == expected(dest)
    shutil.copytree(dest, tmp_path / "backup")
    source.put("c.jsonl", b'{"n":1}\n{"n":2}\n')
    sync_report(source.location, dest)
    assert load(dest, tmp_path, consumer="warehouse", killed=True) == 9
    # The working folder is lost, and the state that the load has written with it.
    shutil.rmtree(tmp_path / "p")
    with duckdb.connect(str(tmp_path / "w.duckdb")) as database:
        database.execute("DELETE FROM web._dlt_pipeline_state")
    source.put("d.json", result(2))
    sync_report(source.location, dest)
    assert load(dest, tmp_path, consumer="warehouse") == 0
    assert loaded(tmp_path) == expected(dest)
    assert set(loaded(tmp_path).values()) == {1}
    # Restored: what dlt has loaded last belongs to a history that is gone.
    shutil.rmtree(dest)
    shutil.copytree(tmp_path / "backup", dest)
    source.put("e.json", result(3))
    sync_report(source.location, dest)
    assert load(dest, tmp_path, consumer="warehouse") == 0
    assert loaded(tmp_path) == expected(dest)
    assert positions(tmp_path) == {row.position for row in harvester.read(dest)}
    harvester.rewind_consumer(dest, "warehouse")
    shutil.rmtree(tmp_path / "p")
    assert load(dest, tmp_path, consumer="warehouse") == 0
    assert loaded(tmp_path) == expected(dest)
