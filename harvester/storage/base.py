"""The interface of every store: its values, and the protocols Store and Fetcher."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from harvester.location import Location

if TYPE_CHECKING:
    # Loaded by the first failure.
    from harvester.causes import Cause
    from harvester.storage.bucket_settings import Unread

MEBIBYTE = 1024 * 1024
SPOOL_FROM_BYTES = 4 * MEBIBYTE
"""From this size on a body goes to a file."""
UNKNOWN_TIME = 0.0
"""The time of an object of which none, or none that can be read, is stated."""
PAGE_KEYS = 1000
"""How many keys one list request asks for: the most that S3 and Cloud Storage give."""


class ObjectRef(NamedTuple):
    """One object of a listing; a NamedTuple because a listing holds millions."""

    key: str
    """The exact key as the store keeps it; for ``file://`` the absolute path, undecodable bytes as surrogates."""
    size: int
    """Length in bytes, as stored."""
    etag: str
    """Identity of this version: S3's ETag without quotes, GCS's generation, ``size-mtime_ns-inode`` of a file."""
    last_modified: float
    """Seconds since the epoch, `UNKNOWN_TIME` without a readable one; for people, never an identity."""
    storage_class: str = ""
    """As the store names it (``STANDARD``, ``GLACIER`` …); empty where it does not."""


class RefusedObject(NamedTuple):
    """An entry of a listing that cannot be fetched or recorded."""

    key: str
    """The key as listed; may be empty, and may hold surrogates for bytes that are not UTF-8."""
    reason: str
    """``outside_prefix``, ``invalid_size`` or ``invalid_key``."""


class ListPage(NamedTuple):
    """One page of a listing, checked."""

    objects: list[ObjectRef]
    """Objects below the prefix, each with a key, and a length of at most 63 bits."""
    refused: list[RefusedObject]
    """The other entries."""
    digest: bytes = b""
    """Keyed digest of the entries as the store sent them; empty where none was asked for, or an entry was left out."""


class KnownPage(NamedTuple):
    """A page of an earlier listing, all of which had landed: the keys ``after < key <= last``."""

    after: str
    """The key listed before it; empty for the first page."""
    last: str
    """Its last key."""
    keys: int
    """How many keys it holds."""
    digest: bytes
    """Keyed digest of its entries."""


class KnownPages(NamedTuple):
    """The pages of an earlier listing."""

    secret: bytes
    """What their digests are keyed with."""
    pages: Sequence[KnownPage]
    """The pages, in byte order; none overlaps another."""

    @property
    def ranges(self) -> int:
        """How many ranges they are listed in, one after the other: one each, and one for what lies before some."""
        before = ["", *(page.last for page in self.pages)]
        return len(self.pages) + sum(page.after != last for page, last in zip(self.pages, before, strict=False))


class ComparedPage(NamedTuple):
    """What the store lists in the place of a known page."""

    is_equal: bool
    """Whether it lists the same entries, byte for byte."""
    is_last: bool
    """Whether no key follows them."""
    read: Callable[[], ListPage]
    """Parses and checks the answer like any other page; raises what ``Store.list_pages`` raises."""


class FetchRequest(NamedTuple):
    """An object to fetch, as it was listed."""

    key: str
    """The exact key."""
    size: int
    """Length in bytes as listed: what memory is planned by, not what is demanded of the body."""
    etag: str
    """Identity as listed."""
    last_modified: float
    """Seconds since the epoch, as listed."""


class FetchFailure(NamedTuple):
    """Why one fetch ended without a body."""

    cause: Cause
    """The diagnosed cause."""
    code: str = ""
    """The store's error code, else the HTTP status, else curl's or the system's error name."""
    detail: str = ""
    """For people: what is known beyond the cause, e.g. the ARN of the key that is denied. No payload, no secret."""
    request_id: str = ""
    """The store's id of the refused request."""


class FetchResult(NamedTuple):
    """How one request ended: a body in memory, a body in a spool file, or a failure."""

    request: FetchRequest
    """The request as it was submitted."""
    body: bytes | None
    """The stored bytes, never decompressed; None when spooled or failed."""
    spool: str | None
    """Path of a file in the spool directory that holds the body and now belongs to the caller; None when in memory."""
    etag: str
    """Identity of the version actually received, as ObjectRef.etag has it; empty when failed."""
    last_modified: float | None
    """Seconds since the epoch of the version received; None where the store does not state it."""
    failure: FetchFailure | None
    """None when the body is whole."""
    attempts: int
    """Requests for the body that were made, 1 when nothing went wrong."""
    unidentified: bool = False
    """Whether the answer stated no version, so that the body was compared with the listed length alone."""
    unread_headers: tuple[str, ...] = ()
    """Headers of the answers that cannot be read, and counted as absent."""


class StoreTime(NamedTuple):
    """The time of a store's clock, which gives objects their time of modification."""

    seconds: float
    """Seconds since the epoch; of a clock that states whole seconds the end of the second."""
    resolution: float
    """Objects written so many seconds later have a later time of modification."""

    @classmethod
    def of_http(cls, date: float) -> StoreTime:
        """Return the time that the ``Date`` of an answer states."""
        return cls(int(date) + 0.999, 1.0)


