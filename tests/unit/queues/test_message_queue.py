"""What a queue sends passes one constructor."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.queues.message_queue import QueueMessage, received_message

ANY = st.none() | st.booleans() | st.integers() | st.text(st.characters(), max_size=20) | st.binary(max_size=5)


def test_a_delivery_is_taken_as_it_came() -> None:
    message = received_message("1", "r", "body", {"a": "b"}, "3")
    assert message == QueueMessage("1", "r", "body", {"a": "b"}, 3)
    assert received_message("1", "r" * 8192, "", {}, None) == QueueMessage("1", "r" * 8192, "", {}, 0)


@pytest.mark.parametrize("name", [None, "", 7, "\ud800", "r" * 8193])
def test_a_delivery_that_cannot_be_deleted_is_none(name: object) -> None:
    assert received_message(name, "r", "body", {}, 1) is None
    assert received_message("1", name, "body", {}, 1) is None


@pytest.mark.parametrize(
    ("count", "deliveries"), [(5, 5), ("0", 0), ("-1", 0), ("x", 0), (None, 0), ("9" * 19, 0), ("\u0663", 0), (True, 0)]
)
def test_a_number_of_deliveries_that_is_none_is_zero(count: object, deliveries: int) -> None:
    message = received_message("1", "r", "", {}, count)
    assert message is not None
    assert message.deliveries == deliveries


@given(ANY, st.dictionaries(st.text(st.characters(), max_size=3), st.text(st.characters(), max_size=3), max_size=3))
def test_texts_of_a_message_are_unicode(body: object, attributes: dict[str, str]) -> None:
    message = received_message("1", "r", body, attributes, 1)
    assert message is not None
    assert message.body.encode() == (body.encode("utf-8", "ignore") if message.body and isinstance(body, str) else b"")
    for name, value in message.attributes.items():
        assert attributes[name] == value
        assert name.encode() is not None
        assert value.encode() is not None
