"""What an output holds, learned in windows of keys, against a dictionary of everything."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from harvester.errors import IntegrityError
from harvester.storage import KeyPrefixes, ListingScope, ObjectRef, listing_scopes
from harvester.tables import count_rows, open_output
from harvester.tables.direct.exported_rows import file_name
from harvester.tables.direct.exported_versions import ExportedVersions

pa: Any = pytest.importorskip("pyarrow")
pq: Any = pytest.importorskip("pyarrow.parquet")

Row = tuple[str, str, int]
"""Key, version, and when it landed."""
KEYS = st.text("ab/é\U0001f600", min_size=1, max_size=4).map(lambda name: f"p/{name}")
PARTS = st.lists(st.lists(st.tuples(KEYS, st.sampled_from("xyz"), st.integers(0, 9)), min_size=1), max_size=5)


def write(out: Path, parts: Sequence[Sequence[Row]]) -> None:
    """Write parts, of Parquet and of JSON Lines in turn."""
    for number, rows in enumerate(parts):
        columns = {
            "key": [key for key, _, _ in rows],
            "version": [version for _, version, _ in rows],
            "row_index": [0] * len(rows),
            "source": ["delivered"] * len(rows),
            "delivered_at": [None] * len(rows),
            "landed_at": [f"2026-11-30T00:00:0{moment}Z" for _, _, moment in rows],
            "position": [f"{number:04d}-{index:04d}" for index in range(len(rows))],
        }
        folder = out / "data/envelopes/landed_day=2026-11-30"
        folder.mkdir(parents=True, exist_ok=True)
        name = f"s{number}_0-{number:013d}-000000000000-end"
        if number % 2:
            lines = (json.dumps(dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True))
            content = pa.compress("\n".join(lines).encode(), "zstd", asbytes=True)
            (folder / f"{name}.jsonl.zst").write_bytes(content)
        else:
            schema = pa.schema([(column, pa.int64() if column == "row_index" else pa.string()) for column in columns])
            pq.write_table(pa.table(columns, schema), folder / f"{name}.parquet", row_group_size=3)


def newest(parts: Sequence[Sequence[Row]]) -> dict[str, str]:
    ranked = [
        (moment, number, index, key, version)
        for number, rows in enumerate(parts)
        for index, (key, version, moment) in enumerate(rows)
    ]
    return {key: version for _, _, _, key, version in sorted(ranked)}


def ask(versions: ExportedVersions, key: str) -> set[str]:
    return {version for version in "xyz" if versions.holds(ObjectRef(key, 1, version, 0.0), key)}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example([[("p/a", "y", 1)], [("p/a", "x", 1)], [("p/a", "x", 0)]], 2, [], None)
@example([[("p/b", "x", 0), ("p/a", "x", 0), ("p/b", "x", 1), ("p/b", "y", 0), ("p/é", "x", 0)]], 2, [], None)
@given(PARTS, st.integers(2, 6), st.lists(KEYS, max_size=4), st.randoms(use_true_random=False))
def test_windows_hold_the_newest_version_of_every_key(
    tmp_path_factory: pytest.TempPathFactory, parts: list[list[Row]], most: int, extra: list[str], draw: Random | None
) -> None:
    out = tmp_path_factory.mktemp("out")
    write(out, parts)
    known = newest(parts)
    keys = sorted({*known, *extra})
    listed = []
    with open_output(str(out)) as store, ExportedVersions(store, [ListingScope("p/")], most) as versions:
        windows = versions.windows(ListingScope("p/"))
        start: str | None = ""
        for window in windows:
            assert window.start == start
            start = window.end
            for key in keys:
                if key >= window.start and (window.end is None or key < window.end):
                    listed.append(key)
                    assert ask(versions, key) == ({known[key]} if key in known else set())
            assert rows_kept(versions) <= 3 * most
        assert start is None
        assert listed == keys
        if draw is not None:
            draw.shuffle(keys)
        for key in keys:
            assert ask(versions, key) == ({known[key]} if key in known else set())


def rows_kept(versions: ExportedVersions) -> int:
    databases: list[sqlite3.Connection] = [window.database for window in versions._listed]
    return sum(database.execute("SELECT count(*) FROM found").fetchone()[0] for database in databases)


def test_only_keys_of_the_listed_scopes_take_a_place(tmp_path: Path) -> None:
    write(tmp_path, [[(f"p/{day}/{number}", "x", 0) for day in (1, 2, 3) for number in range(3)]])
    scopes = listing_scopes("p/", KeyPrefixes(("p/1/", "p/3/")))
    with open_output(str(tmp_path)) as store, ExportedVersions(store, scopes, 6) as versions:
        assert [window for scope in scopes for window in versions.windows(scope)] == scopes
        assert rows_kept(versions) == 6
        assert ask(versions, "p/3/2") == {"x"}


@pytest.mark.parametrize("most", [100, 10])
def test_objects_without_rows_are_known_or_asked_for(tmp_path: Path, most: int) -> None:
    with open_output(str(tmp_path)) as store:
        for number in range(3):
            store.create(file_name("x", f"{number}.png"), b"")
        with ExportedVersions(store, [ListingScope("p/")], most) as versions:
            held = {(n, v) for n in range(4) for v in "xy" if versions.holds(ObjectRef("p/k", 1, v, 0.0), f"{n}.png")}
    assert held == {(0, "x"), (1, "x"), (2, "x")}


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=PARTS, most=st.integers(2, 6))
def test_rows_are_counted_in_windows(
    tmp_path_factory: pytest.TempPathFactory, parts: list[list[Row]], most: int
) -> None:
    out = tmp_path_factory.mktemp("out")
    write(out, parts)
    rows = [row[:2] for part in parts for row in part]
    with open_output(str(out)) as store:
        counted = count_rows(store, most)
    assert (counted.rows, counted.repeated) == (len(rows), len(rows) - len(set(rows)))


def test_a_row_without_a_key_is_damage(tmp_path: Path) -> None:
    write(tmp_path, [[("p/a", "x", 0)], [("p/b", "x", 0)]])
    (part,) = tmp_path.rglob("*.jsonl.zst")
    part.write_bytes(pa.compress(b'{"version": "x"}', "zstd", asbytes=True))
    with open_output(str(tmp_path)) as store, pytest.raises(IntegrityError, match="no part of an export"):
        ExportedVersions(store, [ListingScope("p/")])
