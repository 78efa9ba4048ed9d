"""Idle connections give way to new ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from harvester.events.http.connection_limits import ConnectionLimits, LimitedProtocol


@dataclass(eq=False)
class Transport:
    aborted: bool = False

    def abort(self) -> None:
        self.aborted = True


@dataclass(eq=False)
class Connection:
    is_idle: bool = True
    is_receiving: bool = False
    transport: Transport = field(default_factory=Transport)


def add(limits: ConnectionLimits, address: str = "a", *, idle: bool = True) -> tuple[Any, bool]:
    connection = Connection(is_idle=idle)
    return connection, limits.add(cast("LimitedProtocol", connection), address)


def test_the_oldest_idle_connection_gives_way() -> None:
    limits = ConnectionLimits(3, per_address=3)
    first, second, third = (add(limits)[0] for _ in range(3))
    limits.used(first)
    _, added = add(limits)
    assert added
    assert [each.transport.aborted for each in (first, second, third)] == [False, True, False]


def test_requests_in_progress_are_never_ended() -> None:
    limits = ConnectionLimits(2, per_address=2)
    busy = [add(limits, idle=False)[0] for _ in range(2)]
    refused, added = add(limits)
    assert not added
    assert not any(each.transport.aborted for each in busy)
    limits.remove(busy[0])
    limits.remove(refused)
    assert add(limits)[1]


def test_one_address_takes_no_place_of_another() -> None:
    limits = ConnectionLimits(4, per_address=2)
    mine = [add(limits, "mine")[0] for _ in range(2)]
    others = [add(limits, "other")[0] for _ in range(2)]
    assert add(limits, "mine")[1]
    assert [each.transport.aborted for each in (*mine, *others)] == [True, False, False, False]
    busy = ConnectionLimits(4, per_address=1)
    add(busy, "mine", idle=False)
    assert not add(busy, "mine")[1]
    assert add(busy, "other")[1]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.integers(0, 9)), max_size=80))
def test_the_limits_hold(steps: list[tuple[str, bool, int]]) -> None:
    limits = ConnectionLimits(6, per_address=3)
    open_now: list[tuple[Any, str]] = []
    for address, idle, removed in steps:
        connection, added = add(limits, address, idle=idle)
        if added:
            open_now.append((connection, address))
        open_now = [each for each in open_now if not each[0].transport.aborted]
        if removed < len(open_now):
            limits.remove(open_now.pop(removed)[0])
        assert len(open_now) <= 6
        for name in "abc":
            assert sum(each == name for _, each in open_now) <= 3
