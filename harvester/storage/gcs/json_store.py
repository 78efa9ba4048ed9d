"""``gs://``: Google Cloud Storage and its emulators, through google-auth's credentials and our own requests."""

from __future__ import annotations

from collections.abc import Iterator

from harvester.causes import Cause
from harvester.errors import HarvesterError
from harvester.location import Location
from harvester.sessions import GOOGLE_LOGIN, GcsConnection, GoogleSession, StoreSettings
from harvester.storage.base import PAGE_KEYS, DigestedListing, ListPage, ObjectRef, StoreTime, UploadList
from harvester.storage.gcs.json_api import (
    GcsRequests,
    parse_gcs_folders,
    parse_gcs_page,
    parse_object,
    service_error_from,
)
from harvester.storage.gcs.sdk_calls import GcsCalls, upload
from harvester.storage.http import HttpClient, Response
from harvester.storage.key_ranges import printable_bound, usable_folders
from harvester.storage.page_checks import InvalidListingError, PageChecker
from harvester.storage.service_errors import (
    ServiceError,
    TransportError,
    harvester_error,
    invalid_listing,
)


class GcsStore:
    """A bucket of Google Cloud Storage."""

    def __init__(self, location: Location, settings: StoreSettings) -> None:
        """Ask for no credentials yet."""
        self.location = location
        self._session = GoogleSession(location.bucket, settings)
        self._calls = GcsCalls(location.bucket, self._session, settings.retry)

    def list_pages(
        self, start: str = "", end: str | None = None, *, ordered: bool = False, prefix: str = ""
    ) -> Iterator[ListPage]:
        """See Store.list_pages."""
        what = f"cannot list {self.location.url}"
        prefix = prefix or self.location.prefix
        checker = PageChecker(prefix, start, end, ordered=ordered)
        parameters = {"prefix": prefix, "maxResults": str(PAGE_KEYS)}
        if start > prefix:
            parameters["startOffset"] = printable_bound(start)
        if end is not None and end.startswith(prefix):
            parameters["endOffset"] = printable_bound(end, upper=True)
        client = self._new_client()
        try:
            while True:
                response = self._listed(client, what, parameters)
                try:
                    parsed = parse_gcs_page(response.body)
                    page = checker.check(parsed)
                except (ValueError, InvalidListingError) as error:
                    request_id = response.headers.get("x-guploader-uploadid", "")
                    raise invalid_listing(what, error, scheme="gs", request_id=request_id) from error
                if page.objects or page.refused:
                    yield page
                if parsed.token is None or checker.ended:
                    return
                parameters["pageToken"] = parsed.token
        finally:
            client.close()

    def _new_client(self) -> HttpClient:
        connection = self._session.connection()
        return HttpClient(connection.network, connection.answer_limits)

    def digested(self, secret: bytes) -> DigestedListing | None:  # noqa: ARG002  # part of the protocol
        """See Store.digested."""
        return None

    @property
    def starts_anywhere(self) -> bool:
        """See Store.starts_anywhere."""
        return True

    def list_folders(self, parent: str) -> list[str]:
        """See Store.list_folders."""
        client = self._new_client()
        try:
            parameters = {"prefix": parent, "delimiter": "/", "maxResults": str(PAGE_KEYS)}
            response = self._list(client, parameters)
        finally:
            client.close()
        if isinstance(response, ServiceError):
            return []
        return usable_folders(parse_gcs_folders(response.body), parent)

    def list_uploads(self) -> UploadList | None:
        """Return None: an object is assumed to be created at the end of its upload."""
        return None

    def connection(self, *, renew: bool = False) -> GcsConnection:
        """See Store.connection."""
        return self._session.connection(renew=renew)

    def now(self) -> StoreTime | None:
        """See Store.now. A refusal states the time as well."""
        parameters = {"prefix": self.location.prefix, "maxResults": "1"}
        url, headers = GcsRequests(self._session.connection()).listing(parameters)
        client = self._new_client()
        try:
            return client.store_time(lambda: ("GET", url, headers, None))
        finally:
            client.close()

    def put(self, key: str, body: bytes) -> None:
        """See Store.put."""
        calls = self._calls
        answer = calls.call("objects.insert", lambda bucket: upload(calls, bucket, key, body))
        # An upload names its object in the query: what does not exist can only be the bucket.
        if answer.error is not None:
            raise self._harvester_error(answer.error, f"cannot write {self._url(key)}", missing=Cause.NO_BUCKET)

    def head(self, key: str) -> ObjectRef | None:
        """See Store.head."""
        what = f"cannot read the metadata of {self._url(key)}"
        calls = self._calls
        answer = calls.call(
            "objects.get", lambda bucket: bucket.get_blob(key, retry=calls.retry, timeout=calls.timeout)
        )
        if answer.error is not None:
            raise self._harvester_error(answer.error, what)
        if answer.value is None:
            client = self._new_client()
            try:
                self._listed(client, what, {"prefix": key, "maxResults": "1"})  # raises for a missing bucket
            finally:
                client.close()
            return None
        found = parse_object(answer.value._properties)  # noqa: SLF001  # the resource as sent, which is checked like a list page's
        return found if isinstance(found, ObjectRef) else None

    def _url(self, key: str) -> str:
        return f"gs://{self.location.bucket}/{key}"

    def _listed(self, client: HttpClient, what: str, parameters: dict[str, str]) -> Response:
        """Return the answer of success to a list request; raise the error of any other."""
        answer = self._list(client, parameters)
        if isinstance(answer, ServiceError):
            raise self._harvester_error(answer, what, missing=Cause.NO_BUCKET)
        return answer

    def _list(self, client: HttpClient, parameters: dict[str, str]) -> Response | ServiceError:
        """Send a list request with retries, with a new token once where the present one has expired."""
        renewed = False
        while True:

            def attempt() -> tuple[str, str, list[str], bytes | None]:
                url, headers = GcsRequests(self._session.connection()).listing(parameters)
                return "GET", url, headers, None

            answer = client.send_with_retries(attempt, self._is_retryable)
            if isinstance(answer, Response) and answer.status < 300:
                return answer
            error = answer.as_service_error() if isinstance(answer, TransportError) else self._error(answer)
            if renewed or not error.expired:
                return error
            renewed = True
            self._session.connection(renew=True)

    def _error(self, response: Response) -> ServiceError:
        error = service_error_from(response, "objects.list", anonymous=self._session.anonymous)
        return error.masked((self._session.connection().token,))

    def _is_retryable(self, response: Response) -> bool:
        return response.status >= 300 and self._error(response).retryable

    def _harvester_error(self, error: ServiceError, what: str, *, missing: Cause = Cause.GONE) -> HarvesterError:
        error = error.with_cause(missing) if error.cause is Cause.GONE else error
        return harvester_error(what, error, url=self.location.url, login=GOOGLE_LOGIN)
