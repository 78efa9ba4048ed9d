"""Differential fuzzing of what a store sends: parsers agree with a reference or refuse, and raise nothing else."""

from __future__ import annotations

import json
from urllib.parse import quote, unquote_plus
from xml.etree.ElementTree import ParseError, fromstring

from botocore.parsers import RestXMLParser
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harvester.storage.base import ObjectRef
from harvester.storage.gcs import json_api
from harvester.storage.http.http_client import Response, parse_headers, parse_http_date
from harvester.storage.page_checks import InvalidListingError, PageChecker, ParsedPage, UnorderedListingError
from harvester.storage.s3.list_page import parse_page
from harvester.storage.s3.rest_api import bucket_region, parse_error, parse_owners, service_error_from
from harvester.storage.s3.signing import encode_query
from harvester.storage.s3.upload_pages import list_uploads
from harvester.storage.s3.xml_documents import parse_xml
from scripts.servers.hostile_s3 import entry, error_document, list_page

FUZZ = settings(max_examples=300)

keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
entries = st.builds(
    entry,
    keys,
    size=st.integers(0, 2**64) | st.sampled_from(["", "-1", "x", "1e3", "٣"]),
    etag=st.text("abcdef0123456789-\"'", max_size=8),
)
pages = st.builds(
    list_page,
    st.lists(entries, max_size=6),
    st.none() | st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=6),
)
pieces = st.sampled_from(
    [
        b"<Contents>",
        b"</Contents>",
        b"<Key>",
        b"</Key>",
        b"<!-- ",
        b" -->",
        b"<![CDATA[",
        b"]]>",
        b"<!DOCTYPE x>",
        b"<?x?>",
        b"&amp;",
        b"&#0;",
        b"&#x10FFFF;",
        b"&lt;",
        b"%2",
        b"%FF",
        b"+",
        b"\xff",
        b"\x00",
        b"<IsTruncated>true</IsTruncated>",
        b"<EncodingType>none</EncodingType>",
        b"\r\n",
        b'"',
    ]
)


@st.composite
def mutated(draw: st.DrawFn, bodies: st.SearchStrategy[bytes]) -> bytes:
    """Return a body with pieces inserted, removed or repeated at random places."""
    body = bytearray(draw(bodies))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(body)))
        match draw(st.integers(0, 2)):
            case 0:
                body[place:place] = draw(pieces)
            case 1:
                del body[place : place + draw(st.integers(1, 20))]
            case _:
                body[place:place] = body[place : place + draw(st.integers(1, 60))]
    return bytes(body)


def reference_page(body: bytes) -> list[tuple[str, str]]:
    """Return keys and sizes of a list page, read in the plainest way. Raises ValueError for anything else."""
    try:
        root = fromstring(body)  # the bodies are this test's own
    except (ParseError, LookupError) as error:
        raise ValueError from error
    if root.tag.rpartition("}")[2] != "ListBucketResult":
        raise ValueError(root.tag)
    space = root.tag.rpartition("}")[0]
    space += "}" if space else ""
    truncated = (root.findtext(f"{space}IsTruncated") or "").strip().lower()
    if truncated not in {"true", "1", "false", "0", ""}:
        raise ValueError(truncated)
    encoded = root.findtext(f"{space}EncodingType") == "url"
    found = []
    for each in root.iterfind(f"{space}Contents"):
        values = {child.tag.removeprefix(space): child.text or "" for child in each}
        key = values.get("Key", "")
        found.append((unquote_plus(key, errors="surrogateescape") if encoded else key, values.get("Size", "")))
    return found


@FUZZ
@example(
    b'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    b"<Name>b</Name><EncodingType>url</EncodingType><IsTruncated>IsTruncated>false</IsTruncated></ListBucketResult>"
)
@given(mutated(pages))
def test_a_list_page_is_read_as_the_reference_reads_it_or_refused(body: bytes) -> None:
    try:
        parsed = parse_page(body)
    except ValueError:
        if b"<!DOCTYPE" not in body and b"\0" not in body[:4] and b'encoding="UTF-8"' in body:
            try:
                reference_page(body)
            except ValueError:
                return
            raise AssertionError("the reference reads what was refused") from None
        return
    expected = reference_page(body)
    sizes = {ref.key: str(ref.size) for ref in parsed.objects}
    assert len(parsed.objects) + len(parsed.refused) == len(expected)
    kept = [(key, size) for key, size in expected if key and _is_size(size)]
    assert [(ref.key, ref.size) for ref in parsed.objects] == [(key, int(size)) for key, size in kept]
    assert all(0 <= ref.size < 2**63 for ref in parsed.objects)
    assert set(sizes) <= {key for key, _ in expected}


