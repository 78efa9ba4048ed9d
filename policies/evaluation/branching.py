"""Deciding over what is not known of a request.

A condition key whose value is unknown has one value all the same, and every statement sees that one. So
the question is not whether each statement may match, but which verdicts are reachable when the key takes
every value that makes a difference: absent, one value per region that the policy's values cut out of all
texts, numbers or addresses. Each statement is then a box (per key, a set of those candidates), and the
verdict a function over the candidates, kept as a decision diagram with equal branches folded: its leaves
are the reachable verdicts, its nodes the keys that matter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from ipaddress import ip_network
from itertools import chain, combinations
from typing import Literal, NamedTuple

from policies.language import Network, Pattern, StateLimitError, Value, Wildcard, pattern, regions

Effect = Literal["allowed", "explicitly_denied", "implicitly_denied"]
EXPANSIONS = 5_000
"""How many branches are looked at before the answer is that it depends."""
KEPT = 5_000
"""How many keys with their values are kept between decisions."""
STATES = 4_000
"""How many states the automata of one key's values may take."""
SUBSETS_OF = 8
"""Of how many regions every combination is tried, for a key that holds several values at once."""
SEVERAL_VALUES = frozenset(
    {
        "aws:calledvia",
        "aws:principalorgpaths",
        "aws:principalservicenameslist",
        "aws:sourceorgpaths",
        "aws:resourceorgpaths",
        "aws:tagkeys",
        "aws:vpceorgpaths",
        "kms:encryptioncontextkeys",
        "kms:grantoperations",
        "kms:resourcealiases",
        "s3:inventoryaccessibleoptionalfields",
        "s3:requestobjecttagkeys",
    }
)
"""Condition keys that hold several values. Source: the service authorization reference and IAM's global
keys."""
_KNOWN_SERVICES = ("aws:", "s3:", "kms:")
_SOMEBODYS_ID = re.compile(r"(?:\bo|\bvpce|\bvpc)-[0-9a-z]{3,}|[0-9]{12}")
_NOT_EMPTY = Pattern((Wildcard.ONE, Wildcard.RUN))
_ARN = pattern("arn:*:*:*:*:*")


class TooManyBranchesError(Exception):
    """The bound was reached; ``str()`` says which."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """What is known of a condition key whose value is not."""

    present: bool = False
    """True when the request carries the key."""
    foreign: bool = False
    """True when the value is none that the bucket's owner could have written out: somebody else's id."""
    own: str = ""
    """With ``foreign``: the account of the caller's own, which a policy may well write out."""
    within: tuple[Pattern, ...] = ()
    """Patterns, one of which the value matches; empty for any value."""


ANYTHING = Constraint()
"""Nothing is known, not even whether the key is there."""


class Term(NamedTuple):
    """A test of one unknown key."""

    key: str
    """The condition key in lower case, or a name of its own for what cannot be told apart by one key."""
    names: tuple[str, ...]
    """The condition keys as a person reads them."""
    test: Callable[[Value], bool]
    """Tells whether a value passes."""
    family: str
    """As `Condition.family`; ``opaque`` for a test that may come out either way, whatever else is known."""
    patterns: tuple[Pattern, ...]
    """The texts that make a difference."""
    numbers: tuple[Decimal, ...]
    """The numbers, or seconds since the epoch, that make a difference."""
    networks: tuple[Network, ...]
    """The networks that make a difference."""
    several: bool
    """True when the test looks at each of several values."""
    identity: object
    """Equal for terms that are the same test."""


class Box(NamedTuple):
    """A statement under the conditions that are still open."""

    statement: int
    """The statement's index."""
    allow: bool
    """Its effect."""
    terms: tuple[Term, ...]
    """What must hold for it to match; empty when it matches in any case."""


class Outcome(NamedTuple):
    """What is reachable."""

    effects: frozenset[Effect]
    """The verdicts reachable: ``allowed``, ``explicitly_denied``, ``implicitly_denied``."""
    keys: frozenset[str]
    """The keys the verdict turns on, in lower case; empty when there is one verdict."""
    certain: frozenset[int]
    """The indices of the statements that match in any case."""


Cache = dict[object, "tuple[tuple[Value, ...], tuple[int, ...]]"]


