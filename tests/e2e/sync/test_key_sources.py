"""Given keys and dates in the location, on the command line and in the configuration file."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from scripts.commands.installed_command import run, sync_report
from tests.e2e.sources import Directory, result


def test_keys_from_a_file(tmp_path: Path) -> None:
    source = Directory(tmp_path / "source")
    names = {name: source.put(name, result()) for name in ("a.json", "b.json", "c.json")}
    keys = tmp_path / "keys.txt"
    missing = str(source.path / "missing.json")
    keys.write_text(f"{names['c.json']}\n{names['a.json']}\n{missing}\n/etc/passwd\n{missing}\n")

    report = sync_report(source.location, tmp_path / "dest", "--keys-from", keys, expected=3)
    listed = run("ls", source.location, "--keys-from", keys, "--format", "jsonl")

    assert {name: report["counts"][name] for name in ("listed", "landed", "failed", "refused")} == {
        "listed": 4, "landed": 2, "failed": 1, "refused": 1,
    }  # fmt: skip
    assert listed.code == 3
    assert [line["key"] for line in listed.lines] == [names["a.json"], names["c.json"]]
    assert listed.err.splitlines() == ["/etc/passwd: refused: outside_prefix", f"{missing}: not_found"]
    described = tmp_path / "keys.jsonl"
    described.write_text(listed.out)
    assert sync_report(source.location, tmp_path / "dest", "--keys-from", described)["counts"]["unchanged"] == 2
    assert run("sync", source.location, tmp_path / "dest", "--keys-from", tmp_path / "none").code == 2


def test_a_location_with_dates(tmp_path: Path) -> None:
    source = Directory(tmp_path / "source")
    today = datetime.now(UTC).strftime("%Y/%m/%d")
    source.put(f"{today}/new.json", result(1))
    source.put("2020/01/01/old.json", result(2))
    location = f"{source.location}{{date:%Y/%m/%d}}/"

    listed = run("ls", location, "--days", "3", "--format", "jsonl")
    config = tmp_path / "config.toml"
    config.write_text(
        f"[pipeline.daily]\nlocation = {json.dumps(location)}\ndestination = {json.dumps(str(tmp_path / 'dest'))}\n"
        "sync = { days = 2 }\n"
    )
    config.chmod(0o600)
    ran = run("--config", config, "run")
    watched = run("watch", location, tmp_path / "dest", "--once", "--days", "2", "--format", "json")

    assert [line["key"] for line in listed.lines] == [str(source.path / today / "new.json")]
    assert ran.code == 0, ran.err
    assert (tmp_path / "dest" / today / "new.json").exists()
    assert not (tmp_path / "dest" / "2020").exists()
    assert watched.document["counts"]["listed"] == 1
    assert run("sync", source.location, tmp_path / "dest", "--days", "2").code == 2
