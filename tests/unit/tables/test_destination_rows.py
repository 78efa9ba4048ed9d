"""The objects and tombstones of a destination, as exports read them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

import harvester
from harvester.tables.destination_rows import open_rows
from harvester.tables.row_source import SourceObject


class Source:
    """A directory of results and the destination that mirrors it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "source"
        self.folder.mkdir()
        self.destination = folder / "destination"

    def land(self, *names: str) -> None:
        """Deliver results, one sync for each, so that they land in this order."""
        for name in names:
            document = {"url": "https://e.example", "task_id": name, "status": "success", "data": {"html": "<p>"}}
            (self.folder / f"{name}.json").write_text(json.dumps(document))
            harvester.sync(f"file://{self.folder}/", self.destination)

    def purge(self, name: str) -> None:
        """Erase a result that landed."""
        harvester.purge(self.destination, key=str(self.folder / f"{name}.json"))


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path)


def described(objects: Iterable[SourceObject]) -> list[tuple[str, str]]:
    return [(each.facts.key.removesuffix(".json")[-1], each.facts.source) for each in objects]


def test_tombstones_come_in_the_order_of_their_numbers(source: Source) -> None:
    source.land("a", "b")
    source.purge("a")
    source.land("c")
    source.purge("b")
    with open_rows(source.destination) as rows:
        found = list(rows.objects("0"))
        assert described(found) == [("a", "purged"), ("c", "delivered"), ("b", "purged")]
        for number, each in enumerate(found):
            assert described(rows.objects(each.end)) == described(found[number + 1 :])


def test_what_is_purged_while_rows_are_read_comes_once_and_in_order(source: Source) -> None:
    source.land("a", "b", "c")
    source.purge("a")
    with open_rows(source.destination) as rows:
        objects = rows.objects("0")
        found = [next(objects)]
        source.land("d")
        source.purge("b")
        source.land("e")
        found += objects
    assert described(found) == [
        *(("b", "delivered"), ("c", "delivered"), ("a", "purged")),
        *(("d", "delivered"), ("b", "purged"), ("e", "delivered")),
    ]
