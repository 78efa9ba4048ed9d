"""Ask the store for the objects of given keys."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeAlias

from harvester.causes import Cause
from harvester.errors import AccessDenied
from harvester.storage.base import ObjectRef, RefusedObject, Store
from harvester.storage.keys.key_selection import KeyList, KnownVersions
from harvester.storage.keys.key_spool import KeySpool
from harvester.storage.listed import NOT_FOUND, KeyFailure, KeysGiven, ListedKeys

_THREADS = 16
_BATCH = 256
_BATCHES_AHEAD = 3

_Found: TypeAlias = ObjectRef | KeyFailure | RefusedObject


def ask_each(store: Store, keys: KeyList, known: KnownVersions) -> Iterator[KeysGiven | ListedKeys]:
    """Yield how many keys are given, then what became of them in byte order of the key.

    A described object is asked for only where another version of it is known: the list may be the older. Raises
    NoSuchBucket, ConnectionFailed or ConfigurationError; a denial concerns the key alone.
    """
    waiting: deque[list[Future[_Found] | _Found]] = deque()
    with KeySpool(store.location) as spool, known() as knows_another:
        spool.fill(keys.entries)
        distinct = spool.distinct
        yield KeysGiven(distinct, spool.given - distinct, dict(keys.skipped))
        pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="key-lookup")
        try:
            entries = spool.in_order()
            while batch := list(islice(entries, _BATCH)):
                waiting.append(
                    [
                        each
                        if isinstance(each, RefusedObject) or (isinstance(each, ObjectRef) and not knows_another(each))
                        else pool.submit(_ask, store, each if isinstance(each, str) else each.key)
                        for each in batch
                    ]
                )
                if len(waiting) >= _BATCHES_AHEAD:
                    yield _sorted_out(waiting.popleft())
            while waiting:
                yield _sorted_out(waiting.popleft())
        finally:
            pool.shutdown(cancel_futures=True)


def _ask(store: Store, key: str) -> _Found:
    try:
        found = store.head(key)
    except AccessDenied as error:
        return KeyFailure(key, Cause.OBJECT_DENIED.value, error.cause)
    return KeyFailure(key, NOT_FOUND, "") if found is None else found


def _sorted_out(batch: Sequence[Future[_Found] | _Found]) -> ListedKeys:
    found = [each.result() if isinstance(each, Future) else each for each in batch]
    return ListedKeys(
        [each for each in found if isinstance(each, ObjectRef)],
        [each for each in found if isinstance(each, RefusedObject)],
        [each for each in found if isinstance(each, KeyFailure)],
    )
