"""``gs://``: Google Cloud Storage and its emulators, through google-auth's credentials and our own requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harvester.location import Location
from harvester.sessions import GOOGLE_LOGIN, GcsConnection, GoogleSession, StoreSettings
from harvester.storage.base import PAGE_KEYS, Cause, ListPage, ObjectRef
from harvester.storage.gcs.json_api import GcsRequests, parse_gcs_folders, parse_gcs_page, service_error_from
from harvester.storage.gcs.sdk_objects import GcsObjects, Refused
from harvester.storage.http import HttpClient, Response
from harvester.storage.key_ranges import usable_folders
from harvester.storage.page_checks import InvalidListingError, PageChecker
from harvester.storage.service_errors import (
    ServiceError,
    TransportError,
    connection_error,
    harvester_error,
    invalid_listing,
)

RequestMaker = Callable[[GcsRequests], tuple[str, list[str]]]


class GcsStore:
    """A bucket of Google Cloud Storage."""

    def __init__(self, location: Location, settings: StoreSettings) -> None:
        """Ask for no credentials yet."""
        self.location = location
        self._session = GoogleSession(location.bucket, settings)
        self._objects = GcsObjects(location.bucket, self._session, settings.retry)

    def list_pages(self, start: str = "", end: str | None = None, *, ordered: bool = False) -> Iterator[ListPage]:
        """See Store.list_pages."""
        what = f"cannot list {self.location.url}"
        checker = PageChecker(self.location.prefix, start, end, ordered=ordered)
        parameters = {"prefix": self.location.prefix, "maxResults": str(PAGE_KEYS)}
        if start:
            parameters["startOffset"] = start
        if end is not None:
            parameters["endOffset"] = end
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

    @property
    def starts_anywhere(self) -> bool:
        """See Store.starts_anywhere."""
        return True

    def list_folders(self, parent: str) -> list[str]:
        """See Store.list_folders."""
        client = self._new_client()
        try:
            parameters = {"prefix": parent, "delimiter": "/", "maxResults": str(PAGE_KEYS)}
            response = self._answer(client, "GET", lambda requests: requests.listing(parameters))
        finally:
            client.close()
        if not isinstance(response, Response) or response.status >= 300:
            return []
        return usable_folders(parse_gcs_folders(response.body), parent)

    def connection(self, *, renew: bool = False) -> GcsConnection:
        """See Store.connection."""
        return self._session.connection(renew=renew)

    def put(self, key: str, body: bytes) -> None:
        """See Store.put."""
        what = f"cannot write {self._url(key)}"
        try:
            self._objects.put(key, body, what)
        except Refused as refused:
            # An upload names its object in the query: what is not there can only be the bucket.
            self._checked(refused.response, what, missing=Cause.NO_BUCKET)

    def head(self, key: str) -> ObjectRef | None:
        """See Store.head."""
        what = f"cannot look at {self._url(key)}"
        try:
            found = self._objects.head(key, what)
        except Refused as refused:
            self._checked(refused.response, what)
            raise
        if found is None:
            client = self._new_client()
            try:
                self._listed(client, what, {"prefix": key, "maxResults": "1"})  # raises for a missing bucket
            finally:
                client.close()
        return found

    def _url(self, key: str) -> str:
        return f"gs://{self.location.bucket}/{key}"

    def _listed(self, client: HttpClient, what: str, parameters: dict[str, str]) -> Response:
        answer = self._answer(client, "GET", lambda requests: requests.listing(parameters))
        return self._checked(answer, what, missing=Cause.NO_BUCKET)

    def _checked(self, answer: Response | TransportError, what: str, *, missing: Cause = Cause.GONE) -> Response:
        """Return the answer of success; raise the error of any other."""
        if isinstance(answer, TransportError):
            raise connection_error(what, answer, url=self.location.url)
        if answer.status >= 300:
            error = self._service_error(answer, missing)
            raise harvester_error(what, error, url=self.location.url, login=GOOGLE_LOGIN)
        return answer

    def _service_error(self, answer: Response, missing: Cause = Cause.GONE) -> ServiceError:
        error = service_error_from(answer, anonymous=self._session.anonymous)
        return error.with_cause(missing) if error.cause is Cause.GONE else error

    def _answer(
        self, client: HttpClient, method: str, make: RequestMaker, body: bytes | None = None
    ) -> Response | TransportError:
        """Send patiently; with a fresh token once, when the store calls the present one expired."""
        renewed = False
        while True:

            def attempt() -> tuple[str, str, list[str], bytes | None]:
                url, headers = make(GcsRequests(self._session.connection()))
                return method, url, headers, body

            answer = client.send_with_retries(attempt, self._is_retryable)
            if isinstance(answer, TransportError) or answer.status < 300:
                return answer
            if renewed or not self._service_error(answer).expired:
                return answer
            renewed = True
            self._session.connection(renew=True)

    def _is_retryable(self, response: Response) -> bool:
        return response.status >= 300 and self._service_error(response).retryable
