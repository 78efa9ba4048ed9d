"""Parse XML that a store sent: no document type, known encodings, every fault a ValueError."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, ParseError, fromstring

_DECLARED = re.compile(rb"\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
_ENCODINGS = frozenset({b"utf-8", b"utf8", b"us-ascii", b"ascii", b"iso-8859-1"})


def parse_xml(body: bytes) -> Element:
    """Return the root element of a document.

    Raises ValueError for what is no XML, declares a document type (entities need one), or is in another encoding than
    UTF-8, ASCII and ISO 8859-1.
    """
    # In the encodings accepted here a document type is spelled in these bytes; UTF-16 begins with a mark or a NUL.
    if b"<!DOCTYPE" in body:
        raise ValueError("XML with a document type")
    if body[:2] in {b"\xff\xfe", b"\xfe\xff"} or b"\0" in body[:4]:
        raise ValueError("XML in UTF-16 or UTF-32")
    declared = _DECLARED.match(body.removeprefix(b"\xef\xbb\xbf"))
    if declared is not None and declared[1].lower() not in _ENCODINGS:
        raise ValueError(f"XML in the encoding {declared[1].decode()}")
    try:
        return fromstring(body)  # noqa: S314  # no entities without a document type, see above
    except (ParseError, LookupError, RecursionError) as error:
        raise ValueError(f"no XML: {error}") from error
