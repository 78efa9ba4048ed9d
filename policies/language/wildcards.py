"""IAM wildcard patterns as the regular languages they are.

``*`` is any run of characters, ``?`` any one. Because such languages are regular, it is decidable whether
some patterns together cover another, and which text they leave over. Every question is one question: of
some groups of patterns, which combinations does some text match? The automata of all patterns run at
once, one bit per position in a pattern, so that a step over a hundred patterns is three operations on one
integer.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache


class Wildcard(Enum):
    """What represents characters that are not given."""

    ONE = "?"
    """Any one character."""
    RUN = "*"
    """Any run of characters, also none."""
    ONE_IN_SEGMENT = "?:"
    """Any one character but a colon."""
    RUN_IN_SEGMENT = "*:"
    """Any run of characters without a colon."""


Token = str | Wildcard
_ONES = (Wildcard.ONE, Wildcard.ONE_IN_SEGMENT)
_RUNS = (Wildcard.RUN, Wildcard.RUN_IN_SEGMENT)
_REGEX = {
    Wildcard.ONE: ".",
    Wildcard.RUN: ".*",
    Wildcard.ONE_IN_SEGMENT: "[^:]",
    Wildcard.RUN_IN_SEGMENT: "[^:]*",
}
_SEGMENTS = 6
"""An ARN's segments: arn, partition, service, region, account, resource."""
STATES = 10_000
"""The default limit on the states that are visited."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern: literal strings and wildcards in turn."""

    tokens: tuple[Token, ...]
    """Literal strings and wildcards, in order."""
    fold: bool = False
    """True when case does not matter."""

    @property
    def literal(self) -> str | None:
        """The only text the pattern matches (up to case, if folded), or None when it has wildcards."""
        texts = [token for token in self.tokens if isinstance(token, str)]
        return "".join(texts) if len(texts) == len(self.tokens) else None

    def matches(self, text: str) -> bool:
        """Return whether the pattern matches the whole of ``text``."""
        return _regex(self).fullmatch(text) is not None

    def __str__(self) -> str:
        """Return the pattern as a policy writes it."""
        return "".join(token if isinstance(token, str) else token.value[0] for token in self.tokens)


def matcher(patterns: Sequence[Pattern]) -> Callable[[str], object]:
    """Compile ``patterns`` into one test of whether any of them matches a text."""
    if not patterns:
        return lambda _text: None
    sources = (_regex_source(each.tokens) for each in patterns)
    return re.compile("|".join(f"(?:{source})" for source in sources), re.DOTALL).fullmatch


class StateLimitError(Exception):
    """The automata have more states than the limit; nothing was decided."""


@lru_cache(maxsize=4096)
def pattern(text: str) -> Pattern:
    """Return the pattern of ``text``, in which ``*`` and ``?`` are wildcards."""
    return Pattern(tuple(wildcard_tokens(text)))


def literal(text: str, *, fold: bool = False) -> Pattern:
    """Return the pattern that matches ``text`` alone; with ``fold``, in any case."""
    return Pattern((text,) if text else (), fold)


def wildcard_tokens(text: str) -> Iterator[Token]:
    """Split ``text`` at its wildcards."""
    for part in re.split(r"([*?])", text):
        if part == "*":
            yield Wildcard.RUN
        elif part == "?":
            yield Wildcard.ONE
        elif part:
            yield part


def arn_pattern(tokens: Iterable[Token]) -> Pattern | None:
    """Return the pattern that compares an ARN segment by segment; None when it has fewer than six
    segments.

    A wildcard in one of the first five segments never reaches into the next; in the sixth it spans
    everything.
    """
    segment, result = 1, list[Token]()
    for token in tokens:
        if isinstance(token, str):
            segment += token.count(":")
            result.append(token)
        elif segment >= _SEGMENTS:
            result.append(token)
        else:
            result.append(Wildcard.ONE_IN_SEGMENT if token in _ONES else Wildcard.RUN_IN_SEGMENT)
    return Pattern(tuple(result)) if segment >= _SEGMENTS else None


@lru_cache(maxsize=8192)
def _regex(of: Pattern) -> re.Pattern[str]:
    """Translate into a regular expression in which each run ends at its first match wherever that decides."""
    return re.compile(_regex_source(of.tokens), re.DOTALL | (re.IGNORECASE if of.fold else 0))


def _regex_source(tokens: Sequence[Token]) -> str:
    source, chunk, run = "", "", ""
    crosses = False  # whether what matches the run and its chunk may end in several segments
    for token in tokens:
        if isinstance(token, Wildcard) and token in _RUNS:
            source += _after_run(run, chunk, atomic=token is Wildcard.RUN or not crosses)
            run, chunk, crosses = _REGEX[token], "", token is Wildcard.RUN
        else:
            chunk += re.escape(token) if isinstance(token, str) else _REGEX[token]
            crosses = crosses or token is Wildcard.ONE
    # The last run reaches to the end of the text, so it may be greedy.
    return source + run + chunk


def _after_run(run: str, chunk: str, *, atomic: bool) -> str:
    """Translate a run and its chunk; ``atomic`` where the next run matches all that a later end would skip."""
    if not run or not chunk:
        return (run and f"{run}?") + chunk
    return f"(?>{run}?{chunk})" if atomic else f"{run}?{chunk}"


@dataclass(frozen=True, slots=True)
class Region:
    """Texts that match the same of some groups of patterns."""

    matched: frozenset[int]
    """The indices of the groups of which a pattern matches."""
    example: str
    """A shortest text of the region."""


