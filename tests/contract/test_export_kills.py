"""Exports that are killed between two requests, to every output, in seeded rounds: no row is missing or twice."""

from __future__ import annotations

import io
import random
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from harvester.tables.exports.export_types import ExportOptions
from harvester.tables.exports.exporting import export_rows
from harvester.tables.outputs.output_store import OutputStore, open_output
from scripts.servers.fake_gcs import FakeGcs
from tests.unit.tables.test_exporting import Killed, expected, some_rows


@pytest.fixture(params=["directory", "s3", "gcs"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "directory":
        return str(tmp_path / "out")
    if request.param == "s3":
        return f"s3://{request.getfixturevalue('s3_bucket')}/tables/out"
    fake: FakeGcs = request.getfixturevalue("fake_gcs")
    name = f"b-{uuid.uuid4().hex}"
    fake.create_bucket(name)
    return f"gs://{name}/tables/out"


class KilledOutput:
    """An output whose export is killed at a write, before or after it is done."""

    def __init__(self, store: OutputStore, kill_at: int) -> None:
        self._store = store
        self._left = kill_at
        self.url = store.url
        self.names, self.read, self.exists = store.names, store.read, store.exists
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


def identities(store: OutputStore) -> Counter[tuple[str, str, int | None]]:
    found: Counter[tuple[str, str, int | None]] = Counter()
    for name in store.names("data/"):
        content = store.read(name)
        assert content is not None
        columns = pq.read_table(io.BytesIO(content), columns=["key", "version", "row_index"]).to_pydict()
        found.update(zip(columns["key"], columns["version"], columns["row_index"], strict=True))
    return found


@pytest.mark.parametrize("seed", range(5))
def test_kills_lose_and_repeat_nothing(url: str, seed: int) -> None:
    draw, source = random.Random(seed), some_rows(8)
    for _ in range(4):
        options = ExportOptions(part_bytes=draw.choice([1, 3000, 10**9]))
        with open_output(url) as store:
            try:
                export_rows(source, KilledOutput(store, draw.randint(1, 40)), options)
            except Killed:
                source.add({"n": draw.random()})
            assert max(identities(store).values(), default=1) == 1
    with open_output(url) as store:
        export_rows(source, store)
        assert identities(store) == expected(source)
