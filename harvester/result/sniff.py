"""What content looks like, by its first bytes and, where those say nothing, by the key's extension."""

from __future__ import annotations

import re

GZIP_MAGIC = b"\x1f\x8b"
PARQUET_MAGIC = b"PAR1"

# No JSON or CSV text starts like this: each holds a control character or is long enough to be no accident.
_MEDIA_MAGIC = re.compile(
    rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a|RIFF....(?:WEBP|AVI |WAVE)|%PDF-\d|....ftyp|\x1aE\xdf\xa3|PK\x03\x04|OggS\x00"
    rb"|ID3[\x02-\x04]\x00|fLaC\x00|II\*\x00|MM\x00\*|\x00\x00\x01\x00|wOF[F2]\x00",
    re.DOTALL,
)
_MEDIA_EXTENSIONS = frozenset(
    [
        "png",
        "jpg",
        "jpeg",
        "jpe",
        "webp",
        "gif",
        "bmp",
        "tif",
        "tiff",
        "ico",
        "avif",
        "heic",
        "heif",
        "svg",
        "pdf",
        "mp4",
        "m4v",
        "m4a",
        "mov",
        "webm",
        "mkv",
        "avi",
        "mpg",
        "mpeg",
        "mp3",
        "wav",
        "ogg",
        "oga",
        "ogv",
        "flac",
        "aac",
        "opus",
        "woff",
        "woff2",
        "ttf",
        "otf",
        "zip",
    ]
)
_COMPRESSED_EXTENSIONS = frozenset({"gz", "gzip"})
_JSON_LINES_EXTENSIONS = frozenset({"jsonl", "ndjson"})


def extension(key: str) -> str:
    """Return the key's extension in lower case, that of compression left out; empty if there is none."""
    name = key.rsplit("/", 1)[-1]
    stem, dot, last = name.rpartition(".")
    if dot and last.lower() in _COMPRESSED_EXTENSIONS:
        _, dot, last = stem.rpartition(".")
    return last.lower() if dot else ""


def is_gzip(head: bytes) -> bool:
    """Say whether bytes start as gzip does."""
    return head.startswith(GZIP_MAGIC)


def is_media(head: bytes, key: str) -> bool:
    """Say whether this is binary media, by magic bytes or by extension."""
    return _MEDIA_MAGIC.match(head) is not None or extension(key) in _MEDIA_EXTENSIONS


def is_parquet(head: bytes, key: str) -> bool:
    """Say whether this is, or calls itself, a Parquet file."""
    return head.startswith(PARQUET_MAGIC) or extension(key) == "parquet"


def is_json_lines_name(key: str) -> bool:
    """Say whether the key calls itself JSON Lines."""
    return extension(key) in _JSON_LINES_EXTENSIONS


def is_csv_name(key: str) -> bool:
    """Say whether the key calls itself CSV."""
    return extension(key) == "csv"