def _candidates() -> Iterator[str]:
    """Yield characters, the printable ones first."""
    yield from "xyzabcdefghijklmnopqrstuvw0123456789"
    yield from map(chr, range(0xE000, 0xF8FF))


class _Automata:
    """The automata of several patterns, run at once; a set of states is one integer."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self.any_one = self.any_one_but_colon = self.loop = self.loop_but_colon = self.start = 0
        self.characters: dict[str, int] = {":": 0}
        self.accepting: list[int] = []
        self.bits: list[int] = []
        position = 0
        for each in patterns:
            first = position
            self.start |= 1 << position
            for token in each.tokens:
                position = self._add(token, position, fold=each.fold)
            self.accepting.append(1 << position)
            position += 1
            self.bits.append((1 << position) - (1 << first))
        self.other = self._unmentioned()

    def _add(self, token: Token, position: int, *, fold: bool) -> int:
        if isinstance(token, str):
            for character in token:
                for variant in {character, character.lower(), character.upper()} if fold else (character,):
                    if len(variant) == 1:
                        self.characters[variant] = self.characters.get(variant, 0) | 1 << position
                position += 1
            return position
        bit = 1 << position
        if token is Wildcard.RUN:
            self.loop |= bit
            self.loop_but_colon |= bit
        elif token is Wildcard.RUN_IN_SEGMENT:
            self.loop_but_colon |= bit
        else:
            self.any_one_but_colon |= bit
            self.any_one |= bit if token is Wildcard.ONE else 0
            position += 1
        return position

    def _unmentioned(self) -> str:
        """Return a character that no pattern mentions; it represents all of them."""
        return next(each for each in _candidates() if each not in self.characters)

    def steps(self, states: int) -> Iterator[tuple[str, int]]:
        """Yield the character and the states after it, for one character of each kind."""
        looping = states & self.loop_but_colon
        moving = states & self.any_one_but_colon
        yield self.other, (moving << 1) | looping
        for character, mask in self.characters.items():
            if character == ":":
                yield ":", ((states & (mask | self.any_one)) << 1) | (states & self.loop)
            elif states & mask & ~moving:
                yield character, ((states & (mask | self.any_one_but_colon)) << 1) | looping


def regions(
    patterns: Sequence[Pattern],
    within: Sequence[Pattern] = (),
    *,
    limit: int = STATES,
    absorbed: bool = True,
) -> Iterator[Region]:
    """Yield every combination of ``patterns`` that some text matches; see `group_regions`."""
    yield from group_regions([(each,) for each in patterns], within, limit=limit, absorbed=absorbed)


def group_regions(
    groups: Sequence[Sequence[Pattern]],
    within: Sequence[Pattern] = (),
    *,
    limit: int = STATES,
    absorbed: bool = True,
) -> Iterator[Region]:
    """Yield every combination of ``groups`` that some text matches, each once, shortest example first.

    A group is matched when one of its patterns is. With ``within``, only texts matched by one of those are
    considered; without ``absorbed``, no text after whose start a group matches whatever follows. Raises
    StateLimitError after ``limit`` states.
    """
    automata = _Automata([*(each for group in groups for each in group), *within])
    states_of, accepting_of = list[int](), list[int]()
    position = 0
    for group in groups:
        states_of.append(sum(automata.bits[position : position + len(group)]))
        accepting_of.append(sum(automata.accepting[position : position + len(group)]))
        position += len(group)
    inside = sum(automata.bits[position:])
    inside_accepting = sum(automata.accepting[position:])
    # Where a pattern has ended in "*", its group matches whatever follows.
    final = [accepting & automata.loop for accepting in accepting_of]
    every_final = sum(final)

    def merge(states: int) -> int:
        """Keep one state of a group that matches whatever follows: the others make no difference."""
        if states & every_final:
            for own, ended in zip(states_of, final, strict=True):
                if reached := states & ended:
                    states = states & ~own | reached & -reached
        return states

    start = merge(automata.start)
    seen, found = {start}, set[frozenset[int]]()
    waiting = deque([(start, "")])
    while waiting:
        states, text = waiting.popleft()
        if not within or states & inside_accepting:
            matched = frozenset(at for at, accepting in enumerate(accepting_of) if states & accepting)
            if matched not in found:
                found.add(matched)
                yield Region(matched, text)
        for character, stepped in automata.steps(states):
            after = merge(stepped)
            if after in seen or (within and not after & inside) or (not absorbed and after & every_final):
                continue
            if len(seen) >= limit:
                raise StateLimitError
            seen.add(after)
            waiting.append((after, text + character))


def left_over(covered: Pattern, covering: Sequence[Pattern]) -> str | None:
    """Return a shortest text that ``covered`` matches and none of ``covering`` does, or None.

    Raises StateLimitError when that could not be decided.
    """
    found = group_regions([covering], (covered,), absorbed=False)
    return next((each.example for each in found if not each.matched), None)


def covers(covering: Sequence[Pattern], covered: Pattern) -> bool:
    """Return whether every text ``covered`` matches is matched by one of ``covering``."""
    return left_over(covered, covering) is None


def intersects(one: Pattern, other: Pattern) -> bool:
    """Return whether some text matches both."""
    return shared_text((one,), other) is not None


def shared_text(patterns: Sequence[Pattern], within: Pattern) -> str | None:
    """Return a shortest text that ``within`` matches and one of ``patterns`` does, or None.

    Raises StateLimitError when that could not be decided.
    """
    return next((each.example for each in group_regions([patterns], (within,)) if each.matched), None)
