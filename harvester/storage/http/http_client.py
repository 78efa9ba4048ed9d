"""One HTTP request and its answer through curl, and how every curl handle is set up."""

import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from io import BytesIO
from typing import NamedTuple, cast

import pycurl

from harvester import __version__
from harvester.causes import Cause
from harvester.retry import parse_retry_after
from harvester.sessions import AnswerLimits, Network
from harvester.storage.base import StoreTime
from harvester.storage.service_errors import TransportError

# A list page has some hundred KiB. Each part that curl hands over costs a change of threads, where several list.
_LIST_BUFFER_BYTES = 256 * 1024
_CRAWL = 16  # bytes a second; curl averages over some seconds, so that 1 would notice a stall late
_PROXY_LOGIN = 407
_SERVER_ERROR = 500
_LONGEST_SECONDS = 2_000_000.0
USER_AGENT = f"nimble-harvester/{__version__}"

# curl's errors of connections that could not be made or broke: retryable.
_BROKEN_CONNECTION = frozenset(
    {
        pycurl.E_COULDNT_RESOLVE_PROXY,
        pycurl.E_COULDNT_RESOLVE_HOST,
        pycurl.E_COULDNT_CONNECT,
        pycurl.E_PARTIAL_FILE,
        pycurl.E_SSL_CONNECT_ERROR,
        pycurl.E_GOT_NOTHING,
        pycurl.E_SEND_ERROR,
        pycurl.E_RECV_ERROR,
        pycurl.E_BAD_CONTENT_ENCODING,
        pycurl.E_FTP_WEIRD_SERVER_REPLY,
        pycurl.E_UNSUPPORTED_PROTOCOL,  # also: an answer without a status line
        97,  # CURLE_PROXY, the proxy's handshake failed; pycurl has no name for it
    }
)
_CERTIFICATE = frozenset({pycurl.E_PEER_FAILED_VERIFICATION, pycurl.E_SSL_CACERT_BADFILE, pycurl.E_SSL_ISSUER_ERROR})


@cache
def _curl_names() -> Mapping[int, str]:
    """Return the names of curl's errors, for which pycurl has no function."""
    # Other protocols' and the multi interface's names share the numbers.
    return {
        value: name.removeprefix("E_")
        for name, value in sorted(vars(pycurl).items(), reverse=True)
        if name.startswith("E_") and not name.startswith(("E_MULTI_", "E_FTP_", "E_TFTP_")) and isinstance(value, int)
    }


class Response(NamedTuple):
    """A complete answer."""

    status: int
    """The HTTP status."""
    headers: Mapping[str, str]
    """Headers by lower-case name; of several equal ones the last, as no store sends them on purpose."""
    body: bytes
    """The body as sent."""

    def retry_after(self) -> float | None:
        """Return the seconds the store asks to wait, None where it names none that can be read."""
        text = self.headers.get("retry-after", "")
        return parse_retry_after(text, datetime.now(UTC)) if text else None


def new_handle(network: Network) -> pycurl.Curl:
    """Return a curl handle for ``network``: keys as given, no redirects, only HTTP, no environment variables."""
    handle = pycurl.Curl()
    handle.setopt(pycurl.PATH_AS_IS, 1)  # or curl would fold "../x" and ask for another key
    handle.setopt(pycurl.NOSIGNAL, 1)
    handle.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
    handle.setopt(pycurl.USERAGENT, USER_AGENT)
    # As bytes: pycurl takes text in ASCII only, and both come from the environment.
    handle.setopt(pycurl.PROXY, os.fsencode(network.proxy))
    handle.setopt(pycurl.NOPROXY, "" if network.proxy else "*")
    handle.setopt(pycurl.CONNECTTIMEOUT_MS, int(network.retry.connect_seconds * 1000))
    handle.setopt(pycurl.LOW_SPEED_LIMIT, _CRAWL)
    handle.setopt(pycurl.LOW_SPEED_TIME, network.retry.stall_seconds)
    handle.setopt(pycurl.TIMEOUT_MS, milliseconds(network.retry.total_seconds))
    if network.ca_bundle is not None:
        handle.setopt(pycurl.CAINFO, os.fsencode(network.ca_bundle))
        if network.proxy.startswith("https:"):
            handle.setopt(pycurl.PROXY_CAINFO, os.fsencode(network.ca_bundle))
    return handle


def milliseconds(seconds: float) -> int:
    """Return a time limit for curl, which takes 0 for none and a C int at most."""
    return max(1, int(min(seconds, _LONGEST_SECONDS) * 1000))


# Answers of one store repeat many of their header lines. Bounded, as a store may send any.
_lines: dict[bytes, tuple[str, str]] = {}
_LINES_KEPT = 1024
_STATUS_LINE = ":"  # no header has this name


def parse_headers(lines: list[bytes]) -> tuple[int, dict[str, str]]:
    """Return status and headers of the last answer in ``lines``, as curl hands them over line by line."""
    status = 0
    headers: dict[str, str] = {}
    for line in lines:
        known = _lines.get(line)
        if known is None:
            if len(_lines) >= _LINES_KEPT:
                _lines.clear()
            known = _lines[line] = _parse_line(line)
        name, value = known
        if name == _STATUS_LINE:
            status = int(value)
            headers.clear()
        elif name:
            headers[name] = value
    return status, headers


