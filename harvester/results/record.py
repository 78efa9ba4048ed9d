"""Value types of this package: shapes, reasons, options and records."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal, NamedTuple


class Shape(StrEnum):
    """What a delivered object holds; the values are shown to users."""

    EXTRACT = "extract"
    """One extract envelope, an error envelope included."""
    AGENT = "agent"
    """One envelope whose result is ``data.parsing``."""
    CRAWL_PAGE = "crawl-page"
    """One page of a crawl: an envelope without ``status`` and ``task_id``."""
    JOBS_DOCUMENT = "jobs-document"
    """One JSON document of a jobs run, its rows under ``files``."""
    RUN = "run"
    """One research run: ``run`` and ``output``."""
    ROWS = "rows"
    """One JSON array of objects."""
    JSONL = "jsonl"
    """One JSON object per line."""
    CSV = "csv"
    """A header and records of as many fields."""
    PARQUET = "parquet"
    """A Parquet file."""
    MEDIA = "media"
    """Binary media: bytes, checked by length and checksum alone."""


class ContentReason(StrEnum):
    """Why an object is quarantined, or (``broken_rows``) landed with a problem. The values are a contract."""

    EMPTY = "empty"
    """No bytes."""
    TRUNCATED_GZIP = "truncated_gzip"
    """The compressed data ends too early."""
    CORRUPT_GZIP = "corrupt_gzip"
    """The compressed data, or its checksum or length, is wrong."""
    GZIP_TRAILING_BYTES = "gzip_trailing_bytes"
    """Something other than zero padding follows the last gzip member."""
    NESTED_GZIP = "nested_gzip"
    """Still gzip after inflating once."""
    GZIP_BOMB = "gzip_bomb"
    """Inflates to too many times its size."""
    TOO_LARGE = "too_large"
    """The content is larger than the bound."""
    BYTE_ORDER_MARK = "byte_order_mark"
    """Text after a byte order mark of UTF-16 or UTF-32."""
    NOT_UTF8 = "not_utf8"
    """Bytes that are not UTF-8: another encoding, or damage."""
    INVALID_JSON = "invalid_json"
    """Not strict JSON."""
    TRAILING_BYTES = "trailing_bytes"
    """Something follows the JSON document."""
    TOO_DEEP = "too_deep"
    """JSON nested past 1,000 levels."""
    NUMBER_TOO_LONG = "number_too_long"
    """A number of more than 4,300 digits."""
    UNKNOWN_SHAPE = "unknown_shape"
    """Neither JSON of a known shape, nor rows, nor media."""
    SCHEMA = "schema"
    """ContentRefused by the JSON Schema of its shape."""
    USER_SCHEMA = "user_schema"
    """``data.parsing`` refused by the user's JSON Schema."""
    CONTRADICTS_NAME = "contradicts_name"
    """The content is not what the extension states: HTML, an error document, framing, zero bytes."""
    UNREADABLE_CSV = "unreadable_csv"
    """No header that can name the fields."""
    UNREADABLE_PARQUET = "unreadable_parquet"
    """The footer, or what it points to, cannot be read."""
    PARQUET_EXTRA_MISSING = "parquet_extra_missing"
    """A Parquet file, and the extra [parquet] is not installed: it cannot be checked here."""
    PARQUET_BOMB = "parquet_bomb"
    """The footer states sizes out of proportion to the delivered bytes."""
    BROKEN_ROWS = "broken_rows"
    """Some rows are broken; the file landed all the same."""


class ContentProblem(NamedTuple):
    """What is wrong with one object. Names paths, types and positions; never a payload's values."""

    reason: ContentReason
    """The stable code."""
    detail: str
    """Where exactly, and what was expected there."""
    quarantine: bool = True
    """False if the object lands all the same."""


class ResultRecord(NamedTuple):
    """The outcome of reading one delivered object."""

    shape: Shape | None
    """Its shape; None if unknown, or with validation off."""
    encoding: Literal["gzip", "identity"]
    """How it was delivered."""
    inflated: bool
    """Whether ``size`` and ``digest`` are those of the inflated content; else of the delivered bytes."""
    size: int
    """Bytes of the content to land."""
    digest: str
    """xxh3_128 of the content to land, in hexadecimal."""
    task_id: str | None = None
    """The envelope's ``task_id``."""
    status: str | None = None
    """The envelope's ``status`` as written."""
    agent: str | None = None
    """The envelope's ``metadata.agent``."""
    rows: int | None = None
    """Rows, broken ones included, where the shape has rows."""
    broken_rows: int = 0
    """How many of them are broken."""
    problem: ContentProblem | None = None
    """What is wrong; None if nothing is."""
    non_finite: int = 0
    """How many numbers of Parquet rows are NaN or infinite, and so read as text."""


class DecodedResult(NamedTuple):
    """One object, read in memory."""

    content: bytes
    """The bytes to land or quarantine: inflated, unless gzip is kept or is itself damaged."""
    record: ResultRecord
    """Its record."""


class ContentRefused(Exception):
    """The object is quarantined for `problem`."""

    def __init__(self, reason: ContentReason, detail: str) -> None:
        """Carry the problem."""
        super().__init__(reason)
        self.problem = ContentProblem(reason, detail)


MAX_BYTES_IN_MEMORY: Final = 8 * 1024**2
"""Content larger than this is never held in memory whole."""


class ContentTooLargeForMemory(Exception):
    """The content inflates past what `ResultReader.read` holds in memory: use `ResultReader.read_file`."""
