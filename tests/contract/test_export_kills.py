"""Exports that are killed between two requests to a store, in seeded rounds: no row is missing or twice."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from harvester.tables.exports.export_types import ExportOptions
from harvester.tables.exports.exporting import export_rows
from harvester.tables.outputs.output_store import OutputStore, open_output
from scripts.servers.fake_gcs import FakeGcs
from scripts.soak_test.exported_rows import exported_rows
from tests.unit.tables.exported_parts import Killed, expected, some_rows

FORMATS: dict[str, ExportOptions] = {
    "parquet": ExportOptions(),
    "jsonl": ExportOptions(format="jsonl"),
    "delta": ExportOptions(format="delta"),
}


class KilledOutput:
    """An output whose export is killed at a write, before or after it is done."""

    def __init__(self, store: OutputStore, kill_at: int) -> None:
        self._store = store
        self._left = kill_at
        self.url = store.url
        self.names, self.read, self.exists = store.names, store.read, store.exists
        self.size, self.read_range = store.size, store.read_range
        self.scratch, self.delta_options = store.scratch, store.delta_options

    @contextmanager
    def _killed(self) -> Iterator[None]:
        self._left -= 1
        if self._left == 0:
            raise Killed
        yield
        self._left -= 1
        if self._left == 0:
            raise Killed

    def copy(self, source: str, target: str) -> None:
        with self._killed():
            self._store.copy(source, target)

    def remove(self, name: str) -> None:
        with self._killed():
            self._store.remove(name)

    def create(self, name: str, content: bytes) -> bool:
        with self._killed():
            return self._store.create(name, content)

    def publish(self, file: Path, name: str) -> bool:
        with self._killed():
            return self._store.publish(file, name)


def killed_rounds(url: str, options: ExportOptions, seed: int) -> None:
    draw, source = random.Random(seed), some_rows(8)
    for _ in range(4):
        sized = replace(options, part_bytes=draw.choice([1, 3000, 10**9]))
        with open_output(url) as store:
            try:
                export_rows(source, KilledOutput(store, draw.randint(1, 40)), sized)
            except Killed:
                source.add({"n": draw.random()})
            assert max(exported_rows(store).values(), default=1) == 1
    with open_output(url) as store:
        export_rows(source, store, options)
        assert exported_rows(store) == expected(source)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("options", FORMATS.values(), ids=FORMATS)
def test_kills_lose_and_repeat_nothing_on_s3(s3_bucket: str, options: ExportOptions, seed: int) -> None:
    killed_rounds(f"s3://{s3_bucket}/tables/out", options, seed)


@pytest.mark.parametrize("seed", range(5))
def test_kills_lose_and_repeat_nothing_on_cloud_storage(fake_gcs: FakeGcs, seed: int) -> None:
    name = f"b-{uuid.uuid4().hex}"
    fake_gcs.create_bucket(name)
    killed_rounds(f"gs://{name}/tables/out", ExportOptions(), seed)