def _parse_line(line: bytes) -> tuple[str, str]:
    """Return name and value of a header, or the status of a status line; empty for what is neither."""
    raw, colon, value = line.partition(b":")
    if colon:
        return raw.decode("iso-8859-1").lower(), value.strip().decode("iso-8859-1")
    if line.startswith(b"HTTP/"):
        code = line[5:].split(None, 2)[1:2]
        return _STATUS_LINE, code[0].decode() if code and code[0].isdigit() and len(code[0]) == 3 else "0"
    return "", ""


def parse_http_date(text: str | None) -> float | None:
    """Return an HTTP date as seconds since the epoch, None where there is none or it cannot be read."""
    if not text:
        return None
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError, OSError):
        return None


def explain_curl(code: int, message: str, connect_status: int = 0) -> TransportError:
    """Return what curl's error ``code`` means; ``connect_status`` is the proxy's answer to CONNECT."""
    name = _curl_names().get(code, str(code))
    if connect_status == _PROXY_LOGIN:
        return TransportError(Cause.PROXY_LOGIN, name, message, retryable=False)
    if code == pycurl.E_OPERATION_TIMEDOUT:
        return TransportError(Cause.TIMEOUT, name, message, retryable=True)
    if code in _BROKEN_CONNECTION:
        return TransportError(Cause.NETWORK, name, message, retryable=True)
    if code in _CERTIFICATE:
        return TransportError(Cause.CERTIFICATE, name, message, retryable=False)
    return TransportError(Cause.SERVER_ERROR, name, message, retryable=False)


class _BoundedBody:
    """Collects a body, and ends the transfer when it exceeds its limit."""

    def __init__(self, lines: list[bytes], limits: AnswerLimits) -> None:
        """Take the status from ``lines``, which curl fills before the first byte of the body."""
        self._lines = lines
        self._limits = limits
        self._chunks: list[bytes] = []
        self._left: int | None = None
        self.limit = 0
        """Bytes this answer may have; known with the first of them."""
        self.exceeded = False
        """Whether the answer had more."""

    def write(self, data: bytes) -> int:
        """Take bytes from curl; returns fewer than given to end the transfer."""
        if self._left is None:
            status, _ = parse_headers(self._lines)
            self._left = self.limit = self._limits.list_bytes if 200 <= status < 300 else self._limits.error_bytes
        self._left -= len(data)
        if self._left < 0:
            self.exceeded = True
            return 0
        self._chunks.append(data)
        return len(data)

    def content(self) -> bytes:
        """Return what came."""
        return b"".join(self._chunks)


class HttpClient:
    """Sends requests one after the other over a persistent connection; for one thread."""

    def __init__(self, network: Network, limits: AnswerLimits) -> None:
        """Connect through ``network`` at the first request; answers longer than ``limits`` are errors."""
        self._network = network
        self._limits = limits
        self._handle = new_handle(network)
        self._handle.setopt(pycurl.BUFFERSIZE, _LIST_BUFFER_BYTES)

    def send(self, method: str, url: str, headers: list[str], body: bytes | None = None) -> Response | TransportError:
        """Send one request and return its answer, or why there is none."""
        handle = self._handle
        lines: list[bytes] = []
        received = _BoundedBody(lines, self._limits)
        handle.setopt(pycurl.URL, url)
        handle.setopt(pycurl.HTTPHEADER, headers)
        handle.setopt(pycurl.WRITEFUNCTION, received.write)
        handle.setopt(pycurl.HEADERFUNCTION, lines.append)
        if body is None:
            handle.setopt(pycurl.HTTPGET, 1)
            handle.setopt(pycurl.NOBODY, int(method == "HEAD"))
        else:
            handle.setopt(pycurl.UPLOAD, 1)
            handle.setopt(pycurl.INFILESIZE_LARGE, len(body))
            handle.setopt(pycurl.READFUNCTION, BytesIO(body).read)
        handle.setopt(pycurl.CUSTOMREQUEST, method)
        try:
            handle.perform()
        except pycurl.error as error:
            if received.exceeded:
                return TransportError(
                    Cause.SERVER_ERROR,
                    "ANSWER_TOO_LONG",
                    f"the answer is longer than {received.limit:,} bytes",
                    retryable=False,
                )
            code, message = cast("tuple[int, str]", error.args)
            return explain_curl(code, message, handle.getinfo(pycurl.HTTP_CONNECTCODE))
        status, parsed = parse_headers(lines)
        return Response(status, parsed, received.content())

    def send_with_retries(
        self,
        attempt: Callable[[], tuple[str, str, list[str], bytes | None]],
        retryable: Callable[[Response], bool],
    ) -> Response | TransportError:
        """Send what ``attempt`` makes, anew each time as signatures age, until the answer is not retryable."""
        policy = self._network.retry
        started = time.monotonic()
        attempts = 0
        while True:
            answer = self.send(*attempt())
            attempts += 1
            again = answer.retryable if isinstance(answer, TransportError) else retryable(answer)
            if not again or attempts >= policy.attempts:
                return answer
            delay = policy.delay(attempts, answer.retry_after() if isinstance(answer, Response) else None)
            if time.monotonic() - started + delay > policy.seconds:
                return answer
            time.sleep(delay)

    def store_time(self, attempt: Callable[[], tuple[str, str, list[str], bytes | None]]) -> StoreTime | None:
        """Return the time that the answer to a request states, whatever its status; None without one."""
        answer = self.send_with_retries(attempt, lambda response: response.status >= _SERVER_ERROR)
        date = None if isinstance(answer, TransportError) else parse_http_date(answer.headers.get("date"))
        return None if date is None else StoreTime.of_http(date)

    def close(self) -> None:
        """Close the connection."""
        self._handle.close()
