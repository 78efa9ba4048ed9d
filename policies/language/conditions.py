"""The Condition element: every operator, with IfExists, ForAllValues, ForAnyValue and Null."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from policies.language.strict_json import Number
from policies.language.variables import NO_VALUES, Lookup, Template, template
from policies.language.wildcards import Pattern, arn_pattern, literal
from policies.policy_errors import GrammarError, PolicyErrorCode

Value = str | tuple[str, ...] | None
"""A condition key's value in a request: one, several, or None when the request does not carry the key."""
Matcher = Callable[[str], bool | None]
"""Compares one value of the request with one of the policy; None when either cannot be compared."""
IpNetwork = IPv4Network | IPv6Network
_IF_EXISTS = "ifexists"
ARN_COLONS = 5
"""How many colons an ARN has at least, between its six segments."""
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?\Z")
_YEAR = re.compile(r"[0-9]{4}\Z")
_EPOCH = re.compile(r"[+-]?[0-9]{1,14}\Z")
_QUANTIFIERS = {"forallvalues": "all", "foranyvalue": "any"}
_COMPARISONS: Mapping[str, Callable[[Decimal, Decimal], bool]] = {
    "equals": lambda value, bound: value == bound,
    "lessthan": lambda value, bound: value < bound,
    "lessthanequals": lambda value, bound: value <= bound,
    "greaterthan": lambda value, bound: value > bound,
    "greaterthanequals": lambda value, bound: value >= bound,
}


@dataclass(frozen=True, slots=True)
class _Operator:
    family: str
    comparison: str = "equals"
    negated: bool = False
    variables: bool = False


_OPERATORS: Mapping[str, _Operator] = {
    "stringequals": _Operator("string", variables=True),
    "stringnotequals": _Operator("string", negated=True, variables=True),
    "stringequalsignorecase": _Operator("fold", variables=True),
    "stringnotequalsignorecase": _Operator("fold", negated=True, variables=True),
    "stringlike": _Operator("like", variables=True),
    "stringnotlike": _Operator("like", negated=True, variables=True),
    "arnequals": _Operator("arn", variables=True),
    "arnlike": _Operator("arn", variables=True),
    "arnnotequals": _Operator("arn", negated=True, variables=True),
    "arnnotlike": _Operator("arn", negated=True, variables=True),
    "bool": _Operator("bool"),
    "binaryequals": _Operator("binary"),
    "ipaddress": _Operator("ip"),
    "notipaddress": _Operator("ip", negated=True),
    "null": _Operator("null"),
    **{f"numeric{name}": _Operator("numeric", name) for name in _COMPARISONS},
    "numericnotequals": _Operator("numeric", negated=True),
    **{f"date{name}": _Operator("date", name) for name in _COMPARISONS},
    "datenotequals": _Operator("date", negated=True),
}


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """One operator on one key."""

    operator: str
    """The operator as the policy spells it."""
    name: str
    """The condition key as the policy spells it."""
    key: str
    """The condition key in lower case."""
    values: tuple[str, ...]
    """The policy's values; one of them must match, or none of them for a negated operator."""
    family: str
    """``string``, ``fold`` (without case), ``like``, ``arn``, ``bool``, ``binary``, ``ip``, ``numeric``,
    ``date``, ``null``."""
    negated: bool
    """True for the Not operators."""
    if_exists: bool
    """True for the ``…IfExists`` operators: a missing key fulfils them, except under ``ForAnyValue``."""
    quantifier: str
    """``all``, ``any``, or empty for an operator on a single value."""
    comparison: str
    """For numbers and dates."""
    templates: tuple[Template, ...]
    """The values with their variables; empty when no value has any."""
    _one: Callable[[str], bool] | None = field(default=None)

    @property
    def undocumented(self) -> bool:
        """True when AWS does not document what a value matches: an ARN with wildcards but too few segments, or
        four digits, which are both a year and seconds since the epoch."""
        if self.family == "date":
            return any(map(is_year_or_seconds, self.values))
        return self.family == "arn" and any(
            each.wildcard and not each.variables and text.count(":") < ARN_COLONS
            for text, each in zip(self.values, self.templates, strict=True)
        )

    @property
    def dynamic(self) -> bool:
        """True when a value holds a policy variable."""
        return self._one is None

    def holds(self, value: Value, lookup: Lookup) -> bool:
        """Return whether the condition holds for ``value``; ``lookup`` resolves the policy's variables."""
        if self.family == "null":
            return any(text.lower() == ("true" if value is None else "false") for text in self.values)
        if value is None:
            # ForAnyValue requires one value that matches; an absent key has none, with IfExists too.
            return self.quantifier != "any" and (self.if_exists or self.quantifier == "all" or self.negated)
        one = self._one or _tester(self, _matchers(self, lookup))
        if not self.quantifier:
            # An operator on a single value never matches a list: AWS requires ForAnyValue or ForAllValues there.
            return isinstance(value, str) and one(value)
        values = (value,) if isinstance(value, str) else value
        return all(map(one, values)) if self.quantifier == "all" else any(map(one, values))

    def patterns(self, lookup: Lookup) -> tuple[Pattern, ...]:
        """Return the values as patterns; empty for families that do not compare text."""
        return tuple(
            each for each in (_as_pattern(self, text, lookup, at) for at, text in enumerate(self.values)) if each
        )

    @property
    def numbers(self) -> tuple[Decimal, ...]:
        """The values as numbers, or seconds since the epoch, where they are such."""
        read = {"numeric": number, "date": seconds}.get(self.family)
        return tuple(each for each in map(read, self.values) if each is not None) if read else ()

    @property
    def networks(self) -> tuple[IpNetwork, ...]:
        """The values as networks, where they are such."""
        return tuple(each for each in map(network, self.values) if each is not None) if self.family == "ip" else ()


