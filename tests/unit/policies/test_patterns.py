"""Patterns as languages, checked against an independent library."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

import pytest
from greenery import parse as greenery_parse
from hypothesis import example, given, settings
from hypothesis import strategies as st

from policies.language.wildcards import (
    Pattern,
    StateLimitError,
    Wildcard,
    arn_pattern,
    covers,
    group_regions,
    intersects,
    left_over,
    literal,
    matcher,
    pattern,
    regions,
    shared_text,
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


_tokens = st.lists(st.sampled_from([*Wildcard, "a", "b", ":", "a:"]), max_size=6).map(tuple)
_PLAIN = {Wildcard.ONE: ".", Wildcard.RUN: ".*", Wildcard.ONE_IN_SEGMENT: "[^:]", Wildcard.RUN_IN_SEGMENT: "[^:]*"}


def _plain(tokens: Sequence[Wildcard | str]) -> str:
    return "".join(_PLAIN[each] if isinstance(each, Wildcard) else re.escape(each) for each in tokens)


@given(_tokens, st.text("ab:", max_size=7))
@example((Wildcard.RUN, "a", Wildcard.RUN_IN_SEGMENT, ":b"), "a:xa:b")
@example((Wildcard.RUN_IN_SEGMENT, Wildcard.ONE, Wildcard.RUN_IN_SEGMENT), "ab:c")
@example((Wildcard.RUN, Wildcard.RUN_IN_SEGMENT, ":"), ":a:")
@settings(max_examples=400)
def test_wildcards_of_every_order_match_as_their_plain_translation(tokens: tuple[Wildcard | str], word: str) -> None:
    matched = re.fullmatch(_plain(tokens), word, re.DOTALL) is not None
    of_tokens = Pattern(tokens)
    assert of_tokens.matches(word) is matched
    assert intersects(of_tokens, literal(word)) is matched


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
@settings(max_examples=60)
def test_what_is_left_over_is_matched_by_the_one_and_none_of_the_others(covered: str, covering: list[str]) -> None:
    example = left_over(pattern(covered), [pattern(each) for each in covering])
    machine = _greenery(covered)
    for each in covering:
        machine = machine.difference(_greenery(each))
    assert (example is None) is machine.empty()
    if example is not None:
        assert pattern(covered).matches(example)
        assert not any(pattern(each).matches(example) for each in covering)


@given(st.lists(_texts, max_size=3), _texts)
@settings(max_examples=60)
def test_a_shared_text_is_matched_by_both(patterns: list[str], within: str) -> None:
    found = shared_text([pattern(each) for each in patterns], pattern(within))
    machines = [_greenery(each) & _greenery(within) for each in patterns]
    assert (found is None) is all(each.empty() for each in machines)
    if found is not None:
        assert pattern(within).matches(found)
        assert any(pattern(each).matches(found) for each in patterns)


@given(st.lists(st.lists(_texts, max_size=3), max_size=3), _texts, _words)
def test_every_text_is_in_one_of_the_regions_of_groups(groups: list[list[str]], within: str, word: str) -> None:
    compiled = [[pattern(each) for each in group] for group in groups]
    found = {each.matched: each.example for each in group_regions(compiled, [pattern(within)])}

    def matched(text: str) -> frozenset[int]:
        return frozenset(at for at, group in enumerate(compiled) if any(each.matches(text) for each in group))

    for region, shortest in found.items():
        assert pattern(within).matches(shortest)
        assert matched(shortest) == region
    if pattern(within).matches(word):
        assert matched(word) in found


def test_examples_are_shortest_and_come_in_order() -> None:
    found = [each.example for each in regions([pattern("ab*"), pattern("a?c")])]
    assert found == sorted(found, key=len)
    assert {len(each) for each in found} == {0, 2, 3}
    assert left_over(pattern("a*"), [pattern("a"), pattern("a?")]) == "axx"


def test_where_a_group_matches_whatever_follows_it_is_followed_once() -> None:
    everything = pattern("arn:aws:s3:::bkt/*")
    overlapping = [pattern(f"*{first}{second}*") for first in string.ascii_lowercase for second in "xyz"]
    found = list(group_regions([[everything, *overlapping]], [pattern("arn:aws:s3:::bkt/?*")], limit=60))
    assert [(each.matched, each.example) for each in found] == [(frozenset({0}), "arn:aws:s3:::bkt/0")]
    with pytest.raises(StateLimitError):
        list(regions([everything, *overlapping], [pattern("arn:aws:s3:::bkt/?*")], limit=60))


def test_texts_after_which_a_group_matches_whatever_follows_can_be_left_out() -> None:
    every = {each.example: each.matched for each in regions([pattern("a*")], absorbed=False)}
    assert every == {"": frozenset()}


@given(_texts, _texts)
@settings(max_examples=40)
def test_intersection_agrees_with_greenery(one: str, other: str) -> None:
    assert intersects(pattern(one), pattern(other)) is not (_greenery(one) & _greenery(other)).empty()


@given(st.lists(_texts, max_size=4), _words)
def test_every_text_is_in_one_of_the_regions(texts: list[str], word: str) -> None:
    patterns = [pattern(each) for each in texts]
    found = {region.matched: region.example for region in regions(patterns)}
    for matched, shortest in found.items():
        assert matched == {at for at, each in enumerate(patterns) if each.matches(shortest)}
    assert frozenset(at for at, each in enumerate(patterns) if each.matches(word)) in found


_segment = st.text("a*?", min_size=1, max_size=3)
_part = st.text("ab", max_size=2)


@st.composite
def _arn_and_text(draw: st.DrawFn) -> tuple[str, str]:
    """Draw an ARN pattern, and a text that replaces its wildcards, changed in one segment half of the time."""
    wanted = draw(st.lists(_segment, min_size=6, max_size=8))
    texts = [
        "".join(draw(_part) if each == "*" else draw(st.sampled_from("ab")) if each == "?" else each for each in one)
        for one in wanted
    ]
    if draw(st.booleans()):
        at = draw(st.integers(0, len(texts) - 1))
        texts[at] = draw(st.sampled_from([texts[at] + "b", texts[at][1:], f"{texts[at]}:", "b"]))
    return ":".join(wanted), ":".join(texts)


def _segments_match(wanted: str, text: str) -> bool:
    parts, values = wanted.split(":", 5), text.split(":", 5)
    return all(re.fullmatch(_reference(part), value, re.DOTALL) for part, value in zip(parts, values, strict=True))


@given(_arn_and_text())
@settings(max_examples=300)
def test_an_arn_is_compared_segment_by_segment(drawn: tuple[str, str]) -> None:
    wanted, text = drawn
    found = arn_pattern(wildcard_tokens(wanted))
    assert found is not None
    assert found.matches(text) is _segments_match(wanted, text)
    assert any(region.matched for region in regions([found], [literal(text)])) is _segments_match(wanted, text)


def test_the_arns_drawn_match_often() -> None:
    matches = list[bool]()

    @given(_arn_and_text())
    @settings(max_examples=300)
    def draw(drawn: tuple[str, str]) -> None:
        matches.append(_segments_match(*drawn))

    draw()
    share = sum(matches) / len(matches)
    assert 0.2 < share < 0.95, f"{share:.0%} of {len(matches)} pairs match"


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


def test_one_hundred_patterns_are_distinguished_at_once() -> None:
    patterns = [pattern(f"arn:aws:s3:::bkt/*-{number}.json") for number in range(100)]
    found = list(regions(patterns, [pattern("arn:aws:s3:::bkt/*")]))
    assert len(found) == 101


def test_too_many_combinations_are_refused() -> None:
    patterns = [pattern(f"*{a}{b}*") for a in string.ascii_lowercase for b in "xyz"]
    with pytest.raises(StateLimitError):
        list(regions(patterns))


def test_a_pattern_reads_as_it_was_written() -> None:
    assert str(Pattern(("a", Wildcard.RUN_IN_SEGMENT, ":", Wildcard.ONE))) == "a*:?"
    assert str(Pattern(("a", *Wildcard))) == "a?*?*"
    assert pattern("a*").literal is None
    assert pattern("ab").literal == "ab"


def test_matching_does_not_backtrack() -> None:
    assert not pattern("*a" * 40 + "b").matches("a" * 5000)


def test_case_matters_where_it_is_not_folded() -> None:
    assert literal("aB").matches("aB")
    assert not literal("aB").matches("ab")
    assert not pattern("a*B").matches("ab")
