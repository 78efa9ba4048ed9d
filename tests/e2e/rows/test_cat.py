"""``cat``: the rows it prints, exactly as they landed, and what it cannot read."""

from __future__ import annotations

import gzip
import json
import math
import subprocess
from pathlib import Path

import pytest

from scripts.commands.installed_command import COMMAND, environment, run, sync_report, tree
from scripts.commands.output_schemas import validate
from scripts.inputs.deliveries import Author, jobs_csv, jobs_document, jobs_json_lines, jobs_parquet, jobs_rows
from tests.e2e.sources import Directory, end_of_object, result

EXACT = (
    b'{"url":"u","task_id":"t","status":"success",'
    b'"data":{"parsing":{"price":1.10,"id":12345678901234567890123,"e":1E400}},"status_code":200.0}'
)


def test_cat_keeps_numbers_to_the_digit(source: Directory, dest: Path) -> None:
    source.put("a.json.gz", gzip.compress(EXACT))
    sync_report(source.location, dest)
    assert run("cat", dest).out.encode() == EXACT + b"\n"
    assert run("cat", dest, "--select", "data.parsing").out == '{"price":1.10,"id":12345678901234567890123,"e":1E400}\n'
    assert run("cat", dest, "--select", "data.parsing.price").out == "1.10\n"
    assert run("cat", dest, "--select", "data.nothing").out == ""
    (line,) = run("cat", dest, "--meta").out.splitlines()
    assert line.endswith(f', "result": {EXACT.decode()}}}')
    document = json.loads(line)
    validate("cat-line", document)
    assert (document["seq"], document["run"], document["task_id"]) == (1, 1, "t")
    assert document["key"] == str(source.path / "a.json.gz")


def test_cat_puts_pretty_documents_on_one_line(source: Directory, dest: Path) -> None:
    source.put("a.json", json.dumps(json.loads(result(1)), indent=2).encode())
    sync_report(source.location, dest)
    (line,) = run("cat", dest).out.splitlines()
    assert json.loads(line) == json.loads(result(1))


def test_cat_has_a_row_for_each_row_of_jobs(source: Directory, dest: Path) -> None:
    author = Author(1)
    rows = jobs_rows(author, 5)
    source.put("1.jsonl", jobs_json_lines(rows))
    source.put("2.csv", jobs_csv(rows))
    source.put("3.parquet", jobs_parquet(rows))
    source.put("4.json", jobs_document(author, rows))
    source.put("5.json", json.dumps(rows).encode())
    source.put("6.png", author.screenshot())
    report = sync_report(source.location, dest)
    assert report["counts"]["landed"] == 6
    lines = run("cat", dest, "--meta").lines
    assert [line["result"]["row"] for line in lines if line["key"].endswith(("jsonl", "parquet", "5.json"))] == [
        0,
        1,
        2,
        3,
        4,
    ] * 3
    by_key = {key: [line["result"] for line in lines if line["key"].endswith(key)] for key in ("1.jsonl", "2.csv")}
    assert by_key["1.jsonl"] == rows
    assert [row["asin"] for row in by_key["2.csv"]] == [row["asin"] for row in rows]
    assert not [line for line in lines if line["key"].endswith("png")]


def test_values_that_are_not_finite_are_counted(source: Directory, dest: Path) -> None:
    prices = [1.5, math.nan, math.inf, -math.inf]
    source.put("1.parquet", jobs_parquet({"listing_id": row, "price": price} for row, price in enumerate(prices)))
    source.put("2.json", result(2))
    report = dest.with_name("report.json")
    printed = run("sync", source.location, dest, "--report", report).out
    assert "NaN or infinite, read as text: 3 values.\n" in printed
    document = json.loads(report.read_bytes())
    validate("sync-report", document)
    assert document["non_finite"] == 3
    assert [line.get("price") for line in run("cat", dest).lines] == [1.5, "NaN", "Infinity", "-Infinity", None]
    source.put("3.parquet", jobs_parquet([{"listing_id": 1, "price": math.nan}]))
    assert sync_report(source.location, dest)["non_finite"] == 1
    again = run("sync", source.location, dest)
    assert "NaN" not in again.out
    status = run("status", dest, "--format", "json").document
    validate("status", status)
    assert status["non_finite"] == 4
    assert "\n  values    4 NaN or infinite, read as text\n" in run("status", dest).out
    several = run("status", dest, dest, "--format", "json").document
    validate("status-list", several)
    assert several["total"]["non_finite"] == 8


