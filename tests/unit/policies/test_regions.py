"""The regions of wildcard patterns, compared with every short text."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest

from policies.language.wildcards import (
    Pattern,
    StateLimitError,
    Token,
    Wildcard,
    arn_pattern,
    group_regions,
    literal,
    pattern,
    regions,
    wildcard_tokens,
)

# x is the first character that stands for all those no pattern mentions.
TEXTS = ["".join(letters) for length in range(5) for letters in product("ab:xA", repeat=length)]
LETTERS = ("a", "b", ":", "A")
IN_SEGMENT: tuple[Token, ...] = (*LETTERS, Wildcard.ONE_IN_SEGMENT, Wildcard.RUN_IN_SEGMENT)
ANYWHERE: tuple[Token, ...] = (*LETTERS, Wildcard.ONE, Wildcard.RUN)


def matches(tokens: tuple[Token, ...], text: str, *, fold: bool) -> bool:
    """Match by the definition of each token."""
    if not tokens:
        return not text
    head, rest = tokens[0], tokens[1:]
    if isinstance(head, str):
        same = text[:1].lower() == head.lower() if fold else text[:1] == head
        return bool(text) and same and matches(rest, text[1:], fold=fold)
    allowed = text[:1] != ":" or head in (Wildcard.ONE, Wildcard.RUN)
    one_less = bool(text) and allowed
    if head in (Wildcard.ONE, Wildcard.ONE_IN_SEGMENT):
        return one_less and matches(rest, text[1:], fold=fold)
    return matches(rest, text, fold=fold) or (one_less and matches(tokens, text[1:], fold=fold))


def draw(random: Random) -> Pattern:
    # As in an ARN: wildcards of the first segments stand before those of the last.
    start = random.choices(IN_SEGMENT, k=random.randrange(4))
    return Pattern((*start, *random.choices(ANYWHERE, k=random.randrange(4))), fold=random.random() < 0.2)


@pytest.mark.parametrize("seed", range(12))
def test_regions_are_those_of_every_short_text(seed: int) -> None:
    random = Random(seed)
    for _ in range(12):
        drawn = [draw(random) for _ in range(random.choice((1, 2, 2, 3)))]
        shortest: dict[frozenset[int], int] = {}
        for text in TEXTS:
            matched = set()
            for place, each in enumerate(drawn):
                expected = matches(each.tokens, text, fold=each.fold)
                assert each.matches(text) is expected, (each, text)
                matched |= {place} if expected else set()
            shortest.setdefault(frozenset(matched), len(text))
        found = list(regions(drawn))
        assert len({region.matched for region in found}) == len(found)
        for region in found:
            by_definition = [matches(one.tokens, region.example, fold=one.fold) for one in drawn]
            assert region.matched == {at for at, is_matched in enumerate(by_definition) if is_matched}
            assert shortest.get(region.matched, len(region.example)) == len(region.example)
        assert shortest.keys() <= {region.matched for region in found}
        within = {region.matched for region in group_regions([[one] for one in drawn[1:]], drawn[:1])}
        assert within == {frozenset(at - 1 for at in region.matched if at) for region in found if 0 in region.matched}


def test_the_limit_counts_the_states_that_are_visited() -> None:
    chain = [pattern("abc")]
    assert len(list(regions(chain, limit=6))) == 2
    with pytest.raises(StateLimitError):
        list(regions(chain, limit=4))


def test_a_character_that_no_pattern_mentions_is_found() -> None:
    letters = pattern("xyzabcdefghijklmnopqrstuvw0123456789")
    (other,) = (each for each in regions([letters, pattern("?")]) if each.matched == {1})
    assert len(other.example) == 1
    assert other.example not in str(letters)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", []),
        ("*", [Wildcard.RUN]),
        ("a*?b", ["a", Wildcard.RUN, Wildcard.ONE, "b"]),
        ("??", [Wildcard.ONE, Wildcard.ONE]),
    ],
)
def test_tokens(text: str, tokens: list[Token]) -> None:
    assert list(wildcard_tokens(text)) == tokens
    assert str(pattern(text)) == text


def test_the_only_text_of_a_pattern() -> None:
    assert pattern("ab").literal == "ab"
    assert literal("").literal == ""
    assert pattern("a*").literal is None
    assert Pattern(("a", "b")).literal == "ab"


def test_wildcards_reach_into_the_next_segment_from_the_sixth_on() -> None:
    run, within = Wildcard.RUN, Wildcard.RUN_IN_SEGMENT
    assert arn_pattern(wildcard_tokens("arn:*:s3:*:*:b*")) == Pattern(
        ("arn:", within, ":s3:", within, ":", within, ":b", run)
    )
    assert arn_pattern(wildcard_tokens("arn:aws:s3::?:?")) == Pattern(
        ("arn:aws:s3::", Wildcard.ONE_IN_SEGMENT, ":", Wildcard.ONE)
    )
    assert str(arn_pattern(wildcard_tokens("arn:*:s3:*:?:b*?"))) == "arn:*:s3:*:?:b*?"
    assert arn_pattern(wildcard_tokens("arn:aws:s3:::")) is not None
    assert arn_pattern(wildcard_tokens("arn:aws:s3::")) is None
