"""Profiles find what is planted in a realistic set, and nothing on two equal days."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.results.record import Shape
from harvester.tables.profiles.field_statistics import MAX_NAMES, MAX_PATHS, DistinctSketch, FieldCollector, Spread
from harvester.tables.profiles.profile_collector import MAX_GROUPS, OTHER, ProfileCollector
from harvester.tables.profiles.profile_comparison import compare_profiles
from harvester.tables.table_columns import DELIVERED, ObjectFacts, TableName

Document = dict[str, Any]


def envelope(draw: random.Random, agent: str) -> Document:
    """An envelope of an agent; one field is rare, one often null, one of two types."""
    parsing: Document = {
        "title": "".join(draw.choices("abcdef ", k=draw.randint(5, 60))),
        "price": round(draw.uniform(1, 500), 2),
        "rating": draw.choice([None, 3.5, 4.5]),
        "sku": draw.choice([draw.randint(1, 10**6), str(draw.randint(1, 10**6))]),
        "offers": [{"seller": f"s{draw.randint(1, 40)}", "price": draw.random()} for _ in range(draw.randint(0, 4))],
    }
    if draw.random() < 0.02:
        parsing["coupon"] = "yes"
    status = draw.choices(["success", "failed", "blocked"], [0.95, 0.04, 0.01])[0]
    return {"status": status, "data": {"parsing": parsing}, "metadata": {"agent": agent}}


AGENTS = {"amazon": 1200, "walmart": 300, "zillow": 40}


def day(seed: int, change: Callable[[Document], Document | None] = lambda document: document) -> Document:
    draw = random.Random(seed)
    collector = ProfileCollector()
    for agent, rows in AGENTS.items():
        for number in range(rows):
            document = change(envelope(draw, agent))
            if document is not None:
                facts = ObjectFacts(number, "k", "v", None, DELIVERED, "d", 1, 0.0, 0.0, Shape.AGENT)
                collector.add_object(facts, TableName.ENVELOPES, [json.dumps(document).encode()])
    return collector.as_document()


BASELINE = day(1)


def found(current: Document, **options: float) -> list[tuple[str, str, str]]:
    return [(each.kind, each.group, each.path) for each in compare_profiles(BASELINE, current, **options)]


@pytest.mark.parametrize("seed", range(2, 12))
def test_two_equal_days_have_no_findings(seed: int) -> None:
    assert found(day(seed)) == []


def of(agent: str, change: Callable[[Document], object]) -> Callable[[Document], Document | None]:
    def changed(document: Document) -> Document | None:
        if document["metadata"]["agent"] == agent:
            change(document["data"]["parsing"])
        return document

    return changed


def test_a_vanished_field_is_found() -> None:
    assert found(day(2, of("amazon", lambda parsing: parsing.pop("price")))) == [("path_vanished", "amazon", "price")]


def test_a_field_that_arrives_empty_is_found() -> None:
    emptied = day(2, of("walmart", lambda parsing: parsing.update(title="")))
    assert found(emptied) == [("fill_rate_dropped", "walmart", "title")]


def test_a_drop_of_the_fill_rate_is_found_beyond_the_tolerance() -> None:
    draw = random.Random(5)
    dropped = day(
        2, of("amazon", lambda parsing: parsing.update(title=parsing["title"] if draw.random() < 0.7 else ""))
    )
    assert found(dropped) == [("fill_rate_dropped", "amazon", "title")]
    assert found(dropped, tolerance=0.5) == []


def test_a_change_of_type_is_found() -> None:
    changed = day(2, of("amazon", lambda parsing: parsing.update(price=str(parsing["price"]))))
    assert found(changed) == [("type_changed", "amazon", "price")]


def test_a_change_within_arrays_is_found() -> None:
    changed = day(2, of("walmart", lambda parsing: [offer.pop("price") for offer in parsing["offers"]]))
    assert found(changed) == [("path_vanished", "walmart", "offers[].price")]


def test_a_new_field_is_found() -> None:
    assert found(day(2, of("zillow", lambda parsing: parsing.update(new=1)))) == [("path_new", "zillow", "new")]


def test_a_vanished_agent_is_found() -> None:
    gone = day(2, lambda document: None if document["metadata"]["agent"] == "zillow" else document)
    assert found(gone) == [("group_vanished", "zillow", "")]


def test_a_shift_of_the_statuses_is_found() -> None:
    draw = random.Random(6)

    def fail(document: Document) -> Document:
        if document["metadata"]["agent"] == "amazon" and draw.random() < 0.4:
            document["status"] = "blocked"
        return document

    assert found(day(2, fail)) == [("status_shifted", "amazon", "blocked"), ("status_shifted", "amazon", "success")]


def test_no_value_of_a_text_is_in_a_profile() -> None:
    collector = ProfileCollector()
    facts = ObjectFacts(1, "k", "v", None, DELIVERED, "d", 1, 0.0, 0.0, Shape.JSONL)
    collector.add_object(facts, TableName.JOB_ROWS, [b'{"name":"hunter2","n":[1,2.5]}'])
    document = collector.as_document()
    assert "hunter2" not in json.dumps(document)
    assert document["jsonl"]["fields"]["n[]"]["range"] == {"min": 1.0, "max": 2.5, "mean": 1.75}
    assert document["jsonl"]["fields"]["name"]["length"] == {"min": 7, "max": 7, "mean": 7.0}


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_every_value_of_json_has_statistics(value: Any) -> None:
    collector = ProfileCollector()
    facts = ObjectFacts(1, "k", "v", None, DELIVERED, "d", 1, 0.0, 0.0, Shape.JSONL)
    rows = [json.dumps({"a": value}).encode(), b'{"a":1%0400d}' % 0, b'{"a":-1%05000d}' % 0, b'{"a":1e999}']
    collector.add_object(facts, TableName.JOB_ROWS, rows)
    json.dumps(collector.as_document(), allow_nan=False)


def test_the_mean_of_numbers_whose_sum_no_float_holds() -> None:
    spread = Spread()
    for number in (1.7e308, 1.7e308, -1.7e308, 1.7e308):
        spread.add(number)
    statistics = spread.as_document()
    assert statistics is not None
    assert (statistics["min"], statistics["max"]) == (-1.7e308, 1.7e308)
    assert statistics["mean"] == pytest.approx(0.85e308)


def test_memory_is_bounded_by_paths_and_groups() -> None:
    collector = FieldCollector()
    for number in range(MAX_PATHS + 50):
        collector.add({f"k{number}": 1})
    assert len(collector.fields) == MAX_PATHS
    assert collector.left_out == 50
    mapping = FieldCollector()
    mapping.add({"by_id": {str(number): {"price": number} for number in range(MAX_NAMES + 1)}})
    assert set(mapping.fields) == {"by_id", "by_id.*", "by_id.*.price"}
    profile = ProfileCollector()
    facts = ObjectFacts(1, "k", "v", None, DELIVERED, "d", 1, 0.0, 0.0, Shape.AGENT)
    rows = [json.dumps({"metadata": {"agent": f"a{number}"}}).encode() for number in range(MAX_GROUPS + 20)]
    profile.add_object(facts, TableName.ENVELOPES, rows)
    assert profile.groups[OTHER].rows == 20


@given(st.dictionaries(st.text(max_size=5), st.none() | st.text(max_size=3), max_size=4))
def test_keys_that_look_like_paths_are_no_paths(row: Document) -> None:
    collector = FieldCollector()
    collector.add({"outer": row})
    assert len(collector.fields) == 1 + len(row)


@pytest.mark.parametrize("distinct", [0, 1, 200, 255, 1_000, 50_000])
def test_distinct_values_are_estimated(distinct: int) -> None:
    sketch = DistinctSketch()
    for number in range(distinct):
        sketch.add(b"%d" % number)
        sketch.add(b"%d" % number)
    assert abs(sketch.estimate() - distinct) <= distinct * 0.2 * (distinct > 255)
