"""One page of a ListObjectsV2 listing, parsed fast where it has the form S3 gives it, and as any XML else.

Source: Amazon S3 API Reference, ListObjectsV2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TypeAlias
from urllib.parse import unquote_plus
from xml.etree.ElementTree import Element

from harvester.storage.base import ObjectRef, RefusedObject
from harvester.storage.page_checks import INVALID_KEY, INVALID_SIZE, ParsedPage, checked_size, checked_time
from harvester.storage.s3.xml_documents import parse_xml

# An entry as S3 writes it: one line, fixed order, printable ASCII without an entity but the quotes of the ETag.
# What reads differently is left to the XML parser, which takes five times as long. Compiled with the first page.
_TEXT = r"[^]<&\x00-\x1f]"  # "]]>" is no text either
_PLAIN_ENTRY = (
    rf"<Contents><Key>({_TEXT}+)</Key><LastModified>({_TEXT}+)</LastModified>"
    r"<ETag>(?:&quot;|\")([0-9A-Za-z-]+)(?:&quot;|\")</ETag>"
    rf"(?:<ChecksumAlgorithm>{_TEXT}*</ChecksumAlgorithm>)*(?:<ChecksumType>{_TEXT}*</ChecksumType>)?"
    rf"<Size>([0-9]+)</Size><StorageClass>({_TEXT}*)</StorageClass></Contents>"
)
_GROUPS = 5
_SAFE_DIGITS = 18  # of a number that 63 bits hold whatever they are


# The keys, times, ETags, sizes and storage classes of a page, as they are written there; empty without any.
_Columns: TypeAlias = list[Sequence[str]]


def parse_page(body: bytes) -> ParsedPage:
    """Parse a ListObjectsV2 or ListObjects answer that was asked for with ``encoding-type=url``.

    Raises ValueError for anything else.
    """
    plain, rest = _plain_entries(body)
    root = parse_xml(rest)
    namespace = root.tag.rpartition("}")[0]
    if namespace:
        namespace += "}"
    if root.tag != f"{namespace}ListBucketResult":
        raise ValueError(f"no list page but a document {root.tag.rpartition('}')[2][:100]!r}")
    if not plain and len(root) == 0:
        raise ValueError("no list page but an element without content")
    if plain and root.find(f"{namespace}Contents") is not None:
        # Some entries are plain and some are not: they are to be read in their order.
        return _page(parse_xml(body), namespace, [])
    return _page(root, namespace, plain)


def is_true(text: str | None) -> bool:
    """Return the value of a boolean of XML, False if absent; other stores than S3 also write ``1`` or ``True``.

    Raises ValueError for what is no boolean: a listing must not end by it.
    """
    value = (text or "").strip().lower()
    if value not in {"true", "1", "false", "0", ""}:
        raise ValueError("neither true nor false")
    return value in {"true", "1"}


def parse_common_prefixes(body: bytes) -> list[str]:
    """Return the ``CommonPrefixes`` of an answer asked for with ``encoding-type=url``; none for anything else."""
    try:
        root = parse_xml(body)
    except ValueError:
        return []
    encoded = root.findtext("{*}EncodingType") == "url"
    prefixes = [each.findtext("{*}Prefix") or "" for each in root.iterfind("{*}CommonPrefixes")]
    return [unquote_plus(prefix, errors="surrogateescape") if encoded else prefix for prefix in prefixes]


def _plain_entries(body: bytes) -> tuple[_Columns, bytes]:
    """Return the plain entries of a page and the page without them."""
    if not body.isascii():
        return [], body
    text = body.decode("ascii")
    parts = re.split(_PLAIN_ENTRY, text)
    if len(parts) == 1:
        return [], body
    step = _GROUPS + 1
    columns: _Columns = [parts[number::step] for number in range(1, step)]
    rest = "".join(parts[0::step])
    # In a comment, or another such place, an entry would be none.
    if "<!" in rest or rest.count("<?") > rest.startswith("<?xml "):
        return [], body
    return columns, rest.encode()


def _page(root: Element, namespace: str, plain: _Columns) -> ParsedPage:
    encoded = root.findtext(f"{namespace}EncodingType") == "url"
    columns = plain or list(zip(*_entries(root, namespace), strict=True))
    token = root.findtext(f"{namespace}NextContinuationToken") or None
    truncated = is_true(root.findtext(f"{namespace}IsTruncated"))
    objects, refused = _objects(columns, encoded=encoded) if columns else ([], [])
    return ParsedPage(objects, refused, token, truncated or token is not None)


def _entries(root: Element, namespace: str) -> Iterator[tuple[str, ...]]:
    """Yield the columns' values of each entry; empty where it lacks one."""
    for entry in root.iterfind(f"{namespace}Contents"):
        found = {child.tag.removeprefix(namespace): child.text or "" for child in entry}
        yield (
            found.get("Key", ""),
            found.get("LastModified", ""),
            found.get("ETag", "").strip('"'),
            found.get("Size", ""),
            found.get("StorageClass", ""),
        )


def _objects(columns: _Columns, *, encoded: bool) -> tuple[list[ObjectRef], list[RefusedObject]]:
    """Return the listed objects and the entries that are none; by column, as a bucket may list millions."""
    keys, modified, etags, digits, storage_classes = columns
    if encoded:
        joined = "".join(keys)
        if "%" in joined or "+" in joined:
            # A byte that is not UTF-8 becomes a surrogate: the object is refused for its name and harms no other.
            keys = [unquote_plus(key, errors="surrogateescape") if "%" in key or "+" in key else key for key in keys]
    # Results of one batch share their second, and hardly any has another class: one value for all of them.
    times = {text: checked_time(text) for text in set(modified)}
    classes = {text: text for text in storage_classes}
    sizes: list[int] = []
    refused: list[RefusedObject] = []
    if all(keys) and all(digits) and max(map(len, digits)) <= _SAFE_DIGITS and _are_digits("".join(digits)):
        sizes = list(map(int, digits))
    else:
        checked = [checked_size(text) for text in digits]
        refused = [
            RefusedObject(key, INVALID_SIZE if key else INVALID_KEY)
            for key, size in zip(keys, checked, strict=True)
            if size is None or not key
        ]
        kept = [number for number, size in enumerate(checked) if size is not None and keys[number]]
        sizes = [size for number in kept if (size := checked[number]) is not None]
        keys, modified, etags, storage_classes = (
            [column[number] for number in kept] for column in (keys, modified, etags, storage_classes)
        )
    fields = zip(
        keys, sizes, etags, map(times.__getitem__, modified), map(classes.__getitem__, storage_classes), strict=True
    )
    return list(map(ObjectRef._make, fields)), refused


def _are_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()
