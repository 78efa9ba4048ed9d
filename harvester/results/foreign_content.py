"""Content that is not what its extension states: error pages, error documents, transfer framing, zero bytes.

A proxy, gateway or store that fails may answer a request for a table or an image with one of these, and the answer is
then delivered under the name of the table. The bytes decide: no table or media file of the named type satisfies a rule.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from harvester.results.json_text import UTF8_MARK
from harvester.results.record import Shape
from harvester.results.sniff import other_format

MAX_FRAME_BYTES: Final = 1024**2
"""The largest frame of aws-chunked content that is recognised; the SDKs' are smaller or equal."""
HEAD_BYTES: Final = MAX_FRAME_BYTES + 256
"""How many of the first bytes `foreign_content` needs."""

_MAX_ERROR_BYTES: Final = 64 * 1024
_MAX_PROXY_BYTES: Final = 8 * 1024

_HTML = re.compile(
    rb"(?:<\?xml[^>]{0,200}>|<!--.{0,2000}?-->|\s)*+<(?:!doctype\s+html|(?:html|head|body|title|meta|script|center|h1|pre)[\s>/])",
    re.IGNORECASE | re.DOTALL,
)
_XML_ERROR = re.compile(
    rb"(?:<\?xml[^>]{0,200}>|\s)*+<(?:[A-Za-z]+:)?(?:Error|ErrorResponse|Errors|Fault|Envelope)[\s>/]"
)
_XML = re.compile(rb"<\?xml\s")
# Square brackets alone may quote the name of a column.
_JSON_START = re.compile(rb'\{\s*(?:"(?:[^"\\\n]|\\.)*+"\s*:|\})|\[\s*\{')
_PROXY_TEXT = re.compile(
    rb"HTTP/\d(?:\.\d)? \d{3}\b|upstream connect error|upstream request timeout|no healthy upstream|stream timeout"
    rb"|RBAC: access denied|default backend - 404|error code: \d{3,4}\s*$"
    rb"|(?:\d{3} )?(?:bad gateway|service (?:temporarily )?unavailable|gateway time-?out|forbidden|access denied"
    rb"|unauthorized|too many requests|internal server error|bad request|request time-?out"
    rb"|proxy authentication required)[.!]?\s*(?:\n|$)",
    re.IGNORECASE,
)
_SIGNED_FRAME = re.compile(rb"[0-9a-fA-F]{1,8};chunk-signature=[0-9a-fA-F]{64}\r\n")
_FRAME = re.compile(rb"([0-9a-fA-F]{1,8})\r\n")
_TRAILER = re.compile(rb"0\r\n(?:x-amz-[a-z0-9-]+:[^\r\n]*\r\n)+\r?\n?$")
_PLAUSIBLE_FRAME: Final = 4096

_ERROR_KEYS: Final = frozenset({"error", "errors", "error_code", "errorcode", "error_message", "errormessage", "fault"})
_MESSAGE_KEYS: Final = frozenset({"message", "msg", "detail"})
_OTHER_KEYS: Final = frozenset(
    {"code", "status", "status_code", "statuscode", "success", "ok", "type", "title", "reason", "path", "timestamp"}
    | {"request_id", "requestid", "trace_id", "traceid", "instance", "ref_id", "retry_after", "documentation_url"}
)
_NOTHING: Final = frozenset({b"null", b"false", b'""', b"[]", b"{}"})
_DECODE = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def foreign_content(head: bytes, shape: Shape, extension: str, *, is_whole: bool) -> str | None:
    """Return what content is instead of what its extension states, or None.

    ``head`` is its first `HEAD_BYTES`, all of it if it ``is_whole``; ``shape`` is that of its ``extension``.
    """
    if head and not head.strip(b"\0"):
        return "all bytes are zero"
    if is_framed(head, is_whole=is_whole):
        return "the content is still in aws-chunked framing"
    if shape is not Shape.MEDIA and (found := other_format(head)) is not None:
        return found
    text = head.removeprefix(UTF8_MARK).lstrip(b" \t\r\n")
    if text[:1] == b"<":
        if extension == "svg":
            return _markup(text, is_svg=True)
        return "XML" if shape in (Shape.JSONL, Shape.PARQUET) and not _HTML.match(text) else _markup(text)
    if is_whole and len(head) <= _MAX_PROXY_BYTES and _PROXY_TEXT.match(text):
        return "the text of a proxy or gateway"
    if shape is Shape.JSONL:
        return "a JSON error document" if is_whole and _is_error_document(text) else None
    return "JSON" if _JSON_START.match(text) else None


def _markup(text: bytes, *, is_svg: bool = False) -> str | None:
    if _HTML.match(text):
        return "HTML"
    if _XML_ERROR.match(text):
        return "an XML error document"
    return "XML" if not is_svg and _XML.match(text) else None


def _is_error_document(text: bytes) -> bool:
    """Return whether text is one JSON object that holds an error and nothing else."""
    if len(text) > _MAX_ERROR_BYTES:
        return False
    try:
        document: dict[str, Any] = _DECODE(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return False
    keys = {key.lower() for key, value in document.items() if bytes(value) not in _NOTHING}
    if not keys <= _ERROR_KEYS | _MESSAGE_KEYS | _OTHER_KEYS:
        return False
    return bool(keys & _ERROR_KEYS) or bool(keys & _MESSAGE_KEYS)


def is_framed(head: bytes, *, is_whole: bool) -> bool:
    """Return whether content is in the framing of aws-chunked, signed or with a trailer.

    A line of hexadecimal digits may be the header of a CSV file: a frame counts if it ends after the size it states,
    and is long or the last one carries a checksum.
    """
    if _SIGNED_FRAME.match(head):
        return True
    first = _FRAME.match(head)
    if first is None:
        return False
    size = int(first.group(1), 16)
    end = first.end() + size
    if not 0 < size <= MAX_FRAME_BYTES or head[end : end + 2] != b"\r\n" or not _FRAME.match(head, end + 2):
        return False
    return size >= _PLAUSIBLE_FRAME or (is_whole and _TRAILER.search(head[-4096:]) is not None)
