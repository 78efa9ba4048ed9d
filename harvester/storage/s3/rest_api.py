"""Requests to the S3 REST API, and its error documents.

Source: Amazon S3 API Reference, "Error responses".
"""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote_plus, urlsplit
from xml.etree.ElementTree import Element

from harvester.sessions import S3Connection
from harvester.storage.base import ObjectRef
from harvester.storage.http import Response, parse_http_date
from harvester.storage.page_checks import checked_size
from harvester.storage.s3.signing import RequestSigner, encode_key, encode_query
from harvester.storage.s3.xml_documents import parse_xml
from harvester.storage.service_errors import ServiceError, answered

_OK = 200
_SERVER_ERROR = 500
_ERROR_WITHIN = 512
"""Within how many first bytes an error document names itself."""


class ErrorDocument(NamedTuple):
    """The content of an error document."""

    code: str
    """``AccessDenied`` …; empty for an answer without a readable document, as every HEAD's."""
    message: str
    """The service's sentence."""
    region: str
    """The bucket's region where the request went to another."""
    endpoint: str = ""
    """The bucket's endpoint where the request went to another."""
    archive: str = ""
    """The storage class and access tier of an object that is archived."""


class S3Requests:
    """Makes the requests to one bucket."""

    def __init__(self, connection: S3Connection) -> None:
        """Sign with the connection's credentials."""
        self.connection = connection
        self._base_path = urlsplit(connection.base_url).path
        self._origin = connection.base_url.removesuffix(self._base_path) if self._base_path else connection.base_url
        common: dict[str, str] = {}
        if connection.request_payer:
            common["x-amz-request-payer"] = "requester"
        if connection.expected_bucket_owner:
            common["x-amz-expected-bucket-owner"] = connection.expected_bucket_owner
        self._signer = self._new_signer(common)
        self._fetch_signer = self._new_signer(common | {"x-amz-checksum-mode": "ENABLED"})

    def _new_signer(self, headers: Mapping[str, str]) -> RequestSigner:
        connection = self.connection
        return RequestSigner(
            connection.credentials,
            region=connection.region,
            service=connection.service,
            base_url=connection.base_url,
            headers=headers,
        )

    def fetch(self, key: str) -> tuple[str, list[str]]:
        """Return URL and header lines of a GET of the object."""
        path = f"{self._base_path}/{encode_key(key)}"
        return self._origin + path, self._fetch_signer.sign("GET", path)

    def head(self, key: str) -> tuple[str, list[str]]:
        """Return URL and header lines of a HEAD of the object."""
        path = f"{self._base_path}/{encode_key(key)}"
        return self._origin + path, self._signer.sign("HEAD", path)

    def bucket(self, method: str, parameters: Mapping[str, str]) -> tuple[str, list[str]]:
        """Return URL and header lines of a request to the bucket itself."""
        path = self._base_path or "/"
        query = encode_query(parameters)
        url = f"{self._origin}{path}?{query}" if query else self._origin + path
        return url, self._signer.sign(method, path, query)

    def put(self, key: str, body: bytes) -> tuple[str, list[str]]:
        """Return URL and header lines of a PUT of ``body``."""
        path = f"{self._base_path}/{encode_key(key)}"
        # Without the empty ones curl would send its own form type, and wait for "100 Continue".
        return self._origin + path, [
            *self._signer.sign_body("PUT", path, "", body),
            "Content-Type:",
            "Expect:",
        ]


def parse_owners(body: bytes) -> dict[str, str]:
    """Return the owner's canonical id of each key of a list page asked for with ``fetch-owner=true``."""
    owners: dict[str, str] = {}
    for entry in _elements(body, "Contents"):
        key, owner = _text(entry, "Key"), _text(entry, "ID")
        if key and owner:
            owners[unquote_plus(key)] = owner
    return owners


def parse_bucket_owner(body: bytes) -> str:
    """Return the owner's canonical id in a GetBucketAcl answer; empty when there is none."""
    for owner in _elements(body, "Owner"):
        return _text(owner, "ID")
    return ""


def _elements(body: bytes, name: str) -> list[Element]:
    try:
        root = parse_xml(body)
    except ValueError:
        return []
    return list(root.iterfind(f".//{{*}}{name}"))


def _text(element: Element, name: str) -> str:
    return next((found.text or "" for found in element.iterfind(f".//{{*}}{name}")), "")


def parse_error(body: bytes) -> ErrorDocument:
    """Read an error document; all fields are empty for a body that is none."""
    try:
        root = parse_xml(body)
    except ValueError:
        return ErrorDocument("", "", "")
    archive = " ".join(filter(None, (_text(root, "StorageClass"), _text(root, "AccessTier"))))
    return ErrorDocument(
        _text(root, "Code"), _text(root, "Message"), _text(root, "Region"), _text(root, "Endpoint"), archive
    )


def bucket_region(response: Response) -> str:
    """Return the bucket's region where the request went to another one, else an empty string."""
    if response.status not in {301, 307, 400, 403}:
        return ""
    region = response.headers.get("x-amz-bucket-region", "")
    if response.status == 400 and not region:
        document = parse_error(response.body)
        region = document.region if document.code == "AuthorizationHeaderMalformed" else ""
    return region


def with_stated_error(response: Response) -> Response:
    """Return an answer of 200 whose body is an error document with the status of a server error.

    S3 states an error so where it has begun to answer before the error occurs, and some stores at every error.
    """
    if response.status != _OK or b"<Error" not in response.body[:_ERROR_WITHIN]:
        return response
    try:
        root = parse_xml(response.body)
    except ValueError:
        return response
    return response._replace(status=_SERVER_ERROR) if root.tag.rpartition("}")[2] == "Error" else response


def service_error_from(response: Response, operation: str) -> ServiceError:
    """Return what an answer of 300 and above to ``operation`` means."""
    document = parse_error(response.body)
    further = document.endpoint or document.archive
    message = f"{document.message} ({further})" if further else document.message
    request_id = response.headers.get("x-amz-request-id", "")
    return answered(operation, response.status, document.code, message, request_id)


def identity_of(headers: Mapping[str, str]) -> str:
    """Return the ETag as listings have it: unquoted, and strong where a proxy weakened it."""
    return headers.get("etag", "").removeprefix("W/").strip('"')


def object_of(key: str, headers: Mapping[str, str]) -> ObjectRef:
    """Return the object a HEAD's headers describe."""
    return ObjectRef(
        key,
        checked_size(headers.get("content-length", "0")) or 0,
        identity_of(headers),
        parse_http_date(headers.get("last-modified")) or 0.0,
        headers.get("x-amz-storage-class", "STANDARD"),
    )