def _is_size(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 19 and int(text) < 2**63


errors = st.builds(error_document, st.sampled_from(["AccessDenied", "SlowDown", "x"]), keys)


@FUZZ
@given(mutated(errors) | st.binary(max_size=200), st.integers(301, 599))
def test_an_error_document_is_read_as_botocore_reads_it_or_counts_as_none(body: bytes, status: int) -> None:
    document = parse_error(body)
    response = Response(status, {}, body)
    assert service_error_from(response, "GetObject").status == status
    bucket_region(response)
    parse_owners(body)
    json_api.service_error_from(response, "objects.get", anonymous=False)
    if document.code:
        parsed = RestXMLParser().parse({"status_code": status, "headers": {}, "body": body}, None)  # type: ignore[arg-type]  # an error has no shape
        assert parse_xml(body) is not None
        root = fromstring(body)  # as above
        plain = [child for child in root if child.tag == "Code"]
        if root.tag == "Error" and len(plain) == 1 and root[0] is plain[0] and not len(plain[0]) and plain[0].text:
            assert parsed["Error"]["Code"] == document.code


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
resources = st.fixed_dictionaries(
    {},
    optional={
        "name": keys | json_values,
        "size": st.integers(0, 2**64).map(str) | json_values,
        "generation": st.integers(0, 2**63).map(str) | json_values,
        "timeCreated": st.just("2026-01-01T00:00:00.000Z") | json_values,
        "storageClass": st.just("STANDARD") | json_values,
    },
)
documents = st.fixed_dictionaries(
    {}, optional={"items": st.lists(resources | json_values, max_size=5) | json_values, "nextPageToken": json_values}
)


@FUZZ
@given(documents | json_values, st.binary(max_size=3), st.integers(0, 100))
def test_a_page_of_google_is_read_or_refused(document: object, noise: bytes, place: int) -> None:
    body = json.dumps(document).encode()
    for sent in (body, body[:place] + noise + body[place:]):
        try:
            parsed = json_api.parse_gcs_page(sent)
        except ValueError:
            continue
        assert all(isinstance(ref, ObjectRef) and ref.key and 0 <= ref.size < 2**63 for ref in parsed.objects)
        assert all(isinstance(ref.etag, str) and isinstance(ref.storage_class, str) for ref in parsed.objects)


refs = st.builds(ObjectRef, st.text("ab/", max_size=3), st.just(1), st.just("e"), st.just(0.0))
parsed_pages = st.builds(
    ParsedPage, st.lists(refs, max_size=4), st.just([]), st.none() | st.text("xy", max_size=2), st.booleans()
)


@FUZZ
@given(st.lists(parsed_pages, max_size=6), st.booleans(), st.sampled_from(["", "a", "a/"]))
def test_no_sequence_of_pages_yields_a_key_twice_in_order_or_outside_the_prefix(
    sequence: list[ParsedPage], ordered: bool, prefix: str
) -> None:
    checker = PageChecker(prefix, ordered=ordered)
    found: list[str] = []
    for page in sequence:
        try:
            found += [ref.key for ref in checker.check(page).objects]
        except (InvalidListingError, UnorderedListingError):
            break
    assert all(key.startswith(prefix) for key in found)
    if ordered:
        assert found == sorted(set(found))


def upload_page(uploads: list[str], marker: str | None) -> bytes:
    more = "" if marker is None else f"<IsTruncated>true</IsTruncated><NextKeyMarker>{quote(marker)}</NextKeyMarker>"
    entries = "".join(
        f"<Upload><Key>{quote(key)}</Key><Initiated>2026-11-22T10:17:11.000Z</Initiated></Upload>" for key in uploads
    )
    root = "ListMultipartUploadsResult"
    return f"<{root}><EncodingType>url</EncodingType>{more}{entries}</{root}>".encode()


upload_pages = st.builds(upload_page, st.lists(keys | keys.map("a{}".format), max_size=3), st.none() | keys)


@FUZZ
@given(mutated(upload_pages))
def test_uploads_are_listed_below_the_prefix_or_not_known(body: bytes) -> None:
    def ask(parameters: dict[str, str]) -> Response:
        encode_query(parameters)
        return Response(200, {}, body)

    found = list_uploads(ask, "a")
    assert all(each.key.startswith("a") and each.initiated > 0 for each in found.uploads)
    assert found.is_complete or found.unread or len(found.uploads) % 100 == 0


@FUZZ
@given(st.lists(st.binary(max_size=40), max_size=6), st.text(max_size=40))
def test_header_lines_and_dates_never_raise(lines: list[bytes], date: str) -> None:
    status, headers = parse_headers([*lines, b"HTTP/1.1 " + (lines[0] if lines else b""), *lines])
    assert 0 <= status <= 999
    assert all(isinstance(value, str) for value in headers.values())
    moment = parse_http_date(date)
    assert moment is None or isinstance(moment, float)
