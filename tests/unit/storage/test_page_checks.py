"""Pages of a listing are checked: prefix, order, progress, range."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.storage.base import ListPage, ObjectRef, RefusedObject
from harvester.storage.page_checks import (
    InvalidListingError,
    PageChecker,
    ParsedPage,
    UnorderedListingError,
    checked_size,
)

keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4)


def ref(key: str) -> ObjectRef:
    return ObjectRef(key, 1, "e", 0.0)


def parsed(*listed: str, token: str | None = None) -> ParsedPage:
    return ParsedPage([ref(key) for key in listed], [], token, token is not None)


def kept(page: ListPage) -> list[str]:
    return [found.key for found in page.objects]


def checker(prefix: str = "r/", start: str = "", end: str | None = None, *, ordered: bool = True) -> PageChecker:
    return PageChecker(prefix, start, end, ordered=ordered)


@given(st.sets(keys), st.integers(1, 5), keys | st.just(""), keys | st.none())
def test_a_range_of_an_honest_listing_is_what_lies_between_its_bounds(
    listed: set[str], length: int, start: str, end: str | None
) -> None:
    names = sorted(listed)
    check = checker("", start, end)
    found: list[str] = []
    for number in range(0, len(names), length):
        found += kept(check.check(parsed(*names[number : number + length], token=str(number))))
        if check.ended:
            break
    assert found == [name for name in names if name >= start and (end is None or name < end)]


@given(st.lists(st.lists(keys, max_size=4), max_size=4))
def test_whatever_is_not_strictly_rising_is_noticed(pages: list[list[str]]) -> None:
    flat = [key for page in pages for key in page]
    check = checker("")
    lost: UnorderedListingError | None = None
    for number, page in enumerate(pages):
        try:
            check.check(parsed(*page, token=str(number)))
        except UnorderedListingError as error:
            lost = error
            break
    if all(before < key for before, key in pairwise(flat)):
        assert lost is None
    else:
        assert lost is not None
        assert lost.key <= lost.before


@given(st.lists(keys, min_size=1), st.text(max_size=2))
def test_keys_outside_the_prefix_are_refused_each_and_the_others_kept(listed: list[str], prefix: str) -> None:
    inside = [key for key in listed if key.startswith(prefix)]
    check = checker(prefix, ordered=False)
    if not inside:
        with pytest.raises(InvalidListingError):
            check.check(parsed(*listed))
        return
    page = check.check(parsed(*listed))
    assert kept(page) == inside
    assert page.refused == [RefusedObject(key, "outside_prefix") for key in listed if not key.startswith(prefix)]


def test_the_order_of_keys_outside_the_prefix_does_not_matter() -> None:
    page = checker().check(parsed("z", "r/a", "a", "r/b", "q"))
    assert kept(page) == ["r/a", "r/b"]
    assert [refused.key for refused in page.refused] == ["z", "a", "q"]


def test_what_a_parser_has_refused_stays_refused() -> None:
    refused = RefusedObject("r/x", "invalid_size")
    page = checker().check(ParsedPage([ref("r/a"), ref("s")], [refused], None, truncated=False))
    assert page == ListPage([ref("r/a")], [refused, RefusedObject("s", "outside_prefix")])
    assert checker().check(ParsedPage([], [refused], None, truncated=False)) == ListPage([], [refused])


@pytest.mark.parametrize("ordered", [True, False])
def test_the_same_token_twice_is_no_progress(*, ordered: bool) -> None:
    check = checker(ordered=ordered)
    check.check(parsed("r/a", token="T"))
    with pytest.raises(InvalidListingError, match="same continuation token"):
        check.check(parsed("r/b", token="T"))


def test_without_order_a_page_that_comes_again_is_no_progress() -> None:
    check = checker(ordered=False)
    check.check(parsed("r/b", "r/a", token="1"))
    check.check(parsed("r/a", "r/b", token="2"))
    check.check(parsed("r/b", "r/c", "r/a", token="3"))
    with pytest.raises(InvalidListingError, match="same page"):
        check.check(parsed("r/b", "r/a", token="4"))


@pytest.mark.parametrize("ordered", [True, False])
def test_a_thousand_empty_pages_are_no_progress(*, ordered: bool) -> None:
    check = checker(ordered=ordered)
    for number in range(1000):
        assert check.check(parsed(token=f"a{number}")) == ListPage([], [])
    check.check(parsed("r/a", token="between"))
    for number in range(1000):
        check.check(parsed(token=f"b{number}"))
    with pytest.raises(InvalidListingError, match="empty pages"):
        check.check(parsed(token="last"))


def test_without_order_a_range_is_filtered_and_never_ends_early() -> None:
    check = checker(start="r/b", end="r/d", ordered=False)
    assert kept(check.check(parsed("r/z", "r/c", "r/a", token="1"))) == ["r/c"]
    assert not check.ended
    assert kept(check.check(parsed("r/b", "r/d"))) == ["r/b"]
    assert check.last_key == "r/d"


def test_an_ordered_range_ends_with_the_first_key_that_is_not_in_it() -> None:
    check = checker(start="r/b", end="r/d")
    assert kept(check.check(parsed("r/a", "r/b", "r/c", token="1"))) == ["r/b", "r/c"]
    assert not check.ended
    assert check.last_key == "r/c"
    assert kept(check.check(parsed("r/d", token="2"))) == []
    assert check.ended


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("5", 5), (str(2**63 - 1), 2**63 - 1), (str(2**63), None), ("1" * 20, None), ("-1", None), ("²", None)],
)
def test_a_size_has_63_bits(text: str, size: int | None) -> None:
    assert checked_size(text) == size
