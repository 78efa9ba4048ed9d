"""The rows that are read: their content, how they are chosen, and their check by a schema."""

from __future__ import annotations

import json
import os
from pathlib import Path

from harvester.transfer.rescued_results import RescuedResult
from harvester.transfer.session import land_rescued
from scripts.commands.installed_command import run, sync_report
from scripts.commands.output_schemas import validate
from tests.e2e.rows.reading import jobs, keys, meta
from tests.e2e.sources import Directory, result


def test_only_a_file_with_the_landed_content_is_read(source: Directory, dest: Path) -> None:
    source.put("a.json", result(1))
    source.put("b.json", result(2))
    sync_report(source.location, dest)
    os.utime(dest / "a.json")
    text = (dest / "b.json").read_bytes()
    (dest / "b.json").write_bytes(text.replace(b"task-2", b"task-9"))
    ended = run("cat", dest)
    assert ended.code == 7
    assert [line["task_id"] for line in ended.lines] == ["task-1"]


def test_rows_are_chosen_by_key_shape_status_task_and_agent(source: Directory, dest: Path) -> None:
    source.put("a.json", result(1))
    source.put("b.json", result(2, status="failed"))
    source.put("c.jsonl", jobs(2))
    source.put(
        "d.json",
        json.dumps(
            {**json.loads(result(4)), "metadata": {"agent": "amazon_pdp"}, "data": {"parsing": {"x": 1}}}
        ).encode(),
    )
    sync_report(source.location, dest)
    assert keys(dest, "--include", "a*", "--include", "c*") == ["a.json", "c.jsonl", "c.jsonl"]
    assert keys(dest, "--exclude", "*.json") == ["c.jsonl", "c.jsonl"]
    assert keys(dest, "--shape", "jsonl") == ["c.jsonl", "c.jsonl"]
    assert keys(dest, "--status", "FAILED") == ["b.json"]
    assert keys(dest, "--task", "task-1") == ["a.json"]
    assert keys(dest, "--agent", "amazon_pdp") == ["d.json"]
    assert keys(dest, "--until", "1h") == []
    assert len(keys(dest, "--since", "1h")) == 5
    assert run("cat", dest, "--shape", "nothing").code == 2
    for chosen, names in (
        (("--include", "a*"), ["a.json"]),
        (("--exclude", "*.json"), ["c.jsonl"]),
        (("--since", "1h", "--include", "d*"), ["d.json"]),
        (("--until", "1h"), []),
    ):
        listed = run("ls", source.location, *chosen, "--format", "jsonl").lines
        assert [line["key"].rpartition("/")[2] for line in listed] == names


def test_what_landed_before_is_checked_under_another_schema(source: Directory, dest: Path, tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps({"type": "object", "required": ["price"]}))
    source.put("good.json", result(1, data={"parsing": {"price": 1}}))
    source.put("bad.json", result(2, data={"parsing": {"title": "x"}}))
    sync_report(source.location, dest)
    ended = run("verify", dest, "--schema", schema, "--format", "json")
    assert ended.code == 3
    validate("verify-report", ended.document)
    assert [(entry["mark"], entry["path"]) for entry in ended.document["entries"]] == [("x", "bad.json")]
    for new in (True, False):
        report = sync_report(source.location, dest, "--schema", schema, expected=3 if new else 0)
        (problem,) = report["problems"]
        assert (Path(problem["key"]).name, problem["outcome"], problem["known"]) == ("bad.json", "landed", not new)
        assert report["counts"]["unchanged"] == 2
    assert sync_report(source.location, dest)["problems"] == []
    schema.write_text(json.dumps({"type": "object", "required": ["title"]}))
    report = sync_report(source.location, dest, "--schema", schema, expected=3)
    assert [Path(problem["key"]).name for problem in report["problems"]] == ["good.json"]
    assert len(meta(dest)) == 2


def test_a_delivered_row_names_the_rescued_rows_it_replaces(source: Directory, dest: Path) -> None:
    sync_report(source.location, dest)
    land_rescued(dest, [RescuedResult("task-1", result(1))])
    land_rescued(dest, [RescuedResult("task-2", result(2))])
    (first, second) = meta(dest)
    assert (first["key"], first["replaces"]) == ("nimble-task:task-1", None)
    source.put("task-1.json", result(1))
    sync_report(source.location, dest)
    assert [(line["task_id"], line["replaces"]) for line in meta(dest)] == [
        ("task-2", None),
        ("task-1", "nimble-task:task-1"),
    ]
    # Also when the delivered object is replaced before it was read.
    source.put("task-1.json", result(1, more=1))
    sync_report(source.location, dest)
    assert meta(dest, "--after", str(second["position"]))[0]["replaces"] == "nimble-task:task-1"
