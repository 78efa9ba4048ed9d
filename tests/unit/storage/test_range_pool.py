"""Ranges of a listing, walked page by page in turns: what they hold, what they cost, and where they may be cut."""

from __future__ import annotations

import random
import threading
import uuid
from bisect import bisect_left, bisect_right
from collections import deque
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.destination.paths import SortedClaims
from harvester.storage.base import PAGE_KEYS, ObjectRef
from harvester.storage.range_pool import ListedRange, RangePool
from harvester.storage.range_splitting import KeyAlphabet, choose_cut, nests, parent_folders, separates_paths

WALKERS = 8


class Walk(NamedTuple):
    """How a listing went."""

    ranges: list[list[str]]
    """The keys of each range, by start of the range."""
    requests: int
    """Pages and lists of folders asked for."""
    turns: int
    """Requests one after the other, where eight may be under way."""


class Bucket:
    """Keys, listed from anywhere."""

    def __init__(self, keys: list[str], page_keys: int) -> None:
        self.keys = sorted(keys)
        self.page_keys = page_keys
        self.folder_requests = 0

    def page(self, start: str, *, inclusive: bool) -> tuple[list[ObjectRef], bool]:
        first = (bisect_left if inclusive else bisect_right)(self.keys, start)
        keys = self.keys[first : first + self.page_keys]
        return [ObjectRef(key, 1, "e", 0.0) for key in keys], first + self.page_keys >= len(self.keys)

    def folders(self, parent: str) -> list[str]:
        self.folder_requests += 1
        below = [key for key in self.keys if key.startswith(parent) and "/" in key[len(parent) :]]
        return sorted({key[: key.index("/", len(parent)) + 1] for key in below})[: self.page_keys]


def walk(keys: list[str], prefix: str, page_keys: int = PAGE_KEYS) -> Walk:
    """List all keys below a prefix; each walker takes one page a turn."""
    bucket = Bucket([prefix + key for key in keys], page_keys)
    pool = RangePool(prefix, bucket.folders)
    listed: dict[str, list[str]] = {}
    walking: deque[tuple[ListedRange, list[ObjectRef], bool]] = deque()
    pages = turns = 0

    def ask(walked: ListedRange) -> None:
        nonlocal pages
        pages += 1
        listed.setdefault(walked.start, [])
        position = walked.last if walked.keys else walked.start
        walking.append((walked, *bucket.page(position, inclusive=not walked.keys)))

    ask(pool.first)
    while walking:
        turns += 1
        for _ in range(len(walking)):
            walked, page, last = walking.popleft()
            refs, ended = pool.advance(walked, page)
            listed[walked.start] += [ref.key for ref in refs]
            if ended or last:
                pool.finish(walked)
            else:
                ask(walked)
        while walking and len(walking) < WALKERS and (added := pool.take(wait=False)) is not None:
            ask(added)
    assert pool.take() is None
    ordered = [listed[start] for start in sorted(listed)]
    return Walk(ordered, pages + bucket.folder_requests, turns + bucket.folder_requests)


def keys_of(layout: str, count: int, seed: int) -> list[str]:
    source = random.Random(seed)
    names = [f"{uuid.UUID(int=source.getrandbits(128))}.json" for _ in range(count)]
    match layout:
        case "uuid":
            return names
        case "date":
            return [f"2026/11/{source.randint(1, 30):02d}/{name}" for name in names]
        case "counter":
            return [f"product_{number}.json" for number in range(count)]
        case "partition":
            return [f"dt=2026-11-{source.randint(1, 30):02d}/hour={source.randint(0, 23)}/{name}" for name in names]
        case _:
            return [f"{source.choice(['amazon', 'ebay', 'target', 'walmart'])}/{name}" for name in names]


LAYOUTS = ["uuid", "date", "counter", "partition", "site"]