class Upload(NamedTuple):
    """A multipart upload that is neither completed nor aborted."""

    key: str
    """The key of the object it becomes."""
    initiated: float
    """When it began, seconds since the epoch: on S3 the time of modification of that object."""


class UploadList(NamedTuple):
    """What a store answers when it is asked for uploads in progress."""

    uploads: list[Upload]
    """The uploads, in the store's order."""
    is_complete: bool = True
    """Whether there are no others; False where there are more than were asked for."""
    unread: Unread | None = None
    """Why they are not known; None where they are."""


class Arrival(Protocol):
    """Follows a large body as it arrives; called from ``poll``, and not to raise."""

    def began(self, descriptor: int) -> None:
        """Note that the body starts, in the empty file open as ``descriptor``; again where it starts again."""

    def grown(self, written: int) -> None:
        """Note that the file holds ``written`` bytes, of one version of the object; they may be damaged."""

    def abandoned(self) -> None:
        """Note that the file is given up, and no part of the body."""


class StoreConnection(Protocol):
    """What a worker process needs to fetch: a small picklable value whose repr contains no secret."""

    @property
    def scheme(self) -> str:
        """``s3``, ``gs`` or ``file``: which fetcher understands it."""


class DigestedListing(Protocol):
    """Lists a location with a digest of each page, and compares its pages with known ones."""

    def list_pages(
        self,
        start: str = "",
        end: str | None = None,
        *,
        ordered: bool = False,
        prefix: str = "",
        page_keys: int = PAGE_KEYS,
    ) -> Iterator[ListPage]:
        """Yield pages like ``Store.list_pages``, of ``page_keys`` at most, with their digests."""

    def compare_page(self, page: KnownPage, limit: int) -> ComparedPage:
        """Ask for ``limit`` keys after ``page.after`` and compare them with ``page``. Raises like ``list_pages``."""


class Store(Protocol):
    """A bucket or directory: lists it, and gives workers what they need to fetch from it."""

    @property
    def location(self) -> Location:
        """The location this store was opened for."""

    def list_pages(
        self, start: str = "", end: str | None = None, *, ordered: bool = False, prefix: str = ""
    ) -> Iterator[ListPage]:
        """Yield pages of the objects below the prefix whose key k has ``start <= k < end``, in the store's order.

        ``start`` and ``end`` are whole keys; ``prefix`` is a longer one than the location's. One iterator is used by
        one thread at a time; several may run at once. Where ``ordered``, keys rise strictly in byte order, or
        UnorderedListingError is raised; a range is complete only then. Raises AccessDenied, NoSuchBucket,
        ConnectionFailed or ConfigurationError.
        """

    def digested(self, secret: bytes) -> DigestedListing | None:
        """Return how the location is listed with digests keyed with ``secret``; None where that is not offered."""

    @property
    def starts_anywhere(self) -> bool:
        """Whether a listing that starts at a later key costs less, so that ranges of keys are worth listing apart."""

    def list_folders(self, parent: str) -> list[str]:
        """Return folders directly below ``parent``, each with its ``/``: at most a page of them, with one request.

        They only suggest where to cut a listing: an error or an invalid answer counts as no folder.
        """

    def list_uploads(self) -> UploadList | None:
        """Return the uploads in progress below the prefix; None where objects are dated by the end of their upload.

        A refusal is `UploadList.unread`.
        """

    def connection(self, *, renew: bool = False) -> StoreConnection:
        """Return what a fetcher needs; ``renew`` resolves the credentials anew, through the SDK's own chain.

        Raises ConfigurationError when there are none or a login has expired.
        """

    def now(self) -> StoreTime | None:
        """Ask for the store's time; None where no answer states it, whatever the reason."""

    def put(self, key: str, body: bytes) -> None:
        """Store ``body`` under ``key``, replacing what is there. Raises like ``list_pages``."""

    def head(self, key: str) -> ObjectRef | None:
        """Return the object of ``key``, None where there is none. Raises like ``list_pages``."""


class Fetcher(Protocol):
    """Fetches objects in one worker process, many at a time; not for use by several threads."""

    @property
    def in_flight(self) -> int:
        """Requests submitted and not yet returned by ``poll``."""

    @property
    def needs_credentials(self) -> bool:
        """Whether the store called the credentials expired; the requests concerned wait for ``renew``."""

    def capacity(self) -> int:
        """Return how many more requests can start now; more may be submitted, and wait."""

    def submit(self, request: FetchRequest, arrival: Arrival | None = None) -> None:
        """Queue a request. It ends in exactly one FetchResult of a later ``poll``.

        ``arrival`` may follow a body that goes to a file; where it does not begin, the whole file is read afterwards.
        """

    def poll(self, timeout: float, wake: Sequence[int] = ()) -> list[FetchResult]:
        """Drive the transfers and return what has ended.

        Returns at once when something has, else after ``timeout`` seconds, or as soon as one of the file descriptors in
        ``wake`` is readable.
        """

    def renew(self, connection: StoreConnection) -> None:
        """Continue with the connection's credentials, first with the requests that waited for them."""

    def close(self) -> None:
        """Abort what is in flight and remove its spool files."""
