"""``export``: rows of a destination as tables, by the installed command."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

import harvester
from scripts.commands.installed_command import Ended, run, start, sync_report
from scripts.commands.output_schemas import validate
from tests.e2e.sources import Directory, result

Identity = tuple[str, str, int | None]


def export(dest: Path, out: Path | str, *options: str, expected: int = 0) -> dict[str, Any]:
    ended = run("export", dest, "--to", out, "--format", "json", *options)
    assert ended.code == expected, ended.err
    document = ended.document
    validate("export-report", document)
    return document


def failing(code: int, *arguments: str | Path) -> Ended:
    ended = run(*arguments)
    assert ended.code == code, ended.err
    return ended


def rows_of(out: Path) -> list[dict[str, Any]]:
    return [
        row for path in sorted((out / "data").rglob("*.parquet")) for row in pq.ParquetFile(path).read().to_pylist()
    ]


def identities(out: Path) -> Counter[Identity]:
    return Counter((row["key"], row["version"], row["row_index"]) for row in rows_of(out))


def landed(dest: Path) -> Counter[Identity]:
    return Counter((row.key, row.version, row.row) for row in harvester.read(dest))


def jobs(source: Directory, files: int, rows: int = 20) -> None:
    for number in range(files):
        lines = [json.dumps({"url": f"u{number}", "n": row, "text": "x" * 100}) for row in range(rows)]
        source.put(f"jobs/{number:03d}.jsonl", "\n".join(["{broken", *lines]).encode())


def test_rows_become_tables_and_the_view_shows_the_current_ones(source: Directory, dest: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    source.put("a.json", result(1))
    source.put("b.json", result(2))
    jobs(source, 2, rows=3)
    sync_report(source.location, dest, expected=3)
    report = export(dest, out)
    assert {name: table["rows"] for name, table in report["tables"].items()} == {
        "envelopes": 2,
        "job_rows": 6,
        "run_documents": 0,
    }
    assert identities(out) == landed(dest)
    assert {row["row_index"] for row in rows_of(out) if row["shape"] == "jsonl"} == {1, 2, 3}
    consumers = json.loads(run("consumers", "list", dest, "--format", "json").out)["consumers"]
    assert [(each["name"], each["position"]) for each in consumers] == [(f"export:{out}", report["position"])]

    source.put("a.json", result(3))
    sync_report(source.location, dest)
    assert export(dest, out)["tables"]["envelopes"]["rows"] == 1
    assert len(identities(out)) == 9
    view = run("export", dest, "--to", out, "--print-view").out
    with duckdb.connect() as database:
        database.execute(view)
        found = database.execute("SELECT key, parsing FROM envelopes_current ORDER BY key").fetchall()
    current = {Path(key).name: parsing for key, parsing in found}
    assert sorted(current) == ["a.json", "b.json"]


def test_evicted_rows_have_been_exported(source: Directory, dest: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    jobs(source, 3)
    sync_report(source.location, dest, expected=3)
    export(dest, out)
    freed = json.loads(run("evict", dest, "--consumed", "--format", "json").out)
    assert freed["objects"] == 3
    assert export(dest, out)["tables"]["job_rows"]["parts"] == 0
    other = failing(17, "export", dest, "--to", tmp_path / "other")
    assert "--after-restore" in other.err
    assert not (tmp_path / "other").exists()


def test_killed_exports_lose_and_repeat_nothing(source: Directory, dest: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    jobs(source, 40)
    sync_report(source.location, dest, expected=3)
    draw = random.Random(17)
    for _ in range(6):
        process = start("export", dest, "--to", out, "--part-size", "1")
        try:
            process.communicate(timeout=draw.uniform(0.3, 1.5))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        assert max(identities(out).values(), default=1) == 1
    export(dest, out)
    assert identities(out) == landed(dest)


def test_exports_at_once_write_each_row_once(source: Directory, dest: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    jobs(source, 20)
    sync_report(source.location, dest, expected=3)
    running = [start("export", dest, "--to", out, "--part-size", size) for size in ("1", "8KB", "1MB")]
    printed = [process.communicate() for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], printed
    assert identities(out) == landed(dest)


def test_a_destination_restored_from_a_backup_is_refused_until_confirmed(
    source: Directory, dest: Path, tmp_path: Path
) -> None:
    out, backup = tmp_path / "out", tmp_path / "backup"
    jobs(source, 2)
    sync_report(source.location, dest, expected=3)
    subprocess.run(["cp", "-a", str(dest), str(backup)], check=True)
    source.put("late.jsonl", b'{"n":1}\n{"n":2}\n')
    sync_report(source.location, dest)
    export(dest, out)
    subprocess.run(["rm", "-r", str(dest)], check=True)
    backup.rename(dest)
    before = identities(out)
    failing(17, "export", dest, "--to", out)
    assert identities(out) == before
    sync_report(source.location, dest)
    failing(17, "export", dest, "--to", out)
    export(dest, out, "--after-restore")
    assert {key: count for key, count in identities(out).items() if count == 2} == {
        key: 2 for key in identities(out) if key[0].endswith("late.jsonl")
    }
    with duckdb.connect() as database:
        database.execute(run("export", dest, "--to", out, "--print-view").out)
        found = database.execute("SELECT count(*), count(DISTINCT key) FROM job_rows_current").fetchone()
    assert found == (42, 3)
    assert export(dest, out)["tables"]["job_rows"]["parts"] == 0


def test_columns_drop_and_formats(source: Directory, dest: Path, tmp_path: Path) -> None:
    jobs(source, 1, rows=2)
    sync_report(source.location, dest, expected=3)
    columns = tmp_path / "columns.json"
    columns.write_text(
        '[{"name": "n", "pointer": "/n", "type": "int64"}, {"name": "u", "pointer": "/url", "type": "bool"}]'
    )
    report = export(dest, tmp_path / "a", "--columns", str(columns), "--drop", "html,markdown")
    assert report["misfits"] == {"u": 2}
    assert [(row["n"], row["u"], "html" in row) for row in rows_of(tmp_path / "a")] == [
        (0, None, False),
        (1, None, False),
    ]
    export(dest, tmp_path / "b", "--as", "jsonl", "--compression", "gzip")
    assert len(list((tmp_path / "b" / "data").rglob("*.jsonl.gz"))) == 1
    assert "another layout" in failing(2, "export", dest, "--to", tmp_path / "b").err
    columns.write_text("[1]")
    assert "column 0" in failing(2, "export", dest, "--to", tmp_path / "c", "--columns", columns).err


def test_an_output_lies_outside_of_the_destination_and_its_location(
    source: Directory, dest: Path, tmp_path: Path
) -> None:
    jobs(source, 1, rows=1)
    sync_report(source.location, dest, expected=3)
    for out in (dest, dest / "tables", f"{source.location}tables", source.path):
        assert "synced as results" in failing(2, "export", dest, "--to", out).err
    assert not (dest / "data").exists()
    export(dest, tmp_path / "tables")


def test_views_over_the_outputs_of_two_destinations(source: Directory, dest: Path, tmp_path: Path) -> None:
    second = Directory(tmp_path / "second")
    source.put("a.json", result(1))
    jobs(second, 1, rows=2)
    second.put("b.json", result(2))
    sync_report(source.location, dest)
    sync_report(second.location, tmp_path / "dest2", expected=3)
    export(dest, tmp_path / "x" / ".." / "out")
    export(tmp_path / "dest2", tmp_path / "out2")
    failing(2, "export", dest, "--to", tmp_path / "out", "--to", tmp_path / "out2")
    relative = os.path.relpath(tmp_path / "out")
    view = run("export", dest, "--to", relative, "--to", tmp_path / "out2", "--print-view").out
    with duckdb.connect() as database:
        database.execute(view)
        keys = database.execute("SELECT key FROM envelopes_current ORDER BY key").fetchall()
        rows = database.execute("SELECT count(*) FROM job_rows_current").fetchone()
    assert [Path(key).name for (key,) in keys] == ["b.json", "a.json"]
    assert rows == (2,)
    (consumer,) = json.loads(run("consumers", "list", dest, "--format", "json").out)["consumers"]
    assert consumer["name"] == f"export:{tmp_path / 'out'}"


def test_a_start_replays_without_moving_a_consumer(source: Directory, dest: Path, tmp_path: Path) -> None:
    jobs(source, 3, rows=2)
    sync_report(source.location, dest, expected=3)
    positions = [row.position for row in harvester.read(dest)]
    export(dest, tmp_path / "out", "--from", positions[2])
    assert len(identities(tmp_path / "out")) == len(positions) - 3
    assert json.loads(run("consumers", "list", dest, "--format", "json").out)["consumers"] == []


@pytest.mark.parametrize("out", ["s3", "gcs"])
def test_an_export_to_a_bucket(out: str, source: Directory, dest: Path, request: pytest.FixtureRequest) -> None:
    if out == "s3":
        url = f"s3://{request.getfixturevalue('s3_bucket')}/tables"
    else:
        request.getfixturevalue("fake_gcs").create_bucket("bucket")
        url = "gs://bucket/tables"
    jobs(source, 2, rows=2)
    sync_report(source.location, dest, expected=3)
    assert export(dest, url, "--part-size", "1")["tables"]["job_rows"]["parts"] == 2
    assert export(dest, url)["tables"]["job_rows"]["parts"] == 0


def test_python_exports_too(source: Directory, dest: Path, tmp_path: Path) -> None:
    source.put("a.json", result(1))
    sync_report(source.location, dest)
    report = harvester.export(dest, str(tmp_path / "out"), harvester.ExportOptions(drop=("html",)))
    assert report.tables["envelopes"].rows == 1
