"""Content sniffing: the type of content by its first bytes, else by the key's extension."""

from __future__ import annotations

import re

from harvester.results.record import Shape

GZIP_MAGIC = b"\x1f\x8b"
PARQUET_MAGIC = b"PAR1"

# No JSON or CSV text starts so: each alternative holds a control character or is too long for a coincidence.
_MEDIA_MAGIC = re.compile(
    rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a|RIFF....(?:WEBP|AVI |WAVE)|%PDF-\d|\x00...ftyp|\x1aE\xdf\xa3"
    rb"|PK\x03\x04|OggS\x00|ID3[\x02-\x04]\x00|fLaC\x00|II\*\x00|MM\x00\*|\x00\x00\x01\x00|wOF[F2]\x00",
    re.DOTALL,
)
_MEDIA_EXTENSIONS = (
    "png jpg jpeg jpe webp gif bmp tif tiff ico avif heic heif svg pdf mp4 m4v m4a mov webm mkv avi mpg mpeg "
    "mp3 wav ogg oga ogv flac aac opus woff woff2 ttf otf zip"
)
_SHAPES_BY_EXTENSION = {
    **dict.fromkeys(_MEDIA_EXTENSIONS.split(), Shape.MEDIA),
    "jsonl": Shape.JSONL,
    "ndjson": Shape.JSONL,
    "csv": Shape.CSV,
    "parquet": Shape.PARQUET,
}
_COMPRESSED_EXTENSIONS = frozenset({"gz", "gzip"})


def extension(key: str) -> str:
    """Return the key's extension in lower case, that of compression left out; empty if there is none."""
    name = key.rsplit("/", 1)[-1]
    stem, dot, last = name.rpartition(".")
    if dot and last.lower() in _COMPRESSED_EXTENSIONS:
        _, dot, last = stem.rpartition(".")
    return last.lower() if dot else ""


def is_gzip(head: bytes) -> bool:
    """Return whether bytes start with the gzip magic number."""
    return head.startswith(GZIP_MAGIC)


def is_markup(head: bytes) -> bool:
    """Return whether text starts with `<`, as HTML and XML do."""
    return head.lstrip(b" \t\r\n\xef\xbb\xbf")[:1] == b"<"


def shape_by_magic_and_name(head: bytes, key: str) -> Shape | None:
    """Return the shape by magic bytes or extension; None where only the whole content decides."""
    # The usual case first. Magic bytes are no beginning of JSON.
    if head[:1] in b"{[" and key.endswith((".json", ".json.gz")):
        return None
    if _MEDIA_MAGIC.match(head):
        return Shape.MEDIA
    if head.startswith(PARQUET_MAGIC):
        return Shape.PARQUET
    return _SHAPES_BY_EXTENSION.get(extension(key))
