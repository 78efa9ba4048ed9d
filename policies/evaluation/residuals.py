"""What remains of conditions and statements of which the request leaves a key unknown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from policies.language import IpNetwork, Pattern, Value


class BoundReachedError(Exception):
    """The evaluation reached a limit on its work; ``str()`` describes it."""

    def __init__(self, name: str, message: str) -> None:
        """Take the limit's name, such as ``combinations``, and a sentence."""
        super().__init__(message)
        self.name = name
        """The limit's name."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """What is known of a condition key whose value is not."""

    present: bool = False
    """True when the request carries the key."""
    foreign: bool = False
    """True when the value is an id of another account or organisation than the bucket owner's."""
    own: str = ""
    """With ``foreign``: the requester's own account, which a policy may name."""
    within: tuple[Pattern, ...] = ()
    """Patterns, one of which the value matches; empty for any value."""
    at_least: Decimal | None = None
    """The least number the value can be; None without a limit."""
    at_most: Decimal | None = None
    """The greatest number the value can be; None without a limit."""
    outside: tuple[IpNetwork, ...] = ()
    """Networks that the address is in none of."""
    without: str = ""
    """Characters that the value has none of."""
    excluded: frozenset[str] = frozenset()
    """Texts that the value is none of."""
    unlike: frozenset[str] = frozenset()
    """Condition keys, in lower case, whose value the value never equals."""

    def allows(self, value: Decimal) -> bool:
        """Return whether the value can be this number."""
        above = self.at_least is None or value >= self.at_least
        return above and (self.at_most is None or value <= self.at_most)


ANYTHING = Constraint()
"""Nothing is known, not even whether the request carries the key."""


class ResidualCondition(NamedTuple):
    """A test of one unknown key."""

    key: str
    """The condition key in lower case, or a unique name for an opaque test."""
    names: tuple[str, ...]
    """The condition keys as the policy spells them."""
    test: Callable[[Value], bool]
    """Returns whether a value passes."""
    family: str
    """As `Condition.family`; ``opaque`` for a test that may pass or fail, independent of every other."""
    patterns: tuple[Pattern, ...]
    """The texts that make a difference."""
    numbers: tuple[Decimal, ...]
    """The numbers, or seconds since the epoch, that make a difference."""
    networks: tuple[IpNetwork, ...]
    """The networks that make a difference."""
    several: bool
    """True when the test reads each of several values."""
    identity: object
    """Equal for conditions that are the same test."""


class ResidualStatement(NamedTuple):
    """A statement with the conditions that remain open."""

    statement: int
    """The index of the statement."""
    allow: bool
    """True for Allow, False for Deny."""
    conditions: tuple[ResidualCondition, ...]
    """What must hold for it to match; empty when it matches in any case."""

    @property
    def identity(self) -> tuple[object, ...]:
        """Equal for statements of one effect that match under the same conditions."""
        return (self.allow, *(each.identity for each in self.conditions))


def opaque_condition(names: tuple[str, ...], identity: object) -> ResidualCondition:
    """Return a condition that may pass or fail, independent of every other."""
    return ResidualCondition(
        f"opaque:{identity!r}",
        tuple(dict.fromkeys(names)),
        lambda value: value == "true",
        "opaque",
        (),
        (),
        (),
        several=False,
        identity=("opaque", identity),
    )
