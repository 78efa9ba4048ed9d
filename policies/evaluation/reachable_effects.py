"""Which effects a request can have when some of its condition keys are unknown.

An unknown key has one value, the same in every statement. So it is not enough to know whether each
statement may match: the effects are those reached while each key takes every value that makes a
difference, absent included. A statement is then, per key, a set of candidate values under which it
matches, and the effect a function of the candidates, kept as a decision diagram with equal branches
merged: its leaves are the reachable effects, its nodes the keys that decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Literal, NamedTuple

from policies.evaluation.bounded_cache import BoundedCache
from policies.evaluation.candidate_values import candidate_values
from policies.evaluation.residuals import (
    ANYTHING,
    BoundReachedError,
    Constraint,
    ResidualCondition,
    ResidualStatement,
    opaque_condition,
)
from policies.language import Value

Leaf = Literal["allowed", "explicitly_denied", "implicitly_denied"]
EXPANSIONS = 5_000
"""How many nodes of the diagram are expanded before the effect counts as unknown."""


class Reachable(NamedTuple):
    """The effects that can be reached."""

    effects: frozenset[Leaf]
    """The effects."""
    keys: frozenset[str]
    """The keys that decide, in lower case; empty when there is one effect."""
    matching: frozenset[int]
    """The indices of the statements that can match."""
    certain: frozenset[int]
    """The indices of the statements that match in any case."""
    bounds: tuple[BoundReachedError, ...]
    """Limits that were reached; the effects are then a superset of those reached."""


Cache = BoundedCache[object, tuple[tuple[Value, ...], tuple[int, ...]]]
"""Per key and conditions on it: its candidate values, and for each condition those that pass, as bits."""


def reachable_effects(
    statements: Sequence[ResidualStatement], constraints: Mapping[str, Constraint], cache: Cache
) -> Reachable:
    """Return the effects that can be reached; raises BoundReachedError past the limit on combinations."""
    by_key: dict[str, list[ResidualCondition]] = {}
    for condition in chain.from_iterable(statement.conditions for statement in statements):
        by_key.setdefault(condition.key, []).append(condition)
    passing: dict[object, tuple[str, int]] = {}
    full: dict[str, int] = {}
    bounds: list[BoundReachedError] = []
    for key, conditions in by_key.items():
        try:
            values, truths = _truths(key, conditions, constraints.get(key, ANYTHING), cache)
        except BoundReachedError as bound:
            bounds.append(bound)
            for condition in conditions:
                # Independent of every other condition: the effects reached are a superset of the true ones.
                alone = opaque_condition(condition.names, condition.identity)
                full[alone.key] = 3
                passing[condition.identity] = (alone.key, 1)
            continue
        full[key] = (1 << len(values)) - 1
        passing.update((condition.identity, (key, truth)) for condition, truth in zip(conditions, truths, strict=True))
    cut = {each.statement: reduced for each in statements if (reduced := _reduce(each, passing, full)) is not None}
    effects, keys = _Diagram(cut.values(), full).outcome()
    certain = frozenset(index for index, each in cut.items() if not each.keys)
    return Reachable(effects, keys, frozenset(cut), certain, tuple(bounds))


def _truths(
    key: str, conditions: Sequence[ResidualCondition], constraint: Constraint, cache: Cache
) -> tuple[tuple[Value, ...], tuple[int, ...]]:
    identity = (key, tuple(condition.identity for condition in conditions), constraint)
    known = cache.get(identity)
    if known is None:
        values = tuple(candidate_values(key, conditions, constraint))
        truths = tuple(sum(1 << at for at, value in enumerate(values) if each.test(value)) for each in conditions)
        known = cache.keep(identity, (values, truths))
    return known


class _Cut(NamedTuple):
    """A statement over candidates: per key the candidates under which it matches."""

    allow: bool
    keys: tuple[tuple[str, int], ...]


def _reduce(
    statement: ResidualStatement, passing: Mapping[object, tuple[str, int]], full: Mapping[str, int]
) -> _Cut | None:
    allowed: dict[str, int] = {}
    for condition in statement.conditions:
        key, mask = passing[condition.identity]
        allowed[key] = allowed.get(key, full[key]) & mask
    if not all(allowed.values()):
        return None
    return _Cut(statement.allow, tuple(sorted((key, mask) for key, mask in allowed.items() if mask != full[key])))


class _Node(NamedTuple):
    """A key that decides, and the results of its branches."""

    key: str
    results: tuple[_Node | Leaf, ...]


class _Diagram:
    """The effect as a function of the keys, in a fixed order, equal branches merged."""

    def __init__(self, statements: Iterable[_Cut], full: Mapping[str, int]) -> None:
        self.statements = frozenset(statements)
        self.full = full
        self.known: dict[frozenset[_Cut], _Node | Leaf] = {}
        self.nodes: dict[object, _Node] = {}
        self.effects: set[Leaf] = set()
        self.keys: set[str] = set()
        self.expansions = 0

    def outcome(self) -> tuple[frozenset[Leaf], frozenset[str]]:
        root = self.node(self.statements)
        self.collect(root)
        return frozenset(self.effects), frozenset(self.keys)

    def collect(self, root: _Node | Leaf) -> None:
        waiting: list[_Node | Leaf] = [root]
        seen = set[int]()
        while waiting:
            node = waiting.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            if isinstance(node, _Node):
                self.keys.add(node.key)
                waiting.extend(node.results)
            else:
                self.effects.add(node)

    def node(self, statements: frozenset[_Cut]) -> _Node | Leaf:
        """Return the merged function: an effect, or a key with its branches by candidates."""
        if any(not each.keys for each in statements if not each.allow):
            return "explicitly_denied"
        if all(each.allow for each in statements):
            if any(not each.keys for each in statements):
                return "allowed"
            if not statements:
                return "implicitly_denied"
        if statements not in self.known:
            self.known[statements] = self.branch(statements)
        return self.known[statements]

    def branch(self, statements: frozenset[_Cut]) -> _Node | Leaf:
        self.expansions += 1
        if self.expansions > EXPANSIONS:
            raise BoundReachedError("combinations", f"more than {EXPANSIONS:,} combinations of unknown condition keys")
        key = min(each.keys[0][0] for each in statements if each.keys)
        masks = {each.keys[0][1] for each in statements if each.keys and each.keys[0][0] == key}
        merged: dict[int, tuple[int, _Node | Leaf]] = {}
        for cell in _cells(self.full[key], masks):
            # One candidate represents its cell: no statement distinguishes the cell's candidates.
            one = cell & -cell
            result = self.node(frozenset(left for each in statements if (left := _given(each, key, one)) is not None))
            merged[id(result)] = (merged.get(id(result), (0, result))[0] | cell, result)
        if len(merged) == 1:
            return next(iter(merged.values()))[1]
        signature = (key, frozenset((mask, at) for at, (mask, _) in merged.items()))
        return self.nodes.setdefault(signature, _Node(key, tuple(result for _, result in merged.values())))


def _given(statement: _Cut, key: str, candidate: int) -> _Cut | None:
    if not statement.keys or statement.keys[0][0] != key:
        return statement
    return _Cut(statement.allow, statement.keys[1:]) if statement.keys[0][1] & candidate else None


def _cells(full: int, masks: Iterable[int]) -> Iterator[int]:
    cells = [full]
    for mask in masks:
        cells = [part for cell in cells for part in (cell & mask, cell & ~mask) if part]
    yield from cells