def test_cat_goes_on_after_a_position(source: Directory, dest: Path) -> None:
    source.put("a.json", result(1))
    source.put("b.json", result(2))
    sync_report(source.location, dest)
    source.put("b.json", result(3))
    source.put("c.json", result(4))
    sync_report(source.location, dest)
    sync_report(source.location, dest)

    def tasks(*options: str) -> list[str]:
        return [line["task_id"] for line in run("cat", dest, *options).lines]

    assert tasks() == ["task-1", "task-3", "task-4"]
    first, second, third = (line["position"] for line in run("cat", dest, "--meta").lines)
    assert tasks("--after", "0") == ["task-1", "task-3", "task-4"]
    assert tasks("--after", first) == ["task-3", "task-4"]
    assert tasks("--after", second) == ["task-4"]
    assert tasks("--after", third) == []
    assert tasks("--run", "1") == ["task-1"]
    assert tasks("--run", "2") == ["task-3", "task-4"]
    assert tasks("--run", "last") == []
    assert [line["seq"] for line in run("cat", dest, "--meta").lines] == [1, 3, 4]
    for wrong in ("9", "0", "first"):
        refused = run("cat", dest, "--run", wrong)
        assert refused.code == 2
        assert refused.err.startswith("error: ")


def test_cat_streams_only_what_was_validated(source: Directory, dest: Path) -> None:
    source.put("good.json", result(1))
    source.put("bad.json", b"{")
    sync_report(source.location, dest, expected=3)
    assert len(run("cat", dest).lines) == 1


def test_cat_names_what_it_cannot_read(source: Directory, dest: Path) -> None:
    for number in range(3):
        source.put(f"{number}.json", result(number))
    sync_report(source.location, dest)
    run("evict", dest, "--through", end_of_object(dest, 1))
    (dest / "1.json").unlink()
    ended = run("cat", dest)
    assert ended.code == 7
    assert [line["task_id"] for line in ended.lines] == ["task-2"]
    assert "1 landed file" in ended.err
    assert "e.g. 1.json" in ended.err
    assert "1 evicted" in ended.err


def left_after_a_line(*arguments: str) -> tuple[int, bytes]:
    """Run a command whose reader closes the pipe after one line; return its exit code and error output."""
    with subprocess.Popen(
        [COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        printed = process.stderr.read()
    return process.returncode, printed


@pytest.mark.parametrize("verb", ["cat", "ls"])
def test_a_reader_that_leaves_ends_it_quietly(source: Directory, dest: Path, verb: str) -> None:
    source.put("a.jsonl", b"".join(b'{"row": %d}\n' % number for number in range(50_000)))
    for number in range(1500 if verb == "ls" else 0):
        source.put(f"{number:05}-{'x' * 200}", b"")
    if verb == "cat":
        sync_report(source.location, dest)
    assert left_after_a_line(verb, str(dest) if verb == "cat" else source.location) == (0, b"")


def test_a_reader_of_events_that_leaves_does_not_end_the_run(source: Directory, dest: Path) -> None:
    for number in range(1200):
        source.put(f"{number}-{'x' * 180}.json", result(number))
    assert left_after_a_line("sync", source.location, str(dest), "--format", "jsonl") == (0, b"")
    assert len(tree(dest)) == 1200


@pytest.mark.parametrize("path", ["", "data..markdown", ".data", "data."])
def test_a_path_that_cannot_be(source: Directory, dest: Path, path: str) -> None:
    source.put("a.json", result(1))
    sync_report(source.location, dest)
    ended = run("cat", dest, "--select", path)
    assert (ended.code, ended.out) == (2, "")
    assert f"not a path: {path!r}" in ended.err


def test_a_path_that_no_result_has_is_reported(source: Directory, dest: Path) -> None:
    source.put("a.json", result(1))
    source.put("b.json", result(2))
    sync_report(source.location, dest)
    ended = run("cat", dest, "--select", "data[0].markdown")
    assert (ended.code, ended.out) == (0, "")
    assert ended.err.startswith("none of 2 results has data[0].markdown: ")
    assert run("cat", dest, "--select", "data.markdown").err == ""


def test_an_agent_or_status_that_nothing_has_is_reported(source: Directory, dest: Path) -> None:
    for agent in ("shop", "maps"):
        named = {"url": "u", "status": "success", "data": {}, "metadata": {"agent": agent}}
        source.put(f"{agent}.json", json.dumps(named).encode())
    sync_report(source.location, dest)
    unknown = "no landed object is known to have the agent shpo\\n: known are maps, shop"
    ended = run("cat", dest, "--agent", "shpo\n", "--status", "Success")
    assert (ended.code, ended.out, ended.err) == (0, "", f"{unknown}\n")
    ended = run("cat", dest, "--agent", "shop", "--status", "sucess")
    assert ended.err == "no landed object is known to have the status sucess: known are success\n"
    created = run("consumers", "create", dest, "c", "--agent", "shpo\n", "--agent", "maps")
    assert (created.code, created.err) == (0, f"{unknown}\n")
    # Nothing new is no mistake, and neither are rows.
    assert run("cat", dest, "--agent", "maps", "--after", "0").err == ""
    assert run("consumers", "create", dest, "d", "--status", "success").err == ""