@pytest.mark.parametrize(("layout", "speed"), [("uuid", 5), ("date", 3), ("counter", 4)])
@pytest.mark.parametrize("count", [40_000, 43_210])
def test_forty_pages_take_a_third_of_the_turns(layout: str, speed: int, count: int) -> None:
    went = walk(keys_of(layout, count, count), "results/")
    pages = -(-count // PAGE_KEYS)

    assert went.turns * speed <= pages
    assert went.requests <= pages + 8


@pytest.mark.parametrize("layout", ["uuid", "date", "counter"])
def test_two_hundred_pages_take_a_quarter_of_the_turns(layout: str) -> None:
    went = walk(keys_of(layout, 200_000, 1), "")

    assert went.turns * 4 <= 200
    assert went.requests <= 220


def test_ranges_that_turn_out_empty_keep_the_bound() -> None:
    bucket = Bucket(keys_of("uuid", 100_000, 1), PAGE_KEYS)
    pool = RangePool("", bucket.folders)
    pool.advance(pool.first, bucket.page("", inclusive=True)[0])
    requests = 0

    while empty := list(iter(lambda: pool.take(wait=False), None)):
        requests += len(empty)
        for each in empty:
            pool.advance(each, [])
            pool.finish(each)

    # The page that ends the first range may be the eighth.
    assert requests == 7


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("count", [900, 1_000, 2_500, 9_000, 20_000, 100_000, 150_000, 199_000, 300_000])
def test_what_ranges_cost_is_bounded(layout: str, count: int) -> None:
    went = walk(keys_of(layout, count, 7), "results/")
    pages = -(-count // PAGE_KEYS)

    assert went.requests <= pages + (8 if pages < 200 else pages // 10)
    assert sum(map(len, went.ranges)) == count


pieces = st.sampled_from(["a", "b", "0", "1", "/", "-", ".", ".gz", "~", "\u00e9", "x/", "1/", "10"])
some_keys = st.lists(st.lists(pieces, min_size=1, max_size=5).map("".join), min_size=1, max_size=60, unique=True)


@given(some_keys, st.sampled_from(["", "p/", "p"]), st.integers(1, 4))
def test_every_key_is_listed_once_and_in_order(keys: list[str], prefix: str, page_keys: int) -> None:
    went = walk(keys, prefix, page_keys)

    assert [key for held in went.ranges for key in held] == sorted(prefix + key for key in keys)


def claimed(keys: list[str], claims: SortedClaims) -> list[tuple[str, bool]]:
    return [(key, claims.claim(key, key.removesuffix(".gz"))) for key in keys]


@given(some_keys, st.integers(1, 4))
def test_no_path_collides_across_a_cut(keys: list[str], page_keys: int) -> None:
    keys = [key for key in keys if not key.startswith("/")]
    ranges = walk(keys, "", page_keys).ranges

    apart = [found for held in ranges for found in claimed(held, SortedClaims())]

    assert apart == claimed(sorted(keys), SortedClaims())


def test_a_cut_does_not_part_a_path_from_what_lies_below_it() -> None:
    # "a" and "a.gz" would be the file "a"; "a/b" makes it a folder.
    assert not separates_paths("a/c", "Z", 0)
    assert separates_paths("a/c", "a/b", 0)
    assert not separates_paths("a/c", "a.b", 0)
    assert not separates_paths("a-c", "Z", 0)
    assert separates_paths("a-c", "a-b", 0)
    assert separates_paths("ab", "Z", 0)
    assert separates_paths("p/a", "Z", 2)
    assert nests(["a", "a/b"])
    assert nests(["a.gz", "a/b"])
    assert not nests(["a", "b", "c/d"])


def test_the_first_character_of_random_names_may_not_have_varied_yet() -> None:
    alphabet = KeyAlphabet()
    names = sorted(keys_of("uuid", 40_000, 1))[:1000]
    alphabet.learn(names[::50])

    assert choose_cut(alphabet, names[0], names[-1], None, listed=names[-1]) == "8"


def test_nothing_is_cut_while_another_thread_lists_the_folders() -> None:
    bucket = Bucket(keys_of("date", 40_000, 1), PAGE_KEYS)
    asked, answer = threading.Event(), threading.Event()

    def folders(parent: str) -> list[str]:
        asked.set()
        assert answer.wait(10)
        return bucket.folders(parent)

    pool = RangePool("", folders)
    pool.advance(pool.first, bucket.page("", inclusive=True)[0])
    taken: list[ListedRange | None] = []
    other = threading.Thread(target=lambda: taken.append(pool.take()))
    other.start()
    assert asked.wait(10)

    assert pool.take(wait=False) is None

    answer.set()
    other.join()
    second = pool.take(wait=False)
    assert [taken[0] and taken[0].start, second and second.start] == ["2026/11/16", "2026/11/09"]


def test_an_error_while_folders_are_listed_leaves_the_next_ones_to_others() -> None:
    def folders(parent: str) -> list[str]:
        raise ConnectionError(parent)

    bucket = Bucket(keys_of("date", 40_000, 1), PAGE_KEYS)
    pool = RangePool("", folders)
    pool.advance(pool.first, bucket.page("", inclusive=True)[0])
    for parent in ("2026/11/", "2026/", ""):
        with pytest.raises(ConnectionError, match=f"^{parent}$"):
            pool.take()


def test_folders_smaller_than_a_page_are_no_ranges() -> None:
    many = [f"r/{number}/a.json" for number in range(20)]
    few = [f"r/2026/11/0{1 + number // 10}/{number}.json" for number in range(20)]

    assert parent_folders(many, 2) == []
    assert parent_folders(few, 2) == ["r/2026/11/", "r/2026/", "r/"]
    assert parent_folders(["r/a.json"], 2) == []
