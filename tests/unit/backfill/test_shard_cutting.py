"""Ranges of a listing: together every possible key, each with about as much work, in bounded memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harvester.backfill.backfill_plan import KeySpan
from harvester.backfill.shard_cutting import BYTES_PER_OBJECT, KeyHistogram
from harvester.storage import KeyRange, ObjectRef

KEYS = st.sets(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4), max_size=60)


def refs(keys: list[str], size: int = 10) -> list[ObjectRef]:
    return [ObjectRef(key, size, "e", 0.0) for key in keys]


def holders(spans: tuple[KeySpan, ...], key: str) -> int:
    return sum(KeyRange(span.after, span.through).holds(key) for span in spans)


@given(
    listed=KEYS, asked=KEYS, count=st.integers(1, 12), most=st.integers(2, 300), page=st.integers(1, 20), data=st.data()
)
def test_every_key_is_in_one_range(
    listed: set[str], asked: set[str], count: int, most: int, page: int, data: st.DataObject
) -> None:
    histogram = KeyHistogram(most)
    ordered = sorted(listed)
    pages = [ordered[begin : begin + page] for begin in range(0, len(ordered), page)]
    for keys in data.draw(st.permutations(pages)):
        histogram.add(refs(keys))
    spans = histogram.spans(count)
    assert 1 <= len(spans) <= count
    assert all(holders(spans, key) == 1 for key in listed | asked)
    assert sum(span.objects for span in spans) == len(listed)
    assert sum(span.bytes for span in spans) == 10 * len(listed)
    if len(listed) <= most:
        # Exact: what is counted in a range is what it holds.
        assert [span.objects for span in spans] == [
            sum(KeyRange(span.after, span.through).holds(key) for key in listed) for span in spans
        ]
        assert len(spans) == max(1, min(count, len(listed)))


def test_ranges_have_about_as_many_objects() -> None:
    histogram = KeyHistogram()
    histogram.add(refs([f"{number:04d}" for number in range(1000)]))
    assert {span.objects for span in histogram.spans(8)} == {125}


def test_a_large_object_counts_as_many() -> None:
    histogram = KeyHistogram()
    histogram.add(refs(["a"], size=4 * BYTES_PER_OBJECT) + refs([f"b{number}" for number in range(10)], size=0))
    assert [span.objects for span in histogram.spans(3)] == [1, 5, 5]


def test_memory_is_bounded_and_ranges_stay_even() -> None:
    histogram = KeyHistogram(100)
    for begin in range(0, 10_000, 100):
        histogram.add(refs([f"{number:05d}" for number in range(begin, begin + 100)]))
        assert len(histogram._samples) <= 100
    assert all(500 <= span.objects <= 2000 for span in histogram.spans(10))


def test_a_listing_without_objects_is_one_range() -> None:
    assert KeyHistogram().spans(5) == (KeySpan(),)
