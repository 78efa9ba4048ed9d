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
_ZIP = b"PK\x03\x04"
# Each begins with bytes that no JSON or CSV text begins with.
_OTHER_FORMATS = {
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"\xfd7zXZ\x00": "compressed with xz",
    b"\x04\x22\x4d\x18": "compressed with lz4",
    b"\xff\x06\x00\x00sNaPpY": "compressed with Snappy",
    b"BZh91AY&SY": "compressed with bzip2",
    b"x\x01": "compressed with zlib",
    b"x\x9c": "compressed with zlib",
    b"x\xda": "compressed with zlib",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!\x1a\x07": "a RAR archive",
    _ZIP: "a zip archive or an Office document",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an Office document",
    b"SQLite format 3\x00": "an SQLite database",
    b"Obj\x01": "an Avro file",
    b"ARROW1\x00\x00": "an Arrow file",
}
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


def other_format(head: bytes) -> str | None:
    """Return in words which binary format content has that is no result: media, an archive, another compression."""
    if _MEDIA_MAGIC.match(head) and not head.startswith(_ZIP):
        return "media"
    return next((name for magic, name in _OTHER_FORMATS.items() if head.startswith(magic)), None)


def shape_by_magic_and_name(head: bytes, key: str) -> Shape | None:
    """Return the shape by magic bytes or extension; None where only the whole content decides."""
    # The usual case first. Magic bytes are no beginning of JSON.
    if head[:1] in b"{[" and key.endswith((".json", ".json.gz")):
        return None
    named = extension(key)
    shape = _SHAPES_BY_EXTENSION.get(named)
    # Media under the name of a table are no result of it, and an archive under that of a document is none.
    is_text = shape not in (None, Shape.MEDIA) or (named == "json" and head.startswith(_ZIP))
    if _MEDIA_MAGIC.match(head) and not is_text:
        return Shape.MEDIA
    if head.startswith(PARQUET_MAGIC):
        return Shape.PARQUET
    return shape
