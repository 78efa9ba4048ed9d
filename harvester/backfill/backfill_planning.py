"""Plan a backfill: list the location once, count it, and cut its keys into shards."""

from __future__ import annotations

import select
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from secrets import token_hex
from typing import Final

from harvester.backfill.backfill_plan import (
    MAX_SHARDS,
    Backfill,
    BackfillPlan,
    ClassTotal,
    GivenKey,
    KeySpan,
    whole_microseconds,
)
from harvester.backfill.shard_cutting import KeyHistogram
from harvester.backfill.shards import until_cutoff
from harvester.backfill.stored_options import store_settings_document
from harvester.backfill.upload_cutoff import PlannedUploads, cutoff_before_listing, cutoff_before_uploads
from harvester.destination import CompiledSelection
from harvester.error_codes import ErrorCode
from harvester.errors import UsageError
from harvester.location import Location
from harvester.sessions import StoreSettings
from harvester.storage import (
    BackgroundListing,
    KeyList,
    KeySpool,
    ListedPage,
    ListingEnd,
    ListingFailed,
    ObjectRef,
    OrderLost,
    StoreTime,
    open_store,
)
from harvester.tables import ExportOptions
from harvester.transfer import SyncOptions

OBJECTS_PER_SHARD: Final = 20_000
"""Objects of a shard where the caller names no number of shards."""
DEFAULT_CLASS: Final = "STANDARD"
"""The class of objects for which the store names none."""


@dataclass(frozen=True, slots=True)
class BackfillOptions:
    """What a backfill is to do."""

    sync: SyncOptions = field(default_factory=SyncOptions)
    """How objects are landed: selection, validation, size limits."""
    export: ExportOptions = field(default_factory=ExportOptions)
    """How rows are written."""
    cutoff: float | None = None
    """Objects modified later are left to daily runs; seconds since the epoch. Where it is None or later than that, the
    store's time at the start of the plan, and on S3 before the uploads that are in progress then; of keys from an
    inventory 24 hours before that was begun."""
    parallelism: int = 0
    """How many shards are at work at once, at most; 0 for all."""
    max_rps: float | None = None
    """Requests for objects a second, of all shards together."""
    kms_max_rps: float | None = None
    """Requests a second that each need a decryption by KMS, of all shards together."""


class _Totals:
    """What a listing holds, of objects that belong to the backfill."""

    def __init__(self, location: Location, selection: CompiledSelection) -> None:
        self._location = location
        self._selection = selection
        self.ignored: Counter[str] = Counter()
        self._objects: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()

    def wanted(self, refs: list[ObjectRef]) -> list[ObjectRef]:
        """Count objects and return those that are wanted."""
        wanted = []
        for ref in refs:
            refusal = self._selection.refusal(self._location.relative(ref.key), ref.last_modified)
            if refusal:
                self.ignored[refusal] += 1
                continue
            name = ref.storage_class or DEFAULT_CLASS
            self._objects[name] += 1
            self._bytes[name] += ref.size
            wanted.append(ref)
        return wanted

    @property
    def storage_classes(self) -> dict[str, ClassTotal]:
        """Objects and bytes by storage class."""
        return {name: ClassTotal(count, self._bytes[name]) for name, count in sorted(self._objects.items())}


def _cutoff(
    location: Location, settings: StoreSettings, given: float | None, begun_at: float | None
) -> tuple[float, PlannedUploads | None]:
    """Return the cutoff, and the uploads in progress where none is given; keys were listed from ``begun_at`` on.

    It is a time of the store's clock: that of this machine may be minutes ahead, and an object be of neither side.
    Returns when whatever is written or begun from now on is modified after it, after a second at most.
    """
    store = open_store(location, settings)
    now, resolution = store.now() or StoreTime.of_http(time.time())
    if given is not None and given < (now if begun_at is None else min(begun_at, now)):
        if given > now - resolution:
            time.sleep(resolution)
        return given, None
    time.sleep(resolution)
    uploads, cutoff = store.list_uploads(), now
    planned = None
    if uploads is not None:
        cutoff, planned = cutoff_before_uploads(uploads, now)
    return cutoff if begun_at is None else min(cutoff, cutoff_before_listing(begun_at)), planned


