"""``gs://``: Google Cloud Storage and its emulators, through google-auth's credentials and our own requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harvester.error_codes import ErrorCode
from harvester.errors import ConnectionFailed
from harvester.location import Location
from harvester.sessions import GOOGLE_LOGIN, GcsConnection, GoogleSession, StoreSettings
from harvester.storage.base import Cause, ObjectRef
from harvester.storage.gcs.json_api import PAGE_KEYS, GcsRequests, parse_gcs_page, service_error_from
from harvester.storage.gcs.sdk_objects import GcsObjects, Refused
from harvester.storage.http import HttpClient, Response
from harvester.storage.key_ranges import split_by_hexadecimal_digit
from harvester.storage.service_errors import ServiceError, TransportError, connection_error, harvester_error

RequestMaker = Callable[[GcsRequests], tuple[str, list[str]]]


class GcsStore:
    """A bucket of Google Cloud Storage."""

    def __init__(self, location: Location, settings: StoreSettings) -> None:
        """Ask for no credentials yet."""
        self.location = location
        self._session = GoogleSession(location.bucket, settings)
        self._objects = GcsObjects(location.bucket, self._session, settings.retry)

    def list_pages(self, start: str = "", end: str | None = None) -> Iterator[list[ObjectRef]]:
        """See Store.list_pages."""
        what = f"cannot list {self.location.url}"
        parameters = {"prefix": self.location.prefix, "maxResults": str(PAGE_KEYS)}
        if start:
            parameters["startOffset"] = start
        if end is not None:
            parameters["endOffset"] = end
        exchange = HttpClient(self._session.connection().network)
        try:
            while True:
                response = self._listed(exchange, what, parameters)
                try:
                    page = parse_gcs_page(response.body)
                except ValueError as error:
                    raise ConnectionFailed(
                        f"{what}: the answer is no list page",
                        cause=str(error),
                        code=ErrorCode.NOT_A_STORE,
                        parameters={"speaks": "gs"},
                    ) from error
                within = [found for found in page.objects if found.key >= start and (end is None or found.key < end)]
                if within:
                    yield within
                if page.token is None:
                    return
                parameters["pageToken"] = page.token
        finally:
            exchange.close()

    def key_ranges(self, after: str = "") -> list[tuple[str, str | None]]:
        """See Store.key_ranges."""
        return split_by_hexadecimal_digit(self.location.prefix, after)

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
            exchange = HttpClient(self._session.connection().network)
            try:
                self._listed(exchange, what, {"prefix": key, "maxResults": "1"})  # raises for a missing bucket
            finally:
                exchange.close()
        return found

    def _url(self, key: str) -> str:
        return f"gs://{self.location.bucket}/{key}"

    def _listed(self, exchange: HttpClient, what: str, parameters: dict[str, str]) -> Response:
        answer = self._answer(exchange, "GET", lambda requests: requests.listing(parameters))
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
        self, exchange: HttpClient, method: str, make: RequestMaker, body: bytes | None = None
    ) -> Response | TransportError:
        """Send patiently; with a fresh token once, when the store calls the present one expired."""
        renewed = False
        while True:

            def attempt() -> tuple[str, str, list[str], bytes | None]:
                url, headers = make(GcsRequests(self._session.connection()))
                return method, url, headers, body

            answer = exchange.send_with_retries(attempt, self._is_retryable)
            if isinstance(answer, TransportError) or answer.status < 300:
                return answer
            if renewed or not self._service_error(answer).expired:
                return answer
            renewed = True
            self._session.connection(renew=True)

    def _is_retryable(self, response: Response) -> bool:
        return response.status >= 300 and self._service_error(response).retryable
