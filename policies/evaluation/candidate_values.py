"""The values of an unknown condition key that make a difference to the conditions on it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from ipaddress import ip_network
from itertools import combinations

from policies.evaluation.residuals import BoundReachedError, Constraint, ResidualCondition
from policies.language import IpNetwork, Pattern, StateLimitError, Value, Wildcard, number, pattern, regions

STATES = 4_000
"""How many states the automata of one key's values may have."""
SUBSETS_OF = 8
"""For how many kinds of values every combination is tried, for a key that holds several values."""
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
_ID = re.compile(r"(?:\bo|\bvpce|\bvpc)-[0-9a-z]{3,}|[0-9]{12}")
_NOT_EMPTY = Pattern((Wildcard.ONE, Wildcard.RUN))
_ARN = pattern("arn:*:*:*:*:*")
_FAMILIES = {"numeric": "number", "date": "date", "ip": "address", "null": "presence"}


def candidate_values(key: str, conditions: Sequence[ResidualCondition], constraint: Constraint) -> Iterator[Value]:
    """Yield one value for each combination of results the conditions can have; None for an absent key.

    Raises BoundReachedError when the values cannot be enumerated exactly.
    """
    if conditions[0].family == "opaque":
        yield from ("true", "false")
        return
    if not constraint.present:
        yield None
    families = {_FAMILIES.get(condition.family, "text") for condition in conditions} - {"presence"}
    if len(families) > 1:
        raise BoundReachedError("operators", f"{conditions[0].names[0]} is compared by operators of different kinds")
    values = list(_VALUES[families.pop() if families else "text"](conditions, constraint))
    if any(condition.several for condition in conditions) and _may_hold_several(key):
        if len(values) > SUBSETS_OF:
            raise BoundReachedError(
                "values", f"{conditions[0].names[0]} holds several values at once, of {len(values)} kinds"
            )
        for size in range(1, len(values) + 1):
            for several in combinations(values, size):
                yield several[0] if size == 1 else several
    else:
        yield from values


def _may_hold_several(key: str) -> bool:
    # How many values the keys of other services hold is not in the table.
    return key in SEVERAL_VALUES or not key.startswith(_KNOWN_SERVICES)


def _texts(conditions: Sequence[ResidualCondition], constraint: Constraint) -> Iterator[str]:
    wanted = list(dict.fromkeys(each for condition in conditions for each in condition.patterns))
    within = list(constraint.within)
    families = {condition.family for condition in conditions}
    if "arn" in families and not within:
        # A key that only ARNs are compared with holds an ARN; another kind of text is one more kind of value.
        if families <= {"arn", "null"}:
            within = [_ARN]
        else:
            wanted.append(_ARN)
    if "bool" in families and not within:
        within = [Pattern((truth,), fold=True) for truth in ("true", "false")]
    elif not within and not any(each.literal == "" for each in wanted):
        within = [_NOT_EMPTY]
    impossible = {at for at, each in enumerate(wanted) if _is_impossible(each, constraint)}
    try:
        for region in regions(wanted, within, limit=STATES):
            if region.matched.isdisjoint(impossible):
                yield region.example
    except StateLimitError:
        raise BoundReachedError(
            "values", f"the values of {conditions[0].names[0]} overlap in too many combinations"
        ) from None


def _is_impossible(wanted: Pattern, constraint: Constraint) -> bool:
    """Return whether no value under the constraint matches a pattern that a policy compares with."""
    if constraint.foreign and _is_specific(wanted, constraint.own):
        return True
    if any(character in part for part in wanted.tokens if isinstance(part, str) for character in constraint.without):
        return True
    text = wanted.literal
    if text in constraint.excluded:
        return True
    exact = number(text) if text is not None else None
    return exact is not None and not constraint.allows(exact)


def _is_specific(wanted: Pattern, own: str) -> bool:
    """Return whether a pattern names one organisation, network or account other than ``own``."""
    if own and own in str(wanted):
        return False
    return wanted.literal is not None or _ID.search(str(wanted)) is not None


def _numbers(conditions: Sequence[ResidualCondition], constraint: Constraint) -> Iterator[str]:
    for each in _around(conditions, constraint, Decimal(1)):
        yield f"{each:f}"


def _dates(conditions: Sequence[ResidualCondition], constraint: Constraint) -> Iterator[str]:
    for each in _around(conditions, constraint, Decimal(86400)):
        whole = int(each)
        if whole == each:
            yield str(whole)
        else:
            yield (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=float(each))).isoformat()


def _around(conditions: Sequence[ResidualCondition], constraint: Constraint, step: Decimal) -> Iterator[Decimal]:
    """Yield each number compared with, one between each two, one below and one above all, as far as possible."""
    limits = (each for each in (constraint.at_least, constraint.at_most) if each is not None)
    bounds = sorted({*limits, *(each for condition in conditions for each in condition.numbers)})
    if not bounds:
        yield Decimal(0)
        return
    found = [bounds[0] - step]
    for at, bound in enumerate(bounds):
        found += [bound, (bound + bounds[at + 1]) / 2 if at + 1 < len(bounds) else bound + step]
    yield from filter(constraint.allows, found)


def _addresses(conditions: Sequence[ResidualCondition], constraint: Constraint) -> Iterator[str]:
    named = {each for condition in conditions for each in condition.networks}
    for everything in (ip_network("0.0.0.0/0"), ip_network("::/0")):
        family = {each for each in named if each.version == everything.version} | {everything}
        excluded = [each for each in constraint.outside if each.version == everything.version]
        for each in family:
            if any(_within(each, other) for other in excluded):
                continue
            smaller = [other for other in (*family, *excluded) if other != each and _within(other, each)]
            address = _outside(each, smaller)
            if address is not None:
                yield address


def _within(inner: IpNetwork, outer: IpNetwork) -> bool:
    return int(outer.network_address) <= int(inner.network_address) and int(inner.broadcast_address) <= int(
        outer.broadcast_address
    )


def _outside(of: IpNetwork, inner: Sequence[IpNetwork]) -> str | None:
    """Return an address of ``of`` in none of ``inner``, which are all inside it."""
    address = int(of.network_address)
    for first, last in sorted((int(each.network_address), int(each.broadcast_address)) for each in inner):
        if address < first:
            break
        address = max(address, last + 1)
    if address > int(of.broadcast_address):
        return None
    return str(of.network_address + (address - int(of.network_address)))


_VALUES: Mapping[str, Callable[[Sequence[ResidualCondition], Constraint], Iterator[str]]] = {
    "text": _texts,
    "number": _numbers,
    "date": _dates,
    "address": _addresses,
}
