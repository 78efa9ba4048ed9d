"""The conditions of Cloud Storage bindings: the part of CEL that decides about object names and time.

Read are ``&&``, ``||``, ``!``, parentheses, comparisons of ``resource.name``, ``resource.type``, ``resource.service``
and ``request.time``, ``in`` with a list of texts, ``startsWith`` and ``endsWith``, and ``resource.name.extract``.
Any other test is kept as text and its result is unknown. Source: the page "Attribute reference for IAM
Conditions", 2026-11.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from policies.language import Pattern, Wildcard, literal

OBJECT_TYPE = "storage.googleapis.com/Object"
SERVICE = "storage.googleapis.com"
_TOKEN = re.compile(
    r"""(?:\s|//[^\n]*+)*+(?:(?P<text>[rR]"{3}.*?"{3}|[rR]'{3}.*?'{3}|[rR]"[^"]*"|[rR]'[^']*'"""
    r"""|"{3}(?:\\.|[^\\])*?"{3}|'{3}(?:\\.|[^\\])*?'{3}|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(?P<operator>&&|\|\||[<>=!]=|[!<>().,?:+\-*/%\[\]{}])"""
    r"""|(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<number>[0-9][0-9.A-Za-z]*))""",
    re.DOTALL,
)
_OTHER_ESCAPE = re.compile(r"""(?<!\\)(?:\\\\)*\\[^\\"'`?]""")
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})\Z"
)
_REST = re.compile(r"(?:\s|//[^\n]*+)*+\Z")
"""White space and comments at the end."""
_NAME = ("resource", ".", "name")
_EXTRACT = (*_NAME, ".", "extract", "(")
_TEMPLATE = re.compile(r"([^{}]*)\{[A-Za-z_][A-Za-z0-9_]*\}([^{}]*)\Z")
_KNOWN = {"resource.type": OBJECT_TYPE, "resource.service": SERVICE}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
"""The comparison with its sides exchanged."""
_TIME = ("request", ".", "time")
_MAX_DEPTH = 50


@dataclass(frozen=True, slots=True)
class NameTest:
    """A comparison of the object's name with a pattern."""

    pattern: Pattern
    """The names that pass."""
    negated: bool
    """True when the others pass."""


@dataclass(frozen=True, slots=True)
class TimeTest:
    """A comparison of the time of the request."""

    comparison: str
    """``<``, ``<=``, ``>``, ``>=``, ``==`` or ``!=``."""
    moment: datetime
    """The time compared with."""


@dataclass(frozen=True, slots=True)
class KnownTest:
    """A comparison with a known result."""

    result: bool
    """The result."""


@dataclass(frozen=True, slots=True)
class OtherTest:
    """A test that is not evaluated."""

    text: str
    """The test as it was written."""


@dataclass(frozen=True, slots=True)
class Negation:
    """``!``."""

    operand: Expression
    """What is negated."""


@dataclass(frozen=True, slots=True)
class Combination:
    """``&&`` or ``||``."""

    conjunction: bool
    """True for ``&&``."""
    operands: tuple[Expression, ...]
    """What is combined."""


Expression = NameTest | TimeTest | KnownTest | OtherTest | Negation | Combination


def parse_expression(text: str, *, head: str = "") -> Expression:
    """Parse a condition; what is not understood becomes an `OtherTest`.

    ``head`` is the text that every name in question starts with.
    """
    tokens = list(_tokens(text))
    if "" in tokens:
        return OtherTest(text)
    parser = _Parser(tokens, head)
    try:
        parsed = parser.alternatives(0)
    except _SyntaxError:
        return OtherTest(text)
    return parsed if parser.at == len(tokens) else OtherTest(text)


_BRACKETS = {")": "(", "]": "[", "}": "{"}
_METHODS = {"startswith": "startsWith", "endswith": "endsWith", "gethours": "getHours", "matchtag": "matchTag"}
"""Methods that are often written with other capitals."""


def syntax_problem(text: str) -> str:
    """Return why a text is no expression of CEL, in words; empty where that is not certain."""
    tokens = list(_tokens(text))
    if not tokens:
        return "is empty"
    if "" in tokens:
        return "has a text that is not closed, or a character that CEL does not have"
    opened: list[str] = []
    for token in tokens:
        if token in _BRACKETS.values():
            opened.append(token)
        elif token in _BRACKETS and (not opened or opened.pop() != _BRACKETS[token]):
            return f"closes {token} where none is open"
    if opened:
        return f"does not close {opened[-1]}"
    if tokens[0] in ("&&", "||") or tokens[-1] in ("&&", "||", "!", "==", "!=", "."):
        return f"has nothing beside {tokens[0] if tokens[0] in ('&&', '||') else tokens[-1]}"
    for dot, name, opening in zip(tokens, tokens[1:], tokens[2:], strict=False):
        meant = _METHODS.get(name.lower(), name)
        if dot == "." and opening == "(" and meant != name:
            return f"calls {name}; {meant} is meant"
    return ""