def decide(boxes: Sequence[Box], constraints: Mapping[str, Constraint], cache: Cache) -> Outcome:
    """Return the reachable verdicts; raises TooManyBranchesError past the bound."""
    by_key: dict[str, list[Term]] = {}
    for term in chain.from_iterable(box.terms for box in boxes):
        by_key.setdefault(term.key, []).append(term)
    masks: dict[tuple[str, object], int] = {}
    full: dict[str, int] = {}
    for key, terms in by_key.items():
        values, truths = _truths(key, terms, constraints.get(key, ANYTHING), cache)
        full[key] = (1 << len(values)) - 1
        masks.update(((key, term.identity), truth) for term, truth in zip(terms, truths, strict=True))
    cut = {box.statement: reduced for box in boxes if (reduced := _reduce(box, masks, full)) is not None}
    effects, keys = _Diagram(cut.values(), full).outcome()
    return Outcome(effects, keys, frozenset(statement for statement, each in cut.items() if not each.keys))


def _truths(
    key: str, terms: Sequence[Term], constraint: Constraint, cache: Cache
) -> tuple[tuple[Value, ...], tuple[int, ...]]:
    identity = (key, tuple(term.identity for term in terms), constraint)
    known = cache.get(identity)
    if known is None:
        values = tuple(candidates(key, terms, constraint))
        truths = tuple(sum(1 << at for at, value in enumerate(values) if term.test(value)) for term in terms)
        if len(cache) > KEPT:
            cache.clear()
        known = cache[identity] = values, truths
    return known


class _Cut(NamedTuple):
    """A box over candidates: per key the candidates that let the statement match."""

    allow: bool
    keys: tuple[tuple[str, int], ...]


def _reduce(box: Box, masks: Mapping[tuple[str, object], int], full: Mapping[str, int]) -> _Cut | None:
    allowed: dict[str, int] = {}
    for term in box.terms:
        allowed[term.key] = allowed.get(term.key, full[term.key]) & masks[term.key, term.identity]
    if not all(allowed.values()):
        return None
    return _Cut(box.allow, tuple(sorted((key, mask) for key, mask in allowed.items() if mask != full[key])))


class _Node(NamedTuple):
    """A key the verdict turns on, and what it turns to."""

    key: str
    results: tuple[_Node | Effect, ...]


class _Diagram:
    """The verdict as a function of the keys, in a fixed order, equal branches folded."""

    def __init__(self, boxes: Iterable[_Cut], full: Mapping[str, int]) -> None:
        self.boxes = frozenset(boxes)
        self.full = full
        self.known: dict[frozenset[_Cut], _Node | Effect] = {}
        self.nodes: dict[object, _Node] = {}
        self.effects: set[Effect] = set()
        self.keys: set[str] = set()
        self.expansions = 0

    def outcome(self) -> tuple[frozenset[Effect], frozenset[str]]:
        root = self.node(self.boxes)
        self.collect(root)
        return frozenset(self.effects), frozenset(self.keys)

    def collect(self, root: _Node | Effect) -> None:
        waiting: list[_Node | Effect] = [root]
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

    def node(self, boxes: frozenset[_Cut]) -> _Node | Effect:
        """Return the folded function: an effect, or a key with its branches by candidates."""
        if any(not box.keys for box in boxes if not box.allow):
            return "explicitly_denied"
        if not any(not box.allow for box in boxes):
            if any(not box.keys for box in boxes):
                return "allowed"
            if not boxes:
                return "implicitly_denied"
        if boxes not in self.known:
            self.known[boxes] = self.branch(boxes)
        return self.known[boxes]

    def branch(self, boxes: frozenset[_Cut]) -> _Node | Effect:
        self.expansions += 1
        if self.expansions > EXPANSIONS:
            raise TooManyBranchesError(f"more than {EXPANSIONS:,} combinations of unknown condition keys")
        key = min(box.keys[0][0] for box in boxes if box.keys)
        masks = {dict(box.keys)[key] for box in boxes if box.keys and box.keys[0][0] == key}
        merged: dict[int, tuple[int, _Node | Effect]] = {}
        for cell in _cells(self.full[key], masks):
            # Any one candidate stands for its cell: no box tells the cell's candidates apart.
            one = cell & -cell
            result = self.node(frozenset(left for box in boxes if (left := _given(box, key, one)) is not None))
            merged[id(result)] = (merged.get(id(result), (0, result))[0] | cell, result)
        if len(merged) == 1:
            return next(iter(merged.values()))[1]
        signature = (key, frozenset((mask, at) for at, (mask, _) in merged.items()))
        return self.nodes.setdefault(signature, _Node(key, tuple(result for _, result in merged.values())))


def _given(box: _Cut, key: str, candidate: int) -> _Cut | None:
    if not box.keys or box.keys[0][0] != key:
        return box
    return _Cut(box.allow, box.keys[1:]) if box.keys[0][1] & candidate else None


def _cells(full: int, masks: Iterable[int]) -> Iterator[int]:
    cells = [full]
    for mask in masks:
        cells = [part for cell in cells for part in (cell & mask, cell & ~mask) if part]
    yield from cells