def parse_conditions(value: Any, path: str, *, variables: bool) -> tuple[Condition, ...]:
    """Parse a Condition element; ``variables`` is whether the document's Version has policy variables.

    Raises GrammarError at the offending path.
    """
    if not isinstance(value, Mapping):
        raise GrammarError("not an object of operators", path=path)
    return tuple(
        _condition(operator, name, given, f"{path}.{operator}", variables=variables)
        for operator, tests in value.items()
        for name, given in _tests(tests, f"{path}.{operator}").items()
    )


def _tests(value: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise GrammarError("not an object of condition keys and their values", path=path)
    return value


def _condition(operator: str, name: str, given: Any, path: str, *, variables: bool) -> Condition:
    base, quantifier = operator.lower(), ""
    if ":" in base:
        prefix, _, base = base.partition(":")
        quantifier = _QUANTIFIERS.get(prefix, "?")
    if_exists = base.endswith(_IF_EXISTS)
    base = base.removesuffix(_IF_EXISTS)
    known = _OPERATORS.get(base)
    if known is None or quantifier == "?" or (if_exists and known.family == "null"):
        raise GrammarError(
            f"no condition operator: {operator!r}",
            path=path,
            code=PolicyErrorCode.UNKNOWN_OPERATOR,
        )
    if not name.strip():
        raise GrammarError("a condition key without a name", path=path)
    values = tuple(_text(each, f"{path}.{name}") for each in (given if isinstance(given, list) else [given]))
    wildcards = known.family in ("like", "arn")
    templates = tuple(template(text, variables=variables and known.variables, wildcards=wildcards) for text in values)
    dynamic = any(each.variables for each in templates)
    condition = Condition(
        operator,
        name,
        name.strip().lower(),
        values,
        known.family,
        known.negated,
        if_exists,
        quantifier,
        known.comparison,
        templates if known.variables else (),
    )
    if not dynamic:
        object.__setattr__(condition, "_one", _tester(condition, _matchers(condition, NO_VALUES)))
    return condition


def _text(value: Any, path: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Number):
        return value.text
    if isinstance(value, int | float):
        return str(value)
    raise GrammarError("not a string, number or boolean, nor a list of them", path=path)


def _tester(condition: Condition, matchers: list[Matcher]) -> Callable[[str], bool]:
    """Return the test of one value: one of the policy's values matches, or with a Not operator none of
    them does.

    What cannot be compared, such as an unresolved variable or an address that is none, fulfils neither.
    """
    if condition.family == "string" and not any(each.variables for each in condition.templates):
        texts = frozenset(as_text for as_text in map(_literal, condition.templates))
        return (lambda value: value not in texts) if condition.negated else texts.__contains__
    if condition.negated:
        return lambda value: all(matches(value) is False for matches in matchers)
    return lambda value: any(matches(value) for matches in matchers)


def _literal(of: Template) -> str:
    return "".join(part for part in of.parts if isinstance(part, str))


def _matchers(condition: Condition, lookup: Lookup) -> list[Matcher]:
    return [_matcher(condition, text, lookup, at) for at, text in enumerate(condition.values)]


def _never(_value: str) -> None:
    return None


def _matcher(condition: Condition, text: str, lookup: Lookup, at: int) -> Matcher:
    match condition.family:
        case "string" | "fold" | "like" | "arn" | "bool":
            wanted = _as_pattern(condition, text, lookup, at)
            if wanted is None:
                return _never
            return _text_matcher(condition.family, wanted)
        case "binary":
            return _comparing(_binary, _binary(text), lambda value, bound: value == bound)
        case "ip":
            return _comparing(network, network(text), _inside)
        case "numeric":
            return _comparing(number, number(text), _COMPARISONS[condition.comparison])
        case "date":
            return _comparing(seconds, seconds(text), _COMPARISONS[condition.comparison])
        case _:
            return _never


def _text_matcher(family: str, wanted: Pattern) -> Matcher:
    if family == "fold":
        folded = (wanted.literal or "").lower()
        return lambda value: value.lower() == folded
    if family == "arn":
        return lambda value: wanted.matches(value) if value.count(":") >= ARN_COLONS else None
    return wanted.matches


def _as_pattern(condition: Condition, text: str, lookup: Lookup, at: int) -> Pattern | None:
    """Return the texts that one value matches; None when it cannot be compared."""
    match condition.family:
        case "bool":
            return literal(text.lower(), fold=True) if text.lower() in ("true", "false") else None
        case "binary":
            return literal(text)
        case "string" | "fold" | "like" | "arn":
            tokens = condition.templates[at].resolve(lookup)
            if tokens is None:
                return None
            if condition.family == "arn":
                return arn_pattern(tokens)
            return Pattern(tokens, fold=condition.family == "fold")
        case _:
            return None


def _comparing(read: Callable[[str], Any], bound: Any, compare: Callable[[Any, Any], bool]) -> Matcher:
    if bound is None:
        return _never

    def matches(text: str) -> bool | None:
        value = read(text)
        return None if value is None else compare(value, bound)

    return matches


def _inside(value: IpNetwork, bound: IpNetwork) -> bool:
    if isinstance(value, IPv4Network):
        return isinstance(bound, IPv4Network) and value.subnet_of(bound)
    return isinstance(bound, IPv6Network) and value.subnet_of(bound)


def is_year_or_seconds(text: str) -> bool:
    """Return whether a date can be read as a year and as seconds since the epoch."""
    return _YEAR.match(text) is not None


@lru_cache(maxsize=4096)
def number(text: str) -> Decimal | None:
    """Read a number; None when it is none."""
    return Decimal(text.strip()) if _NUMBER.match(text.strip()) else None


@lru_cache(maxsize=4096)
def seconds(text: str) -> Decimal | None:
    """Read a date of ISO 8601, or seconds since the epoch, as seconds since the epoch; None when it is
    neither."""
    if _EPOCH.match(text):
        return Decimal(text)
    # A month is a date for W3C's profile of ISO 8601, not for the standard library.
    padded = f"{text}-01" if re.fullmatch(r"[0-9]{4}-[0-9]{2}", text) else text
    try:
        moment = datetime.fromisoformat(padded)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    difference = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return Decimal(difference.days * 86400 + difference.seconds) + Decimal(difference.microseconds) / 1_000_000


@lru_cache(maxsize=4096)
def network(text: str) -> IpNetwork | None:
    """Parse an address or a network in CIDR notation; a host with a prefix length is its network."""
    _, slash, length = text.strip().partition("/")
    if "%" in text or (slash and not length.isdecimal()):
        # A zone, or a mask in place of a length: Python reads them, IAM does not.
        return None
    try:
        return ip_network(text.strip(), strict=False)
    except ValueError:
        return None


def _binary(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
