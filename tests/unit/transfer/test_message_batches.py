"""Batches hold every kind of message, in order, and nothing that has to be made in Python to be read."""

from __future__ import annotations

import pickle

from harvester.storage.base import FetchRequest
from harvester.transfer.workers.message_batches import (
    pack_assignments,
    pack_outcomes,
    unpack_assignments,
    unpack_outcomes,
)
from harvester.transfer.workers.messages import Assignment, DestinationFault, Failed, Outcome, Quarantined, Refused
from tests.unit.transfer.memory_workers import assignment, landed

OUTCOMES: list[Outcome] = [
    Refused("p/a", "one", 4, "path_obstructed"),
    landed(assignment("p/b"), fault=("row_invalid", "line 3"), unread_headers=("retry-after",), rows=7),
    Failed("p/c", "one", 4, "gone", "404: gone"),
    Quarantined("p/d", "one", 4, "empty", "", ".nimble-harvester/quarantine/d", "digest", 4),
    DestinationFault("p/e", 28),
    landed(assignment("p/f")),
]
ASSIGNMENTS = [
    assignment("p/ä"),
    Assignment(FetchRequest("p/b", 4, "one", 1.5), "b", "aside", "quarantine/b", "digest", ("time_exceeded", "4 s")),
]


def test_outcomes_come_out_as_they_went_in() -> None:
    received = unpack_outcomes(pickle.loads(pickle.dumps(pack_outcomes(OUTCOMES))))
    assert received == OUTCOMES
    assert list(map(type, received)) == list(map(type, OUTCOMES))


def test_assignments_come_out_as_they_went_in() -> None:
    received = unpack_assignments(pickle.loads(pickle.dumps(pack_assignments(ASSIGNMENTS))))
    assert received == ASSIGNMENTS
    assert [type(each.request) for each in received] == [FetchRequest, FetchRequest]


def test_batches_name_no_class() -> None:
    for packed in (pack_outcomes(OUTCOMES), pack_assignments(ASSIGNMENTS)):
        assert b"harvester.transfer" not in pickle.dumps(packed)
        assert b"harvester.storage" not in pickle.dumps(packed)
