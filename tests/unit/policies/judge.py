"""A direct, slow evaluator of resource policies, written from AWS's rules, to judge the product's by.

It shares no code with `policies`: documents are plain JSON values, patterns are matched by recursion, and
what AWS leaves undocumented yields every effect it could have. Rules: the IAM User Guide, "Policy
evaluation logic", "IAM JSON policy elements" and "Creating a condition with multiple keys or values".
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import product
from typing import Any

Context = Mapping[str, str | list[str]]


def effects(policy: Mapping[str, Any], principal: str, action: str, resource: str, context: Context) -> frozenset[str]:
    """Return every effect a fully known request may have: one, unless AWS leaves a rule undocumented."""
    # A key with an empty set of values counts as absent.
    lowered = {key.lower(): value for key, value in context.items() if value != []}
    variables = policy.get("Version") == "2012-10-17"
    matches = [
        (each["Effect"], tuple(_statement(each, f"{at}:", principal, action, resource, lowered, variables=variables)))
        for at, each in enumerate(listed(policy["Statement"]))
    ]
    undocumented = sorted({name for _, outcomes in matches for one in outcomes for name in one})
    found = set()
    for facts in product((False, True), repeat=len(undocumented)):
        known = dict(zip(undocumented, facts, strict=True))
        if sum(truth for name, truth in known.items() if name.startswith("canonical:")) > 1:
            continue  # one account has one canonical user
        matched = {effect for effect, outcomes in matches if any(_satisfied(one, known) for one in outcomes)}
        found.add("explicitly_denied" if "Deny" in matched else "allowed" if matched else "implicitly_denied")
    return frozenset(found)


def _satisfied(requirements: Mapping[str, bool], known: Mapping[str, bool]) -> bool:
    return all(known[name] is truth for name, truth in requirements.items())


def _statement(
    each: Mapping[str, Any],
    label: str,
    principal: str,
    action: str,
    resource: str,
    context: Context,
    *,
    variables: bool,
) -> Iterator[dict[str, bool]]:
    """Yield the sets of undocumented facts under each of which the statement matches; none if it cannot."""
    if not _action(each, action) or not _resource(each, resource, context, variables):
        return
    open_conditions: dict[str, bool] = {}
    for operator, keys in each.get("Condition", {}).items():
        for key, wanted in keys.items():
            result = _condition(operator, context.get(key.lower()), listed(wanted), context, variables)
            if result is False:
                return
            if result is None:
                open_conditions[f"{label}{operator}:{key}"] = True
    for one in _principal(each, principal):
        yield {**one, **open_conditions}


def listed(value: Any) -> list[Any]:
    """Return a value as a list."""
    return value if isinstance(value, list) else [value]


# Wildcards


@lru_cache(maxsize=200_000)
def wild(pattern: str, text: str) -> bool:
    """Return whether ``*`` and ``?`` in a pattern can stand for the text."""
    return glob(tuple(pattern), text)


@lru_cache(maxsize=200_000)
def glob(pattern: tuple[str, ...], text: str) -> bool:
    """As `wild`, of characters; ``literal:X`` is the character X itself."""
    reached = {0}
    for each in pattern:
        if each == "*":
            reached = set(range(min(reached), len(text) + 1)) if reached else set()
        else:
            wanted = each.removeprefix("literal:") if each.startswith("literal:") else each
            any_one = each == "?"
            reached = {at + 1 for at in reached if at < len(text) and (any_one or text[at] == wanted)}
    return len(text) in reached


# Variables


def substituted(text: str, context: Context, *, variables: bool, wildcards: bool) -> tuple[str, ...] | None:
    """Return the characters of a text with its variables replaced; None when one has no value."""
    out: list[str] = []
    position = 0
    for found in re.finditer(r"\$\{([^}]*)\}", text) if variables else ():
        out += _characters(text[position : found.start()], wildcards=wildcards)
        position = found.end()
        inner = found.group(1)
        if inner in ("*", "?", "$"):
            out.append(f"literal:{inner}")
            continue
        name, _, default = inner.partition(",")
        value = context.get(name.strip().lower())
        if not isinstance(value, str):
            quoted = default.strip()
            if len(quoted) < 2 or quoted[0] != "'" or quoted[-1] != "'":
                return None
            value = quoted[1:-1]
        out += (f"literal:{character}" for character in value)
    return (*out, *_characters(text[position:], wildcards=wildcards))


def _characters(text: str, *, wildcards: bool) -> Iterator[str]:
    for each in text:
        yield each if wildcards and each in "*?" else f"literal:{each}"


# Principal, Action, Resource


def _principal(each: Mapping[str, Any], requester: str) -> Iterator[dict[str, bool]]:
    if "Principal" in each:
        named = _named_principals(each["Principal"])
        if any(_names(kind, one, requester) for kind, one in named):
            yield {}
        elif requester.startswith("arn:"):
            yield from ({f"canonical:{one}": True} for kind, one in named if kind == "CanonicalUser")
        return
    named = _named_principals(each["NotPrincipal"])
    canonical = {
        f"canonical:{one}": False for kind, one in named if kind == "CanonicalUser" and requester.startswith("arn:")
    }
    if ("AWS", "*") in named:
        return
    if each["Effect"] == "Allow" or not requester.startswith("arn:"):
        if not any(_names(kind, one, requester) for kind, one in named):
            yield canonical
        return
    account = requester.split(":")[4]
    required = [{account, f"arn:aws:iam::{account}:root"}]
    if not requester.endswith(":root"):
        required.append({requester})
    if ":assumed-role/" in requester:
        role = requester.split("/")[1]
        required.append(
            {one for _, one in named if one.startswith(f"arn:aws:iam::{account}:role/") and one.endswith(f"/{role}")}
        )
    found = [any(one in wanted for kind, one in named if kind == "AWS") for wanted in required]
    if all(found):
        return
    # AWS documents only that a partial list "might" deny.
    yield {**canonical, **({"partial NotPrincipal": True} if any(found) else {})}


def _named_principals(value: Any) -> list[tuple[str, str]]:
    if value == "*":
        return [("AWS", "*")]
    return [(kind, one) for kind, each in value.items() for one in listed(each)]


def _names(kind: str, named: str, requester: str) -> bool:
    if kind == "AWS":
        if named == "*":
            return True
        if not requester.startswith("arn:"):
            return False
        account = requester.split(":")[4]
        if named in (account, f"arn:{requester.split(':')[1]}:iam::{account}:root", requester):
            return True
        if ":assumed-role/" in requester and ":role/" in named:
            return named.split(":")[4] == account and named.rsplit("/", 1)[1] == requester.split("/")[1]
        return False
    return named == requester


def _action(each: Mapping[str, Any], action: str) -> bool:
    def matches(wanted: str) -> bool:
        if wanted == "*":
            return True
        if ":" not in wanted:
            return False
        return all(
            wild(one.lower(), other.lower())
            for one, other in zip(wanted.split(":", 1), action.split(":", 1), strict=True)
        )

    if "Action" in each:
        return any(map(matches, listed(each["Action"])))
    return not any(map(matches, listed(each["NotAction"])))


def _resource(each: Mapping[str, Any], resource: str, context: Context, variables: bool) -> bool:
    negated = "NotResource" in each
    patterns = [
        substituted(one, context, variables=variables, wildcards=True)
        for one in listed(each["NotResource" if negated else "Resource"])
    ]
    if any(one is not None and _arn(one, resource, complete=True) for one in patterns):
        return not negated
    # A variable without a value makes the statement not match, whichever element it stands in.
    return negated and None not in patterns


def _arn(pattern: tuple[str, ...], text: str, *, complete: bool = False) -> bool:
    """Compare six segments; with ``complete``, a resource pattern of fewer is completed with wildcards."""
    if complete and pattern == ("*",):
        return True
    segments: list[list[str]] = [[]]
    for each in pattern:
        if each == "literal::" and len(segments) < 6:
            segments.append([])
        else:
            segments[-1].append(each)
    wildcard = any(each in "*?" for segment in segments for each in segment)
    if len(segments) < 6:
        if not (complete and wildcard):
            return False
        segments += [["*"]] * (6 - len(segments))
    values = text.split(":", 5)
    return len(values) == 6 and all(
        glob(tuple(segment), value) for segment, value in zip(segments, values, strict=True)
    )


# Conditions


def _condition(
    operator: str, value: str | list[str] | None, wanted: Sequence[Any], context: Context, variables: bool
) -> bool | None:
    """Return whether a condition holds; None where AWS does not document it."""
    texts = [_json_text(each) for each in wanted]
    quantifier, _, base = operator.lower().rpartition(":")
    if base == "null":
        return any(each.lower() == ("true" if value is None else "false") for each in texts)
    if_exists = base.endswith("ifexists")
    base = base.removesuffix("ifexists")
    negated = "not" in base
    base = base.replace("not", "")
    if value is None:
        if quantifier == "foranyvalue":
            return False
        return if_exists or quantifier == "forallvalues" or negated
    if base in ("arnequals", "arnlike") and any(map(_is_short, texts)):
        return None

    def one(text: str) -> bool:
        compared = [_compare(base, text, each, context, variables) for each in texts]
        return all(each is False for each in compared) if negated else any(compared)

    if quantifier:
        values = listed(value)
        return all(map(one, values)) if quantifier == "forallvalues" else any(map(one, values))
    return isinstance(value, str) and one(value)


def short_arns(keys: Mapping[str, Any]) -> bool:
    """Return whether an ARN pattern with wildcards has too few segments: AWS does not document what it matches."""
    return any(_is_short(_json_text(each)) for wanted in keys.values() for each in listed(wanted))


def _is_short(text: str) -> bool:
    return ("*" in text or "?" in text) and text.count(":") < 5


def _json_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _compare(base: str, value: str, wanted: str, context: Context, variables: bool) -> bool | None:
    """Compare one value with one of the policy's; None when they cannot be compared."""
    if base in ("stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike"):
        like = base in ("stringlike", "arnequals", "arnlike")
        pattern = substituted(wanted, context, variables=variables, wildcards=like)
        if pattern is None:
            return None
        if base.startswith("arn"):
            long_enough = value.count(":") >= 5 and sum(each == "literal::" for each in pattern) >= 5
            return _arn(pattern, value) if long_enough else None
        if base == "stringlike":
            return glob(pattern, value)
        text = "".join(each.removeprefix("literal:") for each in pattern)
        return text.lower() == value.lower() if base.endswith("case") else text == value
    if base == "bool":
        both = (value.lower(), wanted.lower())
        return both[0] == both[1] if set(both) <= {"true", "false"} else None
    if base == "binaryequals":
        left, right = _bytes(value), _bytes(wanted)
        return None if left is None or right is None else left == right
    if base == "ipaddress":
        inner, outer = _network(value), _network(wanted)
        if inner is None or outer is None:
            return None
        return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]
    family = "numeric" if base.startswith("numeric") else "date"
    number, bound = _number(value, family), _number(wanted, family)
    if number is None or bound is None:
        return None
    return {
        "equals": number == bound,
        "lessthan": number < bound,
        "lessthanequals": number <= bound,
        "greaterthan": number > bound,
        "greaterthanequals": number >= bound,
    }[base.removeprefix(family)]


def _bytes(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return None


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _number(text: str, family: str) -> Fraction | None:
    if re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", text):
        return Fraction(text)
    if family == "numeric":
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return Fraction((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
