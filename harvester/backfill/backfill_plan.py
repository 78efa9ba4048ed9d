"""Value types of a backfill, and the plan as it is stored: shards, cutoff, and how each shard is worked on."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

from harvester.backfill.stored_options import (
    export_options,
    export_options_document,
    store_settings,
    store_settings_document,
    sync_options,
    sync_options_document,
)
from harvester.backfill.upload_cutoff import PlannedUploads, planned_uploads
from harvester.error_codes import ErrorCode
from harvester.errors import HarvesterError, IntegrityError, UsageError
from harvester.location import Location, parse_location
from harvester.sessions import StoreSettings
from harvester.storage import ObjectRef, RefusedObject
from harvester.tables import ExportOptions, OutputStore, open_output
from harvester.text import rfc3339
from harvester.transfer import SyncOptions

PLAN_SCHEMA: Final = "urn:nimble-harvester:backfill-plan:v1"
PLAN_NAME: Final = "plan.json"
MAX_SHARDS: Final = 100_000
"""The most indexes that a Kubernetes Job takes (batch/v1, ``completions`` with ``backoffLimitPerIndex``)."""


GivenKey: TypeAlias = str | ObjectRef | RefusedObject
"""An entry of a key list."""


@dataclass(frozen=True, slots=True)
class Backfill:
    """What all shards of a backfill have in common."""

    id: str
    """Random, 32 hexadecimal digits."""
    location: Location
    """Where the objects are."""
    cutoff: float
    """Objects modified later are not part of it; seconds since the epoch, whole microseconds."""
    created_at: float
    """When it was planned; seconds since the epoch, whole microseconds."""
    shard_count: int
    """How many shards there are."""
    sync: SyncOptions = field(default_factory=SyncOptions)
    """How objects are landed; time limits, worker count and state folder are not used."""
    export: ExportOptions = field(default_factory=ExportOptions)
    """How rows are written: ``parquet`` or ``jsonl``."""
    settings: StoreSettings = field(default_factory=StoreSettings)
    """How the location is reached; no credentials."""


class KeySpan(NamedTuple):
    """The keys of one shard, with what the plan counted in it."""

    after: str = ""
    """Every key is greater; whole keys, in byte order. Empty for no bound."""
    through: str | None = None
    """The greatest key; None for no bound."""
    objects: int = 0
    """Objects when it was planned."""
    bytes: int = 0
    """Their bytes, as stored."""
    listed: bool = False
    """Whether the shard is a list of keys, stored in the output beside the plan, instead of a range."""


class ClassTotal(NamedTuple):
    """Objects of one storage class."""

    objects: int = 0
    """How many."""
    bytes: int = 0
    """Their bytes, as stored."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A key range or key list worked on its own. Picklable, without credentials."""

    backfill: Backfill
    """What it belongs to."""
    index: int
    """Its number, from 0."""
    span: KeySpan
    """Its keys."""
    keys: tuple[GivenKey, ...] | None = None
    """The keys of a shard that is a list."""

    @property
    def name(self) -> str:
        """Its number as names in the output have it."""
        return shard_name(self.index)


@dataclass(frozen=True, slots=True)
class BackfillPlan:
    """A backfill with its shards."""

    backfill: Backfill
    """What all shards have in common."""
    spans: tuple[KeySpan, ...]
    """The keys of each shard, in order."""
    storage_classes: dict[str, ClassTotal] = field(default_factory=dict)
    """Objects by storage class, as the store names it."""
    ignored: dict[str, int] = field(default_factory=dict)
    """Objects that were listed and are not part of it, by reason: ``after_until`` for those after the cutoff."""
    parallelism: int = 0
    """How many shards are at work at once, at most; request limits are divided by it. 0 for all."""
    max_rps: float | None = None
    """Requests for objects a second, of all shards together."""
    kms_max_rps: float | None = None
    """Requests a second that each need a decryption by KMS, of all shards together."""
    key_lists: tuple[tuple[GivenKey, ...], ...] | None = None
    """The keys of each shard, while they are not stored."""
    uploads: PlannedUploads | None = None
    """Uploads that were in progress; None where the cutoff was given, or the store dates objects by the end of their
    upload."""

    @property
    def objects(self) -> int:
        """Objects in all shards."""
        return sum(span.objects for span in self.spans)

    @property
    def bytes(self) -> int:
        """Their bytes, as stored."""
        return sum(span.bytes for span in self.spans)

    @property
    def shards(self) -> tuple[Shard, ...]:
        """The shards. Raises UsageError where their keys are stored apart: `read_shard` reads those."""
        return tuple(self.shard(index) for index in range(len(self.spans)))

    def shard(self, index: int) -> Shard:
        """Return a shard. Raises UsageError for no index of the plan."""
        if not 0 <= index < len(self.spans):
            raise UsageError(
                f"there is no shard {index}",
                cause=f"the plan has {len(self.spans):,} shards, from 0",
                code=ErrorCode.NO_SUCH_SHARD,
                subject=str(index),
            )
        span = self.spans[index]
        keys = self.key_lists[index] if self.key_lists is not None else None
        return Shard(self.backfill, index, span, keys)

    def as_document(self) -> dict[str, Any]:
        """Return the plan as it is stored and published."""
        backfill = self.backfill
        return {
            "schema": PLAN_SCHEMA,
            "id": backfill.id,
            "location": backfill.location.url,
            "cutoff": plan_time(backfill.cutoff),
            "created_at": plan_time(backfill.created_at),
            "objects": self.objects,
            "bytes": self.bytes,
            "ignored": self.ignored,
            "storage_classes": {name: total._asdict() for name, total in sorted(self.storage_classes.items())},
            "parallelism": self.parallelism,
            "max_rps": self.max_rps,
            "kms_max_rps": self.kms_max_rps,
            "sync": sync_options_document(backfill.sync),
            "export": export_options_document(backfill.export),
            "store": store_settings_document(backfill.settings),
            "uploads": None if self.uploads is None else self.uploads.as_document(),
            "shards": [span._asdict() for span in self.spans],
        }


