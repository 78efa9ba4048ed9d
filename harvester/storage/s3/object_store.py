"""``s3://``: AWS and every S3-compatible endpoint, through botocore's configuration and our own requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harvester.errors import ConnectionFailed
from harvester.location import Location
from harvester.sessions import S3Session, S3Transport, StoreSettings
from harvester.storage.base import ObjectRef
from harvester.storage.http import HttpExchange, Response
from harvester.storage.key_ranges import just_before, split_by_hexadecimal_digit
from harvester.storage.s3.list_page import parse_page
from harvester.storage.s3.rest_api import PAGE_KEYS, S3Requests, bucket_region, object_of, problem_of
from harvester.storage.store_errors import BrokenExchange, error_of_broken, error_of_problem

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
        exchange: HttpExchange | None = None
        try:
            while True:
                transport = self._session.transport()
                exchange = exchange or HttpExchange(transport.network)
                response = self._ask(exchange, what, "GET", lambda requests: requests.bucket("GET", parameters))
                try:
                    page = parse_page(response.body)
                except ValueError as error:
                    raise ConnectionFailed(
                        f"{what}: the answer is no list page",
                        cause=str(error),
                        next_step="check that the endpoint speaks S3",
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

    def transport(self, *, renew: bool = False) -> S3Transport:
        """See Store.transport. Makes sure of the bucket's region first, as a worker cannot follow a redirect."""
        transport = self._session.transport(renew=renew)
        if not self._region_known:
            exchange = HttpExchange(transport.network)
            parameters = {"list-type": "2", "max-keys": "1", "prefix": self.location.prefix}
            try:
                self._answer(exchange, "GET", lambda requests: requests.bucket("GET", parameters))
            finally:
                exchange.close()
            transport = self._session.transport()
        return transport

    def put(self, key: str, body: bytes) -> None:
        """See Store.put."""
        exchange = HttpExchange(self._session.transport().network)
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
        exchange = HttpExchange(self._session.transport().network)
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
        self, exchange: HttpExchange, what: str, method: str, make: RequestMaker, body: bytes | None = None
    ) -> Response:
        """Return the answer of success; raise the error of any other."""
        return self._checked(self._answer(exchange, method, make, body), what)

    def _checked(self, answer: Response | BrokenExchange, what: str) -> Response:
        if isinstance(answer, BrokenExchange):
            raise error_of_broken(what, answer, url=self.location.url)
        if answer.status >= 300:
            problem = problem_of(answer)
            raise error_of_problem(what, problem, url=self.location.url, login=self._session.login_command())
        return answer

    def _answer(
        self, exchange: HttpExchange, method: str, make: RequestMaker, body: bytes | None = None
    ) -> Response | BrokenExchange:
        """Send patiently; follow the bucket to its region, and renew expired credentials, once each."""
        renewed = False
        moves = 0
        while True:

            def attempt() -> tuple[str, str, list[str], bytes | None]:
                url, headers = make(S3Requests(self._session.transport()))
                return method, url, headers, body

            answer = exchange.send_patiently(attempt, _worth_another_try)
            if isinstance(answer, BrokenExchange):
                return answer
            if answer.status < 300:
                self._region_known = True
                return answer
            region = bucket_region(answer)
            if region and moves < _MOVES and self._session.move(region):
                moves += 1
            elif problem_of(answer).expired and not renewed:
                renewed = True
                self._session.transport(renew=True)
            else:
                return answer


def _worth_another_try(response: Response) -> bool:
    return response.status >= 300 and problem_of(response).retryable
