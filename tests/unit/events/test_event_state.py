"""What is accepted outlives the process; there is no more of it than was allowed."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from harvester.errors import ConfigurationError, IntegrityError
from harvester.events.event_state import STATE_NAME, EnqueueOutcome, EventState
from harvester.queues.message_queue import QueueMessage


def test_offers_are_bounded_and_settled_ones_are_remembered(tmp_path: Path) -> None:
    with EventState(tmp_path, durable=True) as state:
        offers = state.enqueue(["a", "b", "a", "c"], most=2)
        assert offers == [
            EnqueueOutcome.ACCEPTED,
            EnqueueOutcome.ACCEPTED,
            EnqueueOutcome.DUPLICATE,
            EnqueueOutcome.FULL,
        ]
        assert [task.task_id for task in state.due(10)] == ["a", "b"]
        state.settle(landed=["a"], later=[("b", 60.0)])
        assert state.due(10) == []
    with EventState(tmp_path, durable=True) as state:
        assert state.waiting() == 1
        assert state.enqueue(["a", "b", "c"], most=2) == [
            EnqueueOutcome.DUPLICATE,
            EnqueueOutcome.DUPLICATE,
            EnqueueOutcome.ACCEPTED,
        ]
        # Another webhook of a task that waits is a reason to look at once.
        assert {(task.task_id, task.tries) for task in state.due(10)} == {("b", 1), ("c", 0)}
        state.settle(dropped=["b", "c"])
        assert state.waiting() == 0
        assert state.enqueue(["b"], most=2) == [EnqueueOutcome.ACCEPTED]


def test_messages_are_given_back_until_their_lease_is_over(tmp_path: Path) -> None:
    mine = QueueMessage("1", "r1", "body", {"a": "b"}, 2)
    late = QueueMessage("2", "r2", "body", {}, 1)
    with EventState(tmp_path, durable=False) as state:
        state.record_messages([mine], time.time() + 60)
        state.record_messages([late], time.time() - 1)
        assert state.messages_in_flight() == [mine]
        state.extend_messages(["r2"], time.time() + 60)
        assert state.messages_in_flight() == [mine, late]
        state.remove_messages([mine])
        assert state.messages_in_flight() == [late]
        state.clear_messages()
        assert state.messages_in_flight() == []


def test_a_state_that_cannot_be_used(tmp_path: Path) -> None:
    with EventState(tmp_path, durable=False):
        pass
    database = sqlite3.connect(tmp_path / STATE_NAME)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(ConfigurationError, match="newer"):
        EventState(tmp_path, durable=False)
    (tmp_path / STATE_NAME).write_bytes(b"nonsense" * 1000)
    with pytest.raises(IntegrityError):
        EventState(tmp_path, durable=False)


def test_rows_that_are_none_are_skipped(tmp_path: Path) -> None:
    with EventState(tmp_path, durable=False) as state:
        assert state.enqueue(["good"], most=9) == [EnqueueOutcome.ACCEPTED]
        until = time.time() + 60
        state.record_messages([QueueMessage("1", "r", "body", {"a": "b"}, 1)], until)
        database = sqlite3.connect(state.path)
        with database:
            database.execute("INSERT INTO tasks(task_id, received_at, due_at) VALUES ('../x', 0, 0)")
            database.execute("INSERT INTO messages VALUES ('', 'r2', 'b', '{}', 1, ?)", (until,))
            database.execute("INSERT INTO messages VALUES ('2', 'r2', x'ff', '[[', 'many', ?)", (until,))
            database.execute("INSERT INTO messages VALUES ('3', 'r3', 'b', '{\"a\": 1}', -5, ?)", (until,))
        database.close()
        assert [each.task_id for each in state.due(9)] == ["good"]
        assert state.messages_in_flight() == [
            QueueMessage("1", "r", "body", {"a": "b"}, 1),
            QueueMessage("2", "r2", "", {}, 0),
            QueueMessage("3", "r3", "b", {}, 0),
        ]