def single_tests(expression: Expression) -> Iterator[NameTest | TimeTest | KnownTest | OtherTest]:
    """Yield every single test of an expression."""
    if isinstance(expression, Negation):
        yield from single_tests(expression.operand)
    elif isinstance(expression, Combination):
        for each in expression.operands:
            yield from single_tests(each)
    else:
        yield expression


def holds(expression: Expression, name: str, at: datetime | None) -> bool | None:
    """Return whether an expression is true for an object name and a time; None when unknown."""
    if isinstance(expression, NameTest):
        return expression.pattern.matches(name) is not expression.negated
    if isinstance(expression, TimeTest):
        return None if at is None else _compare(expression, at)
    if isinstance(expression, KnownTest):
        return expression.result
    if isinstance(expression, OtherTest):
        return None
    if isinstance(expression, Negation):
        negated = holds(expression.operand, name, at)
        return None if negated is None else not negated
    results = {holds(each, name, at) for each in expression.operands}
    decisive = not expression.conjunction
    if decisive in results:
        return decisive
    return None if None in results else not decisive


def _compare(test: TimeTest, at: datetime) -> bool:
    return {
        "<": at < test.moment,
        "<=": at <= test.moment,
        ">": at > test.moment,
        ">=": at >= test.moment,
        "==": at == test.moment,
        "!=": at != test.moment,
    }[test.comparison]


class _SyntaxError(Exception):
    pass


def _tokens(text: str) -> Iterator[str]:
    """Yield the tokens; an empty one for what is none."""
    position = 0
    while not _REST.match(text, position):
        found = _TOKEN.match(text, position)
        if found is None:
            yield ""
            return
        yield found.group(found.lastgroup or 0)
        position = found.end()


class _Parser:
    def __init__(self, tokens: Sequence[str], head: str) -> None:
        self.tokens = tokens
        self.head = head
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, wanted: str) -> bool:
        found = self.peek() == wanted
        self.at += found
        return found

    def alternatives(self, depth: int) -> Expression:
        if depth > _MAX_DEPTH:
            raise _SyntaxError
        operands = [self.conjunction(depth)]
        while self.take("||"):
            operands.append(self.conjunction(depth))
        return operands[0] if len(operands) == 1 else Combination(conjunction=False, operands=tuple(operands))

    def conjunction(self, depth: int) -> Expression:
        operands = [self.unary(depth)]
        while self.take("&&"):
            operands.append(self.unary(depth))
        return operands[0] if len(operands) == 1 else Combination(conjunction=True, operands=tuple(operands))

    def unary(self, depth: int) -> Expression:
        if self.take("!"):
            if depth > _MAX_DEPTH:
                raise _SyntaxError
            return Negation(self.unary(depth + 1))
        start = self.at
        if self.take("("):
            inner = self.alternatives(depth + 1)
            if self.take(")") and self.peek() in ("&&", "||", ")", ""):
                return inner
            self.at = start
        return self.test()

    def test(self) -> Expression:
        start, nested = self.at, 0
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if nested == 0 and token in ("&&", "||", ")", "?"):
                break
            nested += (token in ("(", "[", "{")) - (token in (")", "]", "}"))
            self.at += 1
        if self.at == start or nested or self.peek() == "?":
            raise _SyntaxError
        tokens = self.tokens[start : self.at]
        return _extracting_test(tokens, self.head) or _test(tokens)


def _extracting_test(tokens: Sequence[str], head: str) -> Expression | None:
    """Return the test of a part of the name, as ``resource.name.extract("…{x}…")`` gives it; None for any other."""
    if len(tokens) < len(_EXTRACT) + 4 or tuple(tokens[: len(_EXTRACT)]) != _EXTRACT:
        return None
    template, closing, *compared = tokens[len(_EXTRACT) :]
    found = _TEMPLATE.match(_text(template) or "")
    if found is None or closing != ")":
        return None
    if len(compared) == 2 and compared[0] in ("==", "!="):
        return _part_test(head, found, _text(compared[1]), whole=True, negated=compared[0] == "!=")
    if len(compared) == 5 and compared[:3] == [".", "startsWith", "("] and compared[4] == ")":
        return _part_test(head, found, _text(compared[3]), whole=False, negated=False)
    return None


