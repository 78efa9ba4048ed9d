"""Cut the keys of a listing into ranges of about equal work. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from typing import Final, NamedTuple

from harvester.backfill.backfill_plan import KeySpan
from harvester.storage import ObjectRef

BYTES_PER_OBJECT: Final = 256 * 1024
"""So many bytes count as much as one object."""
_MOST_SAMPLES: Final = 200_000


class _Sample(NamedTuple):
    """Objects that follow each other in a listing."""

    last: str
    objects: int
    bytes: int

    @property
    def work(self) -> float:
        return self.objects + self.bytes / BYTES_PER_OBJECT


class KeyHistogram:
    """Where the objects of a listing lie among its keys, in bounded memory.

    Up to 200,000 objects each is known; of more, runs of neighbours. Pages may come in any order.
    """

    def __init__(self, most_samples: int = _MOST_SAMPLES) -> None:
        """Start empty."""
        self._most = most_samples
        self._run = 1
        self._samples: list[_Sample] = []

    def add(self, page: Iterable[ObjectRef]) -> None:
        """Add objects that follow each other in byte order of their keys."""
        refs = list(page)
        for begin in range(0, len(refs), self._run):
            run = refs[begin : begin + self._run]
            self._samples.append(_Sample(run[-1].key, len(run), sum(ref.size for ref in run)))
        while len(self._samples) > self._most:
            self._merge()

    @property
    def objects(self) -> int:
        """How many objects were added."""
        return sum(sample.objects for sample in self._samples)

    def spans(self, count: int) -> tuple[KeySpan, ...]:
        """Return at most ``count`` ranges that together hold every possible key, each with about as much work."""
        samples = sorted(self._samples)
        total = sum(sample.work for sample in samples)
        groups: list[list[_Sample]] = [[]]
        for sample, done in zip(samples, accumulate((each.work for each in samples), initial=0.0), strict=False):
            # A range begins where its share of the work does, and has an object at least.
            if groups[-1] and len(groups) < count and done >= total * len(groups) / count:
                groups.append([])
            groups[-1].append(sample)
        ends = [group[-1].last for group in groups[:-1]]
        return tuple(
            KeySpan(after, through, sum(each.objects for each in group), sum(each.bytes for each in group))
            for after, through, group in zip(["", *ends], [*ends, None], groups, strict=True)
        )

    def _merge(self) -> None:
        """Halve the samples: neighbours become one."""
        samples = sorted(self._samples)
        self._run *= 2
        self._samples = [
            _Sample(pair[-1].last, sum(each.objects for each in pair), sum(each.bytes for each in pair))
            for pair in (samples[begin : begin + 2] for begin in range(0, len(samples), 2))
        ]
