"""``s3://``: AWS and every S3-compatible endpoint, through botocore's configuration and our own requests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from harvester.location import Location
from harvester.sessions import S3Connection, S3Session, StoreSettings
from harvester.storage.base import PAGE_KEYS, DigestedListing, ListPage, ObjectRef, StoreTime, UploadList
from harvester.storage.http import HttpClient, Response
from harvester.storage.key_ranges import just_before, usable_folders
from harvester.storage.page_checks import InvalidListingError, PageChecker, ParsedPage
from harvester.storage.s3.digested_pages import DigestedPages
from harvester.storage.s3.list_page import parse_common_prefixes, parse_page
from harvester.storage.s3.rest_api import S3Requests, bucket_region, object_of, service_error_from, with_stated_error
from harvester.storage.s3.upload_pages import list_uploads
from harvester.storage.service_errors import ServiceError, TransportError, harvester_error, invalid_listing

_MOVES = 2  # from the default region to the bucket's, and once more for a bucket made anew elsewhere

RequestMaker = Callable[[S3Requests], tuple[str, list[str]]]


class S3Store:
    """A bucket of S3."""

    def __init__(self, location: Location, settings: StoreSettings) -> None:
        """Raises ConfigurationError for a profile that does not exist; asks for no credentials yet."""
        self.location = location
        self._session = S3Session(location.bucket, settings)
        self._region_known = False
        self._gives_tokens = True
        self._clients = threading.local()

    def list_pages(
        self, start: str = "", end: str | None = None, *, ordered: bool = False, prefix: str = ""
    ) -> Iterator[ListPage]:
        """See Store.list_pages."""
        return self.pages(start, end, ordered=ordered, prefix=prefix)

    def pages(
        self,
        start: str,
        end: str | None,
        *,
        ordered: bool,
        prefix: str,
        page_keys: int = PAGE_KEYS,
        digest: Callable[[bytes, ParsedPage, ListPage], ListPage] | None = None,
    ) -> Iterator[ListPage]:
        """Yield pages like ``list_pages``, each passed through ``digest`` with its answer."""
        prefix = prefix or self.location.prefix
        checker = PageChecker(prefix, start, end, ordered=ordered)
        parameters = self.list_parameters(prefix, page_keys)
        if start > prefix and (after := just_before(start)):
            parameters["start-after"] = after
        client = self._new_client()
        try:
            while True:
                response = self.list_answer(client, parameters)
                parsed, page = self.checked_page(response, checker)
                if page.objects or page.refused:
                    yield page if digest is None else digest(response.body, parsed, page)
                if not parsed.truncated or checker.ended:
                    return
                self._continue(parameters, parsed, checker)
        finally:
            client.close()

    @staticmethod
    def list_parameters(prefix: str, page_keys: int) -> dict[str, str]:
        """Return the parameters of a listing's first request."""
        return {"list-type": "2", "encoding-type": "url", "max-keys": str(page_keys), "prefix": prefix}

    def list_answer(self, client: HttpClient, parameters: dict[str, str]) -> Response:
        """Return the answer to one list request. Raises like ``list_pages``."""
        answer = self._request(client, "ListObjectsV2", lambda requests: requests.bucket("GET", parameters))
        return self._success(answer, f"cannot list {self.location.url}")

    def checked_page(self, response: Response, checker: PageChecker) -> tuple[ParsedPage, ListPage]:
        """Return a list answer as parsed and as checked. Raises ConnectionFailed for one that is no page."""
        what = f"cannot list {self.location.url}"
        try:
            parsed = parse_page(response.body)
            return parsed, checker.check(parsed)
        except (ValueError, InvalidListingError) as error:
            request_id = response.headers.get("x-amz-request-id", "")
            raise invalid_listing(what, error, scheme="s3", request_id=request_id) from error

    def _continue(self, parameters: dict[str, str], parsed: ParsedPage, checker: PageChecker) -> None:
        """Ask for the next page: by token, else after the last key, as list version 2 and 1 name it."""
        parameters.pop("start-after", None)
        if parsed.token is not None:
            parameters["continuation-token"] = parsed.token
            return
        if not (parsed.objects or parsed.refused):
            endless = InvalidListingError("truncated, without a token and without keys")
            raise invalid_listing(f"cannot list {self.location.url}", endless, scheme="s3")
        parameters.pop("continuation-token", None)
        self._gives_tokens = False
        parameters["start-after"] = parameters["marker"] = checker.last_key

    def _new_client(self) -> HttpClient:
        connection = self._session.connection()
        return HttpClient(connection.network, connection.answer_limits)

    def kept_client(self) -> HttpClient:
        """Return a client of this thread: many keys asked for one by one need one connection."""
        client: HttpClient | None = getattr(self._clients, "of_thread", None)
        if client is None:
            client = self._clients.of_thread = self._new_client()
        return client

    def digested(self, secret: bytes) -> DigestedListing | None:
        """See Store.digested."""
        return DigestedPages(self, secret)

    @property
    def starts_anywhere(self) -> bool:
        """See Store.starts_anywhere. A store that gives no tokens may not know ``start-after`` either."""
        return self._gives_tokens

    def list_folders(self, parent: str) -> list[str]:
        """See Store.list_folders."""
        parameters = {
            "list-type": "2",
            "encoding-type": "url",
            "max-keys": str(PAGE_KEYS),
            "prefix": parent,
            "delimiter": "/",
        }
        client = self._new_client()
        try:
            response = self._request(client, "ListObjectsV2", lambda requests: requests.bucket("GET", parameters))
        finally:
            client.close()
        if isinstance(response, ServiceError):
            return []
        return usable_folders(parse_common_prefixes(response.body), parent)

    def list_uploads(self) -> UploadList:
        """See Store.list_uploads. Takes s3:ListBucketMultipartUploads."""
        client = self._new_client()

        def ask(parameters: dict[str, str]) -> Response | ServiceError:
            return self._request(client, "ListMultipartUploads", lambda requests: requests.bucket("GET", parameters))

        try:
            return list_uploads(ask, self.location.prefix)
        finally:
            client.close()

    def connection(self, *, renew: bool = False) -> S3Connection:
        """See Store.connection. Makes sure of the bucket's region first, as a worker cannot follow a redirect."""
        connection = self._session.connection(renew=renew)
        if not self._region_known:
            client = HttpClient(connection.network, connection.answer_limits)
            try:
                self._list_one(client, self.location.prefix)
            finally:
                client.close()
            connection = self._session.connection()
        return connection

    def now(self) -> StoreTime | None:
        """See Store.now. A refusal states the time as well."""
        parameters = {"list-type": "2", "max-keys": "1", "prefix": self.location.prefix}
        connection = self._session.connection()
        url, headers = S3Requests(connection).bucket("GET", parameters)
        client = self._new_client()
        try:
            return client.store_time(lambda: ("GET", url, headers, None))
        finally:
            client.close()

    def put(self, key: str, body: bytes) -> None:
        """See Store.put."""
        client = self._new_client()
        try:
            answer = self._request(client, "PutObject", lambda requests: requests.put(key, body), body)
        finally:
            client.close()
        self._success(answer, f"cannot write {self._url(key)}")

    def head(self, key: str) -> ObjectRef | None:
        """See Store.head."""
        what = f"cannot read the metadata of {self._url(key)}"
        client = self.kept_client()
        answer = self._request(client, "HeadObject", lambda requests: requests.head(key))
        if isinstance(answer, ServiceError) and answer.status == 404:
            # The answer to a HEAD has no body that distinguishes a missing object from a missing bucket.
            answer = self._list_one(client, key)
            if isinstance(answer, Response) or answer.status == 403:
                return None
        return object_of(key, self._success(answer, what).headers)

    def _list_one(self, client: HttpClient, prefix: str) -> Response | ServiceError:
        parameters = {"list-type": "2", "max-keys": "1", "prefix": prefix}
        return self._request(client, "ListObjectsV2", lambda requests: requests.bucket("GET", parameters))

    def _url(self, key: str) -> str:
        return f"s3://{self.location.bucket}/{key}"

    def _success(self, answer: Response | ServiceError, what: str) -> Response:
        """Return the answer of success; raise the error of any other."""
        if isinstance(answer, ServiceError):
            raise harvester_error(what, answer, url=self.location.url, login=self._session.login())
        return answer

    def _request(
        self, client: HttpClient, operation: str, make: RequestMaker, body: bytes | None = None
    ) -> Response | ServiceError:
        """Send with retries; follow the bucket to its region, and renew expired credentials once."""
        renewed = False
        moves = 0
        while True:

            def attempt() -> tuple[str, str, list[str], bytes | None]:
                url, headers = make(S3Requests(self._session.connection()))
                return _METHODS[operation], url, headers, body

            answer = client.send_with_retries(
                attempt, lambda response: _is_retryable(with_stated_error(response), operation)
            )
            if isinstance(answer, TransportError):
                return answer.as_service_error()
            answer = with_stated_error(answer)
            if answer.status < 300:
                self._region_known = True
                return answer
            credentials = self._session.connection().credentials
            error = service_error_from(answer, operation).masked(credentials)
            region = bucket_region(answer)
            if region and moves < _MOVES and self._session.move(region):
                moves += 1
            elif error.expired and not renewed:
                renewed = True
                self._session.connection(renew=True)
            else:
                return error


_METHODS = {"ListObjectsV2": "GET", "ListMultipartUploads": "GET", "HeadObject": "HEAD", "PutObject": "PUT"}


def _is_retryable(response: Response, operation: str) -> bool:
    return response.status >= 300 and service_error_from(response, operation).retryable