def _part_test(
    head: str, template: re.Match[str], wanted: str | None, *, whole: bool, negated: bool
) -> NameTest | KnownTest | None:
    """Return the test of the text after the first ``before`` and up to the next ``after`` of a template."""
    before, after = template.groups()
    at = head.find(before)
    if at < 0 or not wanted:
        return None
    start = at + len(before)
    end = head.find(after, start) if after else -1
    if end >= 0:
        known = head[start:end]
        return KnownTest((known == wanted if whole else known.startswith(wanted)) is not negated)
    if len(after) > 1:
        # It could begin inside the text that is wanted.
        return None
    if after and after in wanted:
        return KnownTest(negated)
    text = literal(head[:start] + wanted).tokens
    rest = (*literal(after).tokens, Wildcard.RUN) if after else ()
    tokens = (*text, *rest) if whole else (*text, Wildcard.RUN, *rest)
    return NameTest(Pattern(tokens), negated=negated)


def _test(tokens: Sequence[str]) -> Expression:
    *left, operator, right = tokens if len(tokens) >= len(_NAME) + 2 else (*tokens, "", "")
    value = _text(right)
    part = _text(operator)
    known = _KNOWN.get("".join(tokens[: len(_NAME)]))
    called = _called_test("".join(left), known, part) if part is not None and right == ")" else None
    if called is not None:
        return called
    if operator in ("==", "!=") and value is not None and len(left) == len(_NAME) and left[0] == "resource":
        negated = operator == "!="
        if left[2] == "name":
            return NameTest(literal(value), negated=negated)
        if known is not None:
            return KnownTest((value == known) is not negated)
    if value is None and len(tokens) == len(_NAME) + 2 and tokens[1] in ("==", "!=") and _text(tokens[0]) is not None:
        return _test([*tokens[2:], tokens[1], tokens[0]])
    listed = _listed(tokens[len(_NAME) :])
    if listed:
        return Combination(
            conjunction=False, operands=tuple(_test([*tokens[: len(_NAME)], "==", each]) for each in listed)
        )
    if list(tokens) in (["true"], ["false"]):
        return KnownTest(tokens[0] == "true")
    moment = _moment(tokens[len(_TIME) + 1 :])
    if tuple(tokens[: len(_TIME)]) == _TIME and moment is not None and tokens[len(_TIME)] in _TURNED:
        return TimeTest(tokens[len(_TIME)], moment)
    moment = _moment(tokens[:4])
    if moment is not None and tuple(tokens[5:]) == _TIME and tokens[4] in _TURNED:
        return TimeTest(_TURNED[tokens[4]], moment)
    return OtherTest(_joined(tokens))


def _called_test(called: str, known: str | None, part: str) -> NameTest | KnownTest | None:
    """Return the test of ``startsWith`` or ``endsWith`` on an attribute; None for any other function."""
    attribute, _, function = called.rpartition(".")
    if function not in ("startsWith(", "endsWith("):
        return None
    begins = function == "startsWith("
    if attribute == "resource.name":
        text = literal(part).tokens
        return NameTest(Pattern((*text, Wildcard.RUN) if begins else (Wildcard.RUN, *text)), negated=False)
    if known is None or attribute not in _KNOWN:
        return None
    return KnownTest(known.startswith(part) if begins else known.endswith(part))


def _listed(tokens: Sequence[str]) -> Sequence[str]:
    """Return the tokens of the texts in ``in ["…", "…"]``; empty for anything else."""
    if len(tokens) < 4 or list(tokens[:2]) != ["in", "["] or tokens[-1] != "]":  # in, bracket, one text, bracket
        return ()
    texts, commas = tokens[2:-1:2], tokens[3:-1:2]
    is_list = len(tokens) % 2 == 0 and set(commas) <= {","} and all(_text(each) is not None for each in texts)
    return texts if is_list else ()


def _joined(tokens: Sequence[str]) -> str:
    """Return tokens as people write them: no space around a dot, or inside a parenthesis."""
    text, last = "", ""
    for token in tokens:
        close = token in (".", "(", ")", "[", "]", ",") or last in ("", ".", "(", "[", "!")
        text += token if close else f" {token}"
        last = token
    return text


def _text(token: str) -> str | None:
    """Return the value of a string literal; None for another token, and for escapes that are not read."""
    raw = token[:1] in ("r", "R")
    quoted = token[raw:]
    if len(quoted) < 2 or quoted[0] not in "\"'" or quoted[-1] != quoted[0]:  # two quotes
        return None
    width = 3 if len(quoted) >= 6 and quoted[:3] == quoted[0] * 3 else 1  # three quotes at both ends
    inner = quoted[width:-width]
    if raw:
        return inner
    return None if _OTHER_ESCAPE.search(inner) else re.sub(r"\\(.)", r"\1", inner)


def _moment(tokens: Sequence[str]) -> datetime | None:
    """Return the time of ``timestamp("…")`` in UTC; None for anything else.

    CEL reads RFC 3339: a day without a time, or a time without a zone, is none.
    """
    if len(tokens) != 4 or tokens[0] != "timestamp" or tokens[1] != "(" or tokens[3] != ")":
        return None
    text = (_text(tokens[2]) or "").upper()
    if not _TIMESTAMP.match(text):
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
