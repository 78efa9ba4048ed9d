"""``s3://``: AWS and every S3-compatible endpoint, through botocore's configuration and our own requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harvester.error_codes import ErrorCode
from harvester.errors import ConnectionFailed
from harvester.location import Location
from harvester.sessions import S3Connection, S3Session, StoreSettings
from harvester.storage.base import ObjectRef
from harvester.storage.http import HttpClient, Response
from harvester.storage.key_ranges import just_before, split_by_hexadecimal_digit
from harvester.storage.s3.list_page import parse_page
from harvester.storage.s3.rest_api import PAGE_KEYS, S3Requests, bucket_region, object_of, service_error_from
from harvester.storage.service_errors import TransportError, connection_error, harvester_error

_MOVES = 2  # from the default region to the bucket's, and once more for a bucket made anew elsewhere

RequestMaker = Callable[[S3Requests], tuple[str, list[str]]]


class S3Store:
    """A bucket of S3."""

    def __init__(self, location: Location, settings: StoreSettings) -> None:
        """Raises ConfigurationError for a profile that does not exist; asks for no credentials yet."""
        self.location = location
        self._session = S3Session(location.bucket, settings)
        self._region_known = False

    def list_pages(self, start: str = "", end: str | None = None) -> Iterator[list[ObjectRef]]:
        """See Store.list_pages."""
        what = f"cannot list {self.location.url}"
        parameters = {
            "list-type": "2",
            "encoding-type": "url",
            "max-keys": str(PAGE_KEYS),
            "prefix": self.location.prefix,
        }
        if after := just_before(start):
            parameters["start-after"] = after
        exchange: HttpClient | None = None
        try:
            while True:
                connection = self._session.connection()
                exchange = exchange or HttpClient(connection.network)
                response = self._ask(exchange, what, "GET", lambda requests: requests.bucket("GET", parameters))
                try:
                    page = parse_page(response.body)
                except ValueError as error:
                    raise ConnectionFailed(
                        f"{what}: the answer is no list page",
                        cause=str(error),
                        code=ErrorCode.NOT_A_STORE,
                        parameters={"speaks": "s3"},
                        request_id=response.headers.get("x-amz-request-id", ""),
                    ) from error
                within = [found for found in page.objects if found.key >= start and (end is None or found.key < end)]
                if within:
                    yield within
                past_end = end is not None and bool(page.objects) and page.objects[-1].key >= end
                if page.token is None or past_end:
                    return
                parameters.pop("start-after", None)
                parameters["continuation-token"] = page.token
        finally:
            if exchange is not None:
                exchange.close()

    def key_ranges(self, after: str = "") -> list[tuple[str, str | None]]:
        """See Store.key_ranges."""
        return split_by_hexadecimal_digit(self.location.prefix, after)

    def connection(self, *, renew: bool = False) -> S3Connection:
        """See Store.connection. Makes sure of the bucket's region first, as a worker cannot follow a redirect."""
        connection = self._session.connection(renew=renew)
        if not self._region_known:
            exchange = HttpClient(connection.network)
            parameters = {"list-type": "2", "max-keys": "1", "prefix": self.location.prefix}
            try:
                self._answer(exchange, "GET", lambda requests: requests.bucket("GET", parameters))
            finally:
                exchange.close()
            connection = self._session.connection()
        return connection

    def put(self, key: str, body: bytes) -> None:
        """See Store.put."""
        exchange = HttpClient(self._session.connection().network)
        try:
            self._ask(
                exchange,
                f"cannot write {self._url(key)}",
                "PUT",
                lambda requests: requests.put(key, body),
                body,
            )
        finally:
            exchange.close()

    def head(self, key: str) -> ObjectRef | None:
        """See Store.head."""
        what = f"cannot look at {self._url(key)}"
        exchange = HttpClient(self._session.connection().network)
        try:
            answer = self._answer(exchange, "HEAD", lambda requests: requests.head(key))
            if isinstance(answer, Response) and answer.status == 404:
                # A HEAD has no body to tell a missing object from a missing bucket.
                parameters = {"list-type": "2", "max-keys": "1", "prefix": key}
                answer = self._answer(exchange, "GET", lambda requests: requests.bucket("GET", parameters))
                if isinstance(answer, Response) and answer.status == 403:
                    return None
                self._checked(answer, what)
                return None
            return object_of(key, self._checked(answer, what).headers)
        finally:
            exchange.close()

    def _url(self, key: str) -> str:
        return f"s3://{self.location.bucket}/{key}"

    def _ask(
        self, exchange: HttpClient, what: str, method: str, make: RequestMaker, body: bytes | None = None
    ) -> Response:
        """Return the answer of success; raise the error of any other."""
        return self._checked(self._answer(exchange, method, make, body), what)

    def _checked(self, answer: Response | TransportError, what: str) -> Response:
        if isinstance(answer, TransportError):
            raise connection_error(what, answer, url=self.location.url)
        if answer.status >= 300:
            error = service_error_from(answer)
            raise harvester_error(what, error, url=self.location.url, login=self._session.login())
        return answer

    def _answer(
        self, exchange: HttpClient, method: str, make: RequestMaker, body: bytes | None = None
    ) -> Response | TransportError:
        """Send patiently; follow the bucket to its region, and renew expired credentials, once each."""
        renewed = False
        moves = 0
        while True:

            def attempt() -> tuple[str, str, list[str], bytes | None]:
                url, headers = make(S3Requests(self._session.connection()))
                return method, url, headers, body

            answer = exchange.send_with_retries(attempt, _is_retryable)
            if isinstance(answer, TransportError):
                return answer
            if answer.status < 300:
                self._region_known = True
                return answer
            region = bucket_region(answer)
            if region and moves < _MOVES and self._session.move(region):
                moves += 1
            elif service_error_from(answer).expired and not renewed:
                renewed = True
                self._session.connection(renew=True)
            else:
                return answer


def _is_retryable(response: Response) -> bool:
    return response.status >= 300 and service_error_from(response).retryable
