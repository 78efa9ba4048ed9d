"""How many steps it takes to check a value against a JSON Schema, counted without taking them.

A validator applies one subschema to one value as often as there are paths from the root to both: `anyOf` with the same
reference twice doubles them with each level of a value. Here each pair of subschema and value is counted once, and its
number of steps is the sum of those of the pairs below it. What a validator skips is counted too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]
from referencing.jsonschema import DRAFT202012, specification_with

REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")
"""The keywords whose value is a reference."""
_IN_PLACE: Final = ("not", "if", "then", "else")
_IN_PLACE_LISTS: Final = ("allOf", "anyOf", "oneOf")
_IN_PLACE_MAPS: Final = ("dependentSchemas", "dependencies")
_OF_MEMBERS: Final = ("additionalProperties", "unevaluatedProperties")
_OF_ELEMENTS: Final = ("items", "additionalItems", "unevaluatedItems", "contains")
# A schema without recursion and with so few paths multiplies the steps for a value by no more.
_FEW_PATHS: Final = 2_000
# Pairs of subschema and array or object that are kept in memory while a value is counted.
_MOST_PAIRS: Final = 1_000_000


class CircularSchema(ValueError):
    """A subschema applies itself to the same value, so that a check would not end."""


@dataclass(slots=True)
class _Subschema:
    """The subschemas that a schema applies to the same value, and to what an object or array holds."""

    in_place: list[_Subschema] = field(default_factory=list)
    members: dict[str, _Subschema] = field(default_factory=dict)
    every_member: list[_Subschema] = field(default_factory=list)
    elements: list[_Subschema] = field(default_factory=list)
    every_element: list[_Subschema] = field(default_factory=list)

    def below(self) -> list[_Subschema]:
        inside = [*self.members.values(), *self.every_member, *self.elements, *self.every_element]
        return self.in_place + inside

    def applied(self, value: Any) -> Iterator[tuple[_Subschema, Any]]:
        """Yield every subschema that is applied next, with the value it is applied to."""
        for each in self.in_place:
            yield each, value
        if isinstance(value, dict):
            for name, member in value.items():
                if name in self.members:
                    yield self.members[name], member
                for each in self.every_member:
                    yield each, member
        elif isinstance(value, list):
            for number, element in enumerate(value):
                if number < len(self.elements):
                    yield self.elements[number], element
                for each in self.every_element:
                    yield each, element


class SchemaSteps:
    """Counts the steps of one schema."""

    def __init__(self, schema: Any) -> None:
        """Read a schema whose references all resolve within itself. Raises CircularSchema."""
        # Subschemas are known by their identity: they live as long as this does.
        self._subschemas = _Reader(schema).read()
        self._root = self._subschemas[0]
        self._in_place: dict[int, int] = {}
        for each in self._subschemas:
            _count_paths(each, lambda subschema: subschema.in_place, self._in_place)
        self.is_bounded = self._has_few_paths()
        """Whether the steps grow with the size of the value alone, so that they need not be counted."""

    def _has_few_paths(self) -> bool:
        try:
            return _count_paths(self._root, _Subschema.below, {}) <= _FEW_PATHS
        except CircularSchema:
            return False

    def count(self, value: Any, most: int) -> int:
        """Return the number of steps for a value, more than ``most`` for all that exceed it."""
        counted: dict[tuple[int, int], int] = {}
        stack = [(self._root, value)]
        steps = 0
        while stack:
            schema, part = stack[-1]
            steps, pending = 1, []
            for inner, inner_part in schema.applied(part):
                if not isinstance(inner_part, dict | list):
                    steps += self._in_place[id(inner)]
                elif (known := counted.get((id(inner), id(inner_part)))) is None:
                    pending.append((inner, inner_part))
                else:
                    steps += known
            if steps > most or len(counted) > _MOST_PAIRS:
                return most + 1
            if pending:
                stack.extend(pending)
            else:
                counted[id(schema), id(part)] = steps
                stack.pop()
        return steps


def _count_paths(root: _Subschema, below: Callable[[_Subschema], list[_Subschema]], known: dict[int, int]) -> int:
    """Return the number of paths from ``root``; ``known`` are numbers by identity. Raises CircularSchema."""
    stack = [root]
    begun: set[int] = set()
    while stack:
        top = stack[-1]
        pending = [each for each in below(top) if id(each) not in known]
        if id(top) in known or not pending:
            known[id(top)] = 1 + sum(known[id(each)] for each in below(top))
            stack.pop()
            continue
        begun.add(id(top))
        if any(id(each) in begun for each in pending):
            raise CircularSchema
        stack.extend(pending)
    return known[id(root)]


class _Reader:
    """Reads the subschemas of one schema."""

    def __init__(self, schema: Any) -> None:
        dialect = schema.get("$schema", "") if isinstance(schema, dict) else ""
        self._specification = specification_with(str(dialect), default=DRAFT202012)
        root = self._specification.create_resource(schema)
        self._known: dict[int, _Subschema] = {}
        self._anything = _Subschema()
        self._pending = [(schema, REGISTRY.resolver_with_root(root))]

    def read(self) -> list[_Subschema]:
        """Return all subschemas, the root first."""
        schema, resolver = self._pending.pop()
        root = self._subschema(schema, resolver)
        while self._pending:
            contents, resolver = self._pending.pop()
            if contents is not schema:
                resolver = resolver.in_subresource(self._specification.create_resource(contents))
            self._fill(self._known[id(contents)], contents, resolver)
        return [root, self._anything, *self._known.values()]

    def _subschema(self, contents: Any, resolver: Any) -> _Subschema:
        if not isinstance(contents, dict):
            return self._anything
        if id(contents) not in self._known:
            self._known[id(contents)] = _Subschema()
            self._pending.append((contents, resolver))
        return self._known[id(contents)]

    def _several(self, contents: Any, resolver: Any) -> list[_Subschema]:
        found = contents.values() if isinstance(contents, dict) else contents if isinstance(contents, list) else ()
        return [self._subschema(each, resolver) for each in found]

    def _fill(self, found: _Subschema, contents: dict[str, Any], resolver: Any) -> None:
        for keyword in REFERENCES:
            if isinstance(reference := contents.get(keyword), str):
                target = resolver.lookup(reference)
                found.in_place.append(self._subschema(target.contents, target.resolver))
        found.in_place += self._each(_IN_PLACE, contents, resolver)
        for keyword in (*_IN_PLACE_LISTS, *_IN_PLACE_MAPS):
            found.in_place += self._several(contents.get(keyword), resolver)
        if isinstance(properties := contents.get("properties"), dict):
            found.members = {name: self._subschema(each, resolver) for name, each in properties.items()}
        found.every_member = self._several(contents.get("patternProperties"), resolver)
        found.every_member += self._each(_OF_MEMBERS, contents, resolver)
        found.elements = self._several(contents.get("prefixItems"), resolver)
        of_elements = list(_OF_ELEMENTS)
        if isinstance(contents.get("items"), list):
            found.elements += self._several(contents["items"], resolver)
            of_elements.remove("items")
        found.every_element = self._each(of_elements, contents, resolver)

    def _each(self, keywords: Iterable[str], contents: dict[str, Any], resolver: Any) -> list[_Subschema]:
        return [self._subschema(contents[keyword], resolver) for keyword in keywords if keyword in contents]
