"""One page of a ListObjectsV2 listing, parsed fast where it has the form S3 gives it, and as any XML else.

Source: Amazon S3 API Reference, ListObjectsV2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple, TypeAlias
from urllib.parse import unquote_plus
from xml.etree.ElementTree import Element, ParseError, fromstring

from harvester.storage.base import ObjectRef

# An entry as S3 writes it: one line, fixed order, printable ASCII without an entity but the quotes of the ETag.
# What reads differently is left to the XML parser, which takes five times as long.
_TEXT = r"[^<\x00-\x1f]"
_PLAIN_ENTRY = re.compile(
    rf"<Contents><Key>({_TEXT}+)</Key><LastModified>({_TEXT}+)</LastModified>"
    r"<ETag>(?:&quot;|\")([0-9A-Za-z-]+)(?:&quot;|\")</ETag>"
    rf"(?:<ChecksumAlgorithm>{_TEXT}*</ChecksumAlgorithm>)*(?:<ChecksumType>{_TEXT}*</ChecksumType>)?"
    rf"<Size>([0-9]+)</Size><StorageClass>({_TEXT}*)</StorageClass></Contents>"
)
_GROUPS = 5


class S3ListPage(NamedTuple):
    """One page of a listing."""

    objects: list[ObjectRef]
    """Its objects, in order."""
    token: str | None
    """Continuation token of the next page; None on the last."""


# The keys, times, ETags, sizes and storage classes of a page, as they stand there; empty without any.
_Columns: TypeAlias = list[Sequence[str]]


def parse_page(body: bytes) -> S3ListPage:
    """Parse a ListObjectsV2 answer that was asked for with ``encoding-type=url``.

    Raises ValueError for anything else.
    """
    plain, rest = _plain_entries(body)
    try:
        root = fromstring(rest)  # noqa: S314  # expat bounds entity expansion itself since 2.4.1
    except ParseError as error:
        raise ValueError(f"no XML: {error}") from error
    namespace = root.tag.rpartition("}")[0]
    if namespace:
        namespace += "}"
    if root.tag != f"{namespace}ListBucketResult":
        raise ValueError(f"no list page but a document {root.tag.rpartition('}')[2]!r}")
    if plain and root.find(f"{namespace}Contents") is not None:
        # Some entries are plain and some are not: they are to be read in their order.
        return _page(fromstring(body), namespace, [])  # noqa: S314  # as above
    return _page(root, namespace, plain)


def _plain_entries(body: bytes) -> tuple[_Columns, bytes]:
    """Return the plain entries of a page and the page without them."""
    if not body.isascii():
        return [], body
    text = body.decode("ascii")
    parts = _PLAIN_ENTRY.split(text)
    if len(parts) == 1:
        return [], body
    step = _GROUPS + 1
    columns: _Columns = [parts[number::step] for number in range(1, step)]
    rest = "".join(parts[0::step])
    # In a comment, or another such place, an entry would be none.
    if "<!" in rest or rest.count("<?") > rest.startswith("<?xml ") or any("&" in "".join(each) for each in columns):
        return [], body
    return columns, rest.encode()


def _page(root: Element, namespace: str, plain: _Columns) -> S3ListPage:
    encoded = root.findtext(f"{namespace}EncodingType") == "url"
    columns = plain or list(zip(*_entries(root, namespace), strict=True))
    token = root.findtext(f"{namespace}NextContinuationToken")
    if root.findtext(f"{namespace}IsTruncated") == "true" and not token:
        raise ValueError("a truncated list page without a continuation token")
    return S3ListPage(_objects(columns, encoded=encoded) if columns else [], token or None)


def _entries(root: Element, namespace: str) -> Iterator[tuple[str, ...]]:
    """Yield the columns' values of each entry. Raises ValueError for an entry that lacks one."""
    for entry in root.iterfind(f"{namespace}Contents"):
        found = {child.tag.removeprefix(namespace): child.text or "" for child in entry}
        try:
            yield (
                found["Key"],
                found["LastModified"],
                found.get("ETag", "").strip('"'),
                found["Size"],
                found.get("StorageClass", ""),
            )
        except KeyError as error:
            raise ValueError(f"a listed object without {error}") from error


def _objects(columns: _Columns, *, encoded: bool) -> list[ObjectRef]:
    """Return the listed objects; column by column, as a bucket may list millions. Raises ValueError."""
    keys, modified, etags, digits, storage_classes = columns
    joined = "".join(keys)
    if encoded and ("%" in joined or "+" in joined):
        keys = [unquote_plus(key) if "%" in key or "+" in key else key for key in keys]
    sizes = list(map(int, digits))
    if not all(keys) or min(sizes, default=0) < 0:
        raise ValueError("a listed object without key or size")
    # Results of one batch share their second, and hardly any has another class: one value for all of them.
    times = {text: datetime.fromisoformat(text).timestamp() for text in set(modified)}
    classes = {text: text for text in storage_classes}
    fields = zip(
        keys, sizes, etags, map(times.__getitem__, modified), map(classes.__getitem__, storage_classes), strict=True
    )
    return list(map(ObjectRef._make, fields))
