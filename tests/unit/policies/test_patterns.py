"""Patterns as languages, checked against an independent library."""

from __future__ import annotations

import re
import string

import pytest
from greenery import parse as greenery_parse
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.language.wildcards import (
    Pattern,
    StateLimitError,
    Wildcard,
    arn_pattern,
    covers,
    intersects,
    left_over,
    literal,
    matcher,
    pattern,
    regions,
    wildcard_tokens,
)

_texts = st.text("ab:/*?", max_size=7)
_words = st.text("abc:/", max_size=9)


def _reference(text: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(each, re.escape(each)) for each in text)


def _greenery(text: str):  # type: ignore[no-untyped-def]  # greenery's machines publish no types
    return greenery_parse("".join({"*": ".*", "?": "."}.get(each, each) for each in text)).to_fsm()


@given(_texts, _words)
def test_matches_as_the_plain_translation_does(text: str, word: str) -> None:
    assert pattern(text).matches(word) is (re.fullmatch(_reference(text), word, re.DOTALL) is not None)


@given(st.lists(_texts, max_size=4), _words)
def test_a_matcher_of_several_matches_if_one_does(texts: list[str], word: str) -> None:
    patterns = [pattern(each) for each in texts]
    assert (matcher(patterns)(word) is not None) is any(each.matches(word) for each in patterns)


@given(_texts, st.lists(_texts, max_size=3))
@settings(max_examples=40)
def test_covering_agrees_with_greenery(covered: str, covering: list[str]) -> None:
    machine = _greenery(covered)
    for each in covering:
        machine = machine.difference(_greenery(each))
    assert covers([pattern(each) for each in covering], pattern(covered)) is machine.empty()


@given(_texts, st.lists(_texts, max_size=3))
def test_what_is_left_over_is_matched_by_the_one_and_none_of_the_others(covered: str, covering: list[str]) -> None:
    example = left_over(pattern(covered), [pattern(each) for each in covering])
    if example is not None:
        assert pattern(covered).matches(example)
        assert not any(pattern(each).matches(example) for each in covering)


@given(_texts, _texts)
@settings(max_examples=40)
def test_intersection_agrees_with_greenery(one: str, other: str) -> None:
    assert intersects(pattern(one), pattern(other)) is not (_greenery(one) & _greenery(other)).empty()


@given(st.lists(_texts, max_size=4), _words)
def test_every_text_is_in_one_of_the_regions(texts: list[str], word: str) -> None:
    patterns = [pattern(each) for each in texts]
    found = {region.matched: region.example for region in regions(patterns)}
    for matched, example in found.items():
        assert matched == {at for at, each in enumerate(patterns) if each.matches(example)}
    assert frozenset(at for at, each in enumerate(patterns) if each.matches(word)) in found


_segment = st.text("a*?", min_size=1, max_size=3)


@given(st.lists(_segment, min_size=6, max_size=8), st.lists(st.text("ab", max_size=3), min_size=6, max_size=8))
def test_an_arn_is_compared_segment_by_segment(wanted: list[str], given_segments: list[str]) -> None:
    found = arn_pattern(wildcard_tokens(":".join(wanted)))
    assert found is not None
    text = ":".join(given_segments)
    parts, values = ":".join(wanted).split(":", 5), text.split(":", 5)
    expected = all(re.fullmatch(_reference(part), value, re.DOTALL) for part, value in zip(parts, values, strict=True))
    assert found.matches(text) is expected
    assert any(region.matched for region in regions([found], [literal(text)])) is expected


def test_an_arn_of_fewer_segments_is_none() -> None:
    assert arn_pattern(wildcard_tokens("arn:aws:s3:::")) is not None
    assert arn_pattern(wildcard_tokens("arn:aws:s3::")) is None


def test_a_folded_literal_knows_no_case() -> None:
    folded = literal("Vpce-1", fold=True)
    assert folded.matches("VPCE-1")
    found = {
        region.example for region in regions([folded, literal("vpce-1"), literal("VPCE-1")]) if 0 in region.matched
    }
    assert {"vpce-1", "VPCE-1"} < found
    assert len(found) == 3, "some third spelling is neither of the two"
    assert {region.example for region in regions([literal("ß", fold=True)]) if region.matched} == {"ß"}


def test_one_hundred_patterns_are_told_apart_at_once() -> None:
    patterns = [pattern(f"arn:aws:s3:::bkt/*-{number}.json") for number in range(100)]
    found = list(regions(patterns, [pattern("arn:aws:s3:::bkt/*")]))
    assert len(found) == 101


def test_too_many_combinations_are_refused() -> None:
    patterns = [pattern(f"*{a}{b}*") for a in string.ascii_lowercase for b in "xyz"]
    with pytest.raises(StateLimitError):
        list(regions(patterns))


def test_a_pattern_reads_as_it_was_written() -> None:
    assert str(Pattern(("a", Wildcard.RUN_IN_SEGMENT, ":", Wildcard.ONE))) == "a*:?"
    assert pattern("a*").literal is None
    assert pattern("ab").literal == "ab"


def test_matching_does_not_backtrack() -> None:
    assert not pattern("*a" * 40 + "b").matches("a" * 5000)