def plan_time(seconds: float) -> str:
    """Return a time as a plan stores it: to the microsecond, because files are dated finer than milliseconds."""
    return rfc3339(seconds, timespec="microseconds")


def whole_microseconds(seconds: float) -> float:
    """Return a time as it is read from a stored plan, so that a plan is the same before and after."""
    return _seconds(plan_time(seconds))


def _seconds(text: str) -> float:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return moment.timestamp()


def shard_name(index: int) -> str:
    """Return a shard's number as names in the output have it."""
    return f"{index:05d}"


def refuse_planned(store: OutputStore) -> None:
    """Raise UsageError where the output has a plan."""
    if store.exists(PLAN_NAME):
        raise _planned(store)


def write_plan(plan: BackfillPlan, store: OutputStore) -> None:
    """Store a plan, its key lists first. Raises UsageError where the output has another plan."""
    for index, keys in enumerate(plan.key_lists or ()):
        store.create(_keys_name(plan.backfill.id, index), json.dumps(keys).encode())
    content = json.dumps(plan.as_document(), indent=1).encode() + b"\n"
    if not store.create(PLAN_NAME, content) and store.read(PLAN_NAME) != content:
        raise _planned(store)


def _planned(store: OutputStore) -> UsageError:
    return UsageError(
        f"{store.url} holds another backfill",
        cause="a plan is never changed; another backfill needs another output",
        code=ErrorCode.BACKFILL_PLANNED,
        subject=store.url,
    )


@contextlib.contextmanager
def open_planned(out: str, settings: StoreSettings | None = None) -> Iterator[OutputStore]:
    """Open an output that holds a backfill; a directory is not created. Raises as `open_output`, and UsageError."""
    if "://" not in out and not Path(out).is_dir():
        raise UsageError(f"{out} holds no backfill", code=ErrorCode.NO_BACKFILL, subject=out)
    with open_output(out, settings) as store:
        yield store


def read_plan(store: OutputStore) -> BackfillPlan:
    """Return the stored plan. Raises UsageError where there is none, IntegrityError for a damaged one."""
    content = store.read(PLAN_NAME)
    if content is None:
        raise UsageError(f"{store.url} holds no backfill", code=ErrorCode.NO_BACKFILL, subject=store.url)
    path = f"{store.url}/{PLAN_NAME}"
    try:
        document: Any = json.loads(content)
        if document["schema"] != PLAN_SCHEMA:
            raise ValueError
        spans = tuple(KeySpan(**span) for span in document["shards"])
        return BackfillPlan(
            Backfill(
                str(document["id"]),
                parse_location(document["location"]),
                _seconds(document["cutoff"]),
                _seconds(document["created_at"]),
                len(spans),
                sync_options(document["sync"]),
                export_options(document["export"]),
                store_settings(document["store"]),
            ),
            spans,
            {name: ClassTotal(**total) for name, total in document["storage_classes"].items()},
            {str(reason): int(count) for reason, count in document["ignored"].items()},
            int(document["parallelism"]),
            document["max_rps"],
            document["kms_max_rps"],
            uploads=None if document["uploads"] is None else planned_uploads(document["uploads"]),
        )
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError, HarvesterError) as error:
        raise IntegrityError(f"{path} is no plan", code=ErrorCode.BACKFILL_DAMAGED, subject=path) from error


def read_shard(store: OutputStore, plan: BackfillPlan, index: int) -> Shard:
    """Return a shard with its keys. Raises UsageError for no index of the plan, IntegrityError without its keys."""
    return read_keys(store, plan.shard(index))


def read_keys(store: OutputStore, shard: Shard) -> Shard:
    """Return a shard with the keys that are stored beside the plan. Raises IntegrityError without them."""
    if not shard.span.listed or shard.keys is not None:
        return shard
    name = _keys_name(shard.backfill.id, shard.index)
    try:
        keys = tuple(map(_given_key, json.loads(store.read(name) or b"")))
    except (ValueError, RecursionError, TypeError, LookupError) as error:
        path = f"{store.url}/{name}"
        raise IntegrityError(f"{path} is no list of keys", code=ErrorCode.BACKFILL_DAMAGED, subject=path) from error
    return replace(shard, keys=keys)


def _given_key(entry: Any) -> GivenKey:
    if isinstance(entry, str):
        return entry
    return RefusedObject(*entry) if len(entry) == len(RefusedObject._fields) else ObjectRef(*entry)


def _keys_name(backfill: str, index: int) -> str:
    return f"keys/{backfill}/{shard_name(index)}.json"