def plan_backfill(
    location: Location,
    count: int | None,
    options: BackfillOptions | None = None,
    *,
    keys: KeyList | None = None,
    settings: StoreSettings | None = None,
    listed: Callable[[int], None] = lambda _: None,
) -> BackfillPlan:
    """Return a plan of at most ``count`` shards of about equal work, None for 20,000 objects each; writes nothing.

    Shards are ranges of the keys of the location, or with ``keys`` lists, which the plan then holds. ``listed`` is
    called with the number of objects listed so far. Raises UsageError for options that a backfill cannot have or a
    store that does not list in byte order, and what listing raises.
    """
    options, settings = options or BackfillOptions(), settings or StoreSettings()
    _check(options, count)
    store_settings_document(settings)
    created_at = whole_microseconds(time.time())
    wanted, uploads = _cutoff(location, settings, options.cutoff, None if keys is None else keys.begun_at)
    cutoff = whole_microseconds(wanted)
    totals = _Totals(location, CompiledSelection(until_cutoff(options.sync.selection, cutoff)))
    if keys is not None:
        spans, lists = _cut_list(location, keys, count, totals, listed)
        return _plan(location, spans, totals, options, settings, cutoff, created_at, uploads, lists)
    histogram = KeyHistogram()
    seen = 0
    for refs in _listed_pages(location, settings):
        histogram.add(totals.wanted(refs))
        seen += len(refs)
        listed(seen)
    spans = histogram.spans(count or _usual_count(histogram.objects))
    return _plan(location, spans, totals, options, settings, cutoff, created_at, uploads)


def _plan(
    location: Location,
    spans: tuple[KeySpan, ...],
    totals: _Totals,
    options: BackfillOptions,
    settings: StoreSettings,
    cutoff: float,
    created_at: float,
    uploads: PlannedUploads | None,
    key_lists: tuple[tuple[GivenKey, ...], ...] | None = None,
) -> BackfillPlan:
    at_once = min(options.parallelism or len(spans), len(spans))
    limits = [limit for limit in (options.max_rps, options.kms_max_rps) if limit is not None]
    share = min(limits) / at_once if limits else None
    backfill = Backfill(
        id=token_hex(16),
        location=location,
        cutoff=cutoff,
        created_at=created_at,
        shard_count=len(spans),
        sync=options.sync,
        export=options.export,
        settings=replace(settings, profile=None, max_rps=share),
    )
    return BackfillPlan(
        backfill,
        spans,
        storage_classes=totals.storage_classes,
        ignored=dict(sorted(totals.ignored.items())),
        parallelism=at_once,
        max_rps=options.max_rps,
        kms_max_rps=options.kms_max_rps,
        key_lists=key_lists,
        uploads=uploads,
    )


def _cut_list(
    location: Location, keys: KeyList, count: int | None, totals: _Totals, listed: Callable[[int], None]
) -> tuple[tuple[KeySpan, ...], tuple[tuple[GivenKey, ...], ...]]:
    """Return given keys as lists of about equal length, in byte order, each key once."""
    with KeySpool(location) as spool:
        spool.fill(keys.entries)
        entries = spool.in_order()
        length = max(1, -(-spool.distinct // (count or _usual_count(spool.distinct))))
        lists = tuple(iter(lambda: tuple(islice(entries, length)), ())) or ((),)
    spans, seen = [], 0
    for given in lists:
        known = totals.wanted([entry for entry in given if isinstance(entry, ObjectRef)])
        unknown = sum(isinstance(entry, str) for entry in given)
        spans.append(KeySpan(objects=len(known) + unknown, bytes=sum(ref.size for ref in known), listed=True))
        seen += len(given)
        listed(seen)
    return tuple(spans), lists


def _usual_count(objects: int) -> int:
    return min(MAX_SHARDS, max(1, -(-objects // OBJECTS_PER_SHARD)))


def _check(options: BackfillOptions, count: int | None) -> None:
    if count is not None and not 1 <= count <= MAX_SHARDS:
        raise UsageError(f"a backfill has 1 to {MAX_SHARDS:,} shards, not {count:,}")
    if options.export.format not in ("parquet", "jsonl"):
        raise UsageError(
            f"a backfill writes parquet or jsonl, not {options.export.format}",
            cause="its files appear when a shard is committed; a Delta table has a separate commit for each",
            code=ErrorCode.EXPORT_FORMAT_UNSUPPORTED,
            subject=options.export.format,
        )
    options.export.layout("")


def _listed_pages(location: Location, settings: StoreSettings) -> Iterator[list[ObjectRef]]:
    """Yield what is listed, in key ranges side by side. Raises UsageError for a store without byte order."""
    listing = BackgroundListing(open_store(location, settings))
    try:
        while True:
            match listing.take():
                case None:
                    select.select([listing.fileno()], (), ())
                case ListedPage(refs=refs):
                    yield refs
                case OrderLost(before, key):
                    raise UsageError(
                        f"{location} cannot be cut into shards",
                        cause=f"the store does not list in byte order: {key!r} follows {before!r}",
                        code=ErrorCode.UNORDERED_LISTING,
                        subject=location.url,
                    )
                case ListingFailed(error):
                    raise error
                case ListingEnd():
                    return
                case _:
                    pass
    finally:
        listing.stop()