def candidates(key: str, terms: Sequence[Term], constraint: Constraint) -> Iterator[Value]:
    """Yield one value for each way the terms can come out; raises TooManyBranchesError when that cannot
    be done exactly."""
    if terms[0].family == "opaque":
        yield from ("true", "false")
        return
    if not constraint.present:
        yield None
    families = {_FAMILIES.get(term.family, "text") for term in terms} - {"presence"}
    if len(families) > 1:
        raise TooManyBranchesError(f"{terms[0].names[0]} is compared by operators of different kinds")
    values = list(_VALUES[families.pop() if families else "text"](terms, constraint))
    if any(term.several for term in terms) and _may_hold_several(key):
        if len(values) > SUBSETS_OF:
            raise TooManyBranchesError(f"{terms[0].names[0]} holds several values at once, of {len(values)} kinds")
        for size in range(1, len(values) + 1):
            for several in combinations(values, size):
                yield several[0] if size == 1 else several
    else:
        yield from values


def _may_hold_several(key: str) -> bool:
    # Of the keys of other services, it is not known here how many values they hold.
    return key in SEVERAL_VALUES or not key.startswith(_KNOWN_SERVICES)


_FAMILIES = {"numeric": "number", "date": "date", "ip": "address", "null": "presence"}


def _texts(terms: Sequence[Term], constraint: Constraint) -> Iterator[str]:
    wanted = list(dict.fromkeys(each for term in terms for each in term.patterns))
    within = list(constraint.within)
    families = {term.family for term in terms}
    if "arn" in families and not within:
        # A key that only ARNs are compared with holds one; another kind of text is one more kind of value.
        if families <= {"arn", "null"}:
            within = [_ARN]
        else:
            wanted.append(_ARN)
    if "bool" in families:
        within = [Pattern((truth,), fold=True) for truth in ("true", "false")]
    elif not within and not any(each.literal == "" for each in wanted):
        within = [_NOT_EMPTY]
    foreign = {at for at, each in enumerate(wanted) if constraint.foreign and _is_specific(each, constraint.own)}
    try:
        for region in regions(wanted, within, limit=STATES):
            if region.matched.isdisjoint(foreign):
                yield region.example
    except StateLimitError:
        raise TooManyBranchesError(f"the values of {terms[0].names[0]} overlap in too many ways") from None


def _is_specific(wanted: Pattern, own: str) -> bool:
    """Tell whether a pattern names one organisation, network or account other than ``own``, so that
    nobody else's id matches it."""
    if own and own in str(wanted):
        return False
    return wanted.literal is not None or _SOMEBODYS_ID.search(str(wanted)) is not None


def _numbers(terms: Sequence[Term], _constraint: Constraint) -> Iterator[str]:
    for each in _around(terms, Decimal(1)):
        yield f"{each:f}"


def _dates(terms: Sequence[Term], _constraint: Constraint) -> Iterator[str]:
    for each in _around(terms, Decimal(86400)):
        whole = int(each)
        if whole == each:
            yield str(whole)
        else:
            yield (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=float(each))).isoformat()


def _around(terms: Sequence[Term], step: Decimal) -> Iterator[Decimal]:
    bounds = sorted({each for term in terms for each in term.numbers})
    if not bounds:
        yield Decimal(0)
        return
    yield bounds[0] - step
    for at, bound in enumerate(bounds):
        yield bound
        yield (bound + bounds[at + 1]) / 2 if at + 1 < len(bounds) else bound + step


def _addresses(terms: Sequence[Term], _constraint: Constraint) -> Iterator[str]:
    named = {each for term in terms for each in term.networks}
    for everything in (ip_network("0.0.0.0/0"), ip_network("::/0")):
        family = {each for each in named if each.version == everything.version} | {everything}
        for each in family:
            address = _outside(each, [other for other in family if other != each and _within(other, each)])
            if address is not None:
                yield address


def _within(inner: Network, outer: Network) -> bool:
    return int(outer.network_address) <= int(inner.network_address) and int(inner.broadcast_address) <= int(
        outer.broadcast_address
    )


def _outside(of: Network, holes: Sequence[Network]) -> str | None:
    """Return an address of ``of`` in none of ``holes``, which all lie inside it."""
    address = int(of.network_address)
    for first, last in sorted((int(hole.network_address), int(hole.broadcast_address)) for hole in holes):
        if address < first:
            break
        address = max(address, last + 1)
    if address > int(of.broadcast_address):
        return None
    return str(of.network_address + (address - int(of.network_address)))


_VALUES: Mapping[str, Callable[[Sequence[Term], Constraint], Iterator[str]]] = {
    "text": _texts,
    "number": _numbers,
    "date": _dates,
    "address": _addresses,
}
