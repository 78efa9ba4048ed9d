"""Policy variables: ``${aws:username}``, with a default, and the escapes ``${*}``, ``${?}`` and ``${$}``.

They are variables only in a document of Version 2012-10-17; otherwise they are literal text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from policies.language.wildcards import Token, Wildcard, wildcard_tokens

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_DEFAULT = re.compile(r"(.*?)\s*,\s*'(.*)'\s*\Z", re.DOTALL)
_ESCAPES = frozenset("*?$")

Lookup = Callable[[str], str | None]
"""Gives the value of a condition key in lower case, or None when the request has no single value for it."""

NO_VALUES: Lookup = dict[str, str]().get
"""The lookup of a request without any context."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A reference to a condition key of the request."""

    key: str
    """The condition key in lower case."""
    name: str
    """The condition key as the policy spells it."""
    default: str | None
    """The value when the request does not carry the key."""


Part = Token | Variable


@dataclass(frozen=True, slots=True)
class Template:
    """A policy string before its variables are replaced."""

    parts: tuple[Part, ...]
    """Literal strings, wildcards and variables in turn."""
    variables: tuple[Variable, ...]
    """The variables among the parts."""

    @property
    def wildcard(self) -> bool:
        """True when a part is a wildcard."""
        return any(isinstance(part, Wildcard) for part in self.parts)

    def resolve(self, lookup: Lookup) -> tuple[Token, ...] | None:
        """Replace the variables; None when one has neither value nor default."""
        tokens: list[Token] = []
        for part in self.parts:
            if isinstance(part, Variable):
                value = lookup(part.key)
                if value is None:
                    value = part.default
                if value is None:
                    return None
                if value:
                    tokens.append(value)
            else:
                tokens.append(part)
        return tuple(tokens)


@lru_cache(maxsize=8192)
def template(text: str, *, variables: bool, wildcards: bool) -> Template:
    """Split a policy string; ``variables`` is whether the document's Version has policy variables."""
    parts = tuple(_merged(_parts(text, variables=variables, wildcards=wildcards)))
    return Template(parts, tuple(part for part in parts if isinstance(part, Variable)))


def _parts(text: str, *, variables: bool, wildcards: bool) -> Iterator[Part]:
    position = 0
    for found in _VARIABLE.finditer(text) if variables else ():
        yield from _plain(text[position : found.start()], wildcards=wildcards)
        inner = found.group(1)
        if inner in _ESCAPES and inner:
            yield inner
        else:
            name, default = inner, None
            if with_default := _DEFAULT.match(inner):
                name, default = with_default.groups()
            yield Variable(name.strip().lower(), name.strip(), default)
        position = found.end()
    yield from _plain(text[position:], wildcards=wildcards)


def _plain(text: str, *, wildcards: bool) -> Iterator[Part]:
    if wildcards:
        yield from wildcard_tokens(text)
    elif text:
        yield text


def _merged(parts: Iterator[Part]) -> Iterator[Part]:
    """Join neighbouring literals, so that equal templates are equal values."""
    text = ""
    for part in parts:
        if isinstance(part, str):
            text += part
            continue
        if text:
            yield text
        text = ""
        yield part
    if text:
        yield text


def escape(text: str) -> str:
    """Write ``text`` so that a policy of Version 2012-10-17 takes every character of it literally."""
    return re.sub(r"[*?$]", lambda found: "${" + found.group() + "}" if found.group() in "*?" else _dollar(found), text)


def _dollar(found: re.Match[str]) -> str:
    # A dollar sign means nothing unless a brace follows; everything else stays readable.
    following = found.string[found.end() : found.end() + 1]
    return "${$}" if following == "{" else "$"
