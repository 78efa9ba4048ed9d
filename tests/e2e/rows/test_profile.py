"""``profile``: what changed in the data, by the installed command."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import harvester
from scripts.commands.installed_command import run, sync_report
from scripts.commands.output_schemas import validate
from tests.e2e.sources import Directory

Document = dict[str, Any]


def deliver(source: Directory, day: str, change: Callable[[Document], object] = bool) -> None:
    draw = random.Random(day)
    for agent, rows in (("amazon", 60), ("zillow", 20)):
        for number in range(rows):
            parsing = {"title": f"t{draw.random()}", "price": draw.random(), "brand": draw.choice(["a", "b"])}
            document = {"status": "success", "data": {"parsing": parsing}, "metadata": {"agent": agent}}
            change(document)
            source.put(f"{day}/{agent}-{number}.json", json.dumps(document).encode())


def empty_price(document: Document) -> None:
    if document["metadata"]["agent"] == "amazon":
        document["data"]["parsing"]["price"] = None


def profile(dest: Path, *options: str, expected: int = 0) -> Document:
    ended = run("profile", dest, "--format", "json", *options)
    assert ended.code == expected, ended.err
    document = ended.document
    validate("profile", document)
    return document


def test_a_field_that_arrives_empty_stays_a_finding_until_it_is_accepted(source: Directory, dest: Path) -> None:
    deliver(source, "monday")
    sync_report(source.location, dest)
    assert profile(dest)["baseline"] is None
    accepted = profile(dest, "--accept")
    assert accepted["accepted"] == ["amazon", "zillow"]
    assert accepted["groups"]["amazon"]["fields"]["price"]["fill_rate"] == 1
    run("consumers", "create", dest, "profiles", "--after", harvester_position(dest))
    deliver(source, "tuesday")
    sync_report(source.location, dest)
    assert profile(dest, "--consumer", "profiles")["findings"] == []
    run("consumers", "ack", dest, "profiles", harvester_position(dest))

    deliver(source, "wednesday", empty_price)
    sync_report(source.location, dest)
    for _ in range(2):
        (finding,) = profile(dest, "--consumer", "profiles", expected=16)["findings"]
        assert (finding["kind"], finding["group"], finding["path"]) == ("fill_rate_dropped", "amazon", "price")
    shown = run("profile", dest, "--consumer", "profiles")
    assert "! fill rate dropped: amazon price: filled: 100.0% before, 0.0% now" in shown.out
    assert profile(dest, "--consumer", "profiles", "--accept", "zillow", expected=16)["accepted"] == ["zillow"]
    assert profile(dest, "--consumer", "profiles", "--accept", "amazon")["accepted"] == ["amazon"]
    assert profile(dest, "--consumer", "profiles")["findings"] == []


def harvester_position(dest: Path) -> str:
    return [row.position for row in harvester.read(dest)][-1]


def test_rows_are_compared_with_an_earlier_time(source: Directory, dest: Path) -> None:
    deliver(source, "monday")
    sync_report(source.location, dest)
    monday = [row.landed_at for row in harvester.read(dest)]
    # Farther apart than either delivery is long, however slowly they landed.
    time.sleep(max(monday) - min(monday) + 1)
    deliver(source, "tuesday", empty_price)
    sync_report(source.location, dest)
    tuesday = [row.landed_at for row in harvester.read(dest) if row.landed_at > max(monday)]
    window = max(max(monday) - min(monday), max(tuesday) - min(tuesday)) + 0.002
    now, against = max(tuesday) + 0.001, max(tuesday) - max(monday)
    assert harvester.profile(dest, window=window, against=against + 3600, now=now).baseline is None
    report = harvester.profile(dest, window=window, against=against, now=now, tolerance=0.2)
    assert report.baseline == "earlier"
    assert [(each.kind, each.path) for each in report.findings if each.group == "amazon"] == [
        ("fill_rate_dropped", "price")
    ]


def test_no_rows_at_all_are_a_finding(source: Directory, dest: Path) -> None:
    deliver(source, "monday")
    sync_report(source.location, dest)
    profile(dest, "--accept")
    found = profile(dest, "--window", "0s", expected=16)["findings"]
    assert [(each["kind"], each["group"]) for each in found] == [
        ("group_vanished", "amazon"),
        ("group_vanished", "zillow"),
    ]


def test_options_that_cannot_be_followed_are_refused(source: Directory, dest: Path) -> None:
    deliver(source, "monday")
    sync_report(source.location, dest)
    for options in (
        ("--consumer", "none"),
        ("--accept", "unknown"),
        ("--against", "7d", "--accept"),
        ("--consumer", "none", "--window", "1h"),
    ):
        assert run("profile", dest, *options).code == 2
    (dest / ".nimble-harvester" / "accepted-profile.json").write_text("{}")
    assert run("profile", dest).code == 7
