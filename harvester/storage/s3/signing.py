"""AWS Signature Version 4 for S3, cheap enough for one request per object.

Source: "Signature Calculations for the Authorization Header", Amazon S3 API Reference. botocore signs the same, at some
hundred microseconds a request; all that stays equal between two requests is kept here instead. S3 takes a path as it
stands: it is percent-encoded once and never normalised.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from hmac import new as new_hmac
from urllib.parse import quote, urlsplit

from harvester.sessions import AwsCredentials

EMPTY_PAYLOAD = sha256(b"").hexdigest()
_DATE_KEPT_SECONDS = 30  # S3 accepts 15 minutes of difference
_PLAIN = re.compile(r"[A-Za-z0-9_.~/-]*").fullmatch


def encode_key(key: str) -> str:
    """Return ``key`` as it stands in a path: all but unreserved characters and ``/`` percent-encoded."""
    return key if _PLAIN(key) else quote(key, safe="/~")


def encode_query(parameters: Mapping[str, str]) -> str:
    """Return the query string in the form the signature demands: sorted, percent-encoded, ``=`` always there."""
    pairs = ((quote(name, safe="~"), quote(value, safe="~")) for name, value in parameters.items())
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


class RequestSigner:
    """Signs the requests to one bucket with one set of credentials."""

    def __init__(
        self,
        credentials: AwsCredentials,
        *,
        region: str,
        service: str,
        base_url: str,
        headers: Mapping[str, str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Sign for ``base_url``; every request carries ``headers`` (lower-case names), which are signed too."""
        self._credentials = credentials
        self._region = region
        self._service = service
        self._clock = clock
        parts = urlsplit(base_url)
        self._signed = {"host": _host(parts.scheme, parts.netloc)} | dict(headers)
        if credentials.token:
            self._signed["x-amz-security-token"] = credentials.token
        self._stale = float("-inf")
        self._day = ""
        self._code = new_hmac(b"", digestmod="sha256")

    def sign(self, method: str, path: str, query: str = "") -> list[str]:
        """Return the header lines of a request without a body; ``path`` and ``query`` as they go over the wire."""
        now = self._clock()
        if not self._stale - _DATE_KEPT_SECONDS <= now < self._stale:
            self._refresh(now)
        canonical = f"{method}\n{path}\n{query}\n{self._block}"
        to_sign = self._preamble + sha256(canonical.encode()).hexdigest()
        return [self._authorization + self._signature(to_sign), *self._lines]

    def sign_body(self, method: str, path: str, query: str, body: bytes) -> list[str]:
        """Return the header lines of a request with a body."""
        self._refresh(self._clock())
        payload = sha256(body).hexdigest()
        block, names, lines = self._headers(payload)
        canonical = f"{method}\n{path}\n{query}\n{block}"
        to_sign = self._preamble + sha256(canonical.encode()).hexdigest()
        return [f"{self._credential}, SignedHeaders={names}, Signature={self._signature(to_sign)}", *lines]

    def _signature(self, to_sign: str) -> str:
        # A copy of what has taken the key already costs half of a new one.
        code = self._code.copy()
        code.update(to_sign.encode())
        return code.hexdigest()

    def _refresh(self, now: float) -> None:
        moment = time.gmtime(now)
        self._timestamp = time.strftime("%Y%m%dT%H%M%SZ", moment)
        day = self._timestamp[:8]
        scope = f"{day}/{self._region}/{self._service}/aws4_request"
        if day != self._day:
            key = b"AWS4" + self._credentials.secret_key.encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = new_hmac(key, part.encode(), "sha256").digest()
            self._code = new_hmac(key, digestmod="sha256")
            self._day = day
        self._preamble = f"AWS4-HMAC-SHA256\n{self._timestamp}\n{scope}\n"
        self._credential = f"Authorization: AWS4-HMAC-SHA256 Credential={self._credentials.access_key}/{scope}"
        self._block, names, self._lines = self._headers(EMPTY_PAYLOAD)
        self._authorization = f"{self._credential}, SignedHeaders={names}, Signature="
        self._stale = now + _DATE_KEPT_SECONDS

    def _headers(self, payload: str) -> tuple[str, str, list[str]]:
        """Return the canonical block (headers, their names, payload hash), the names, and the lines to send."""
        signed = self._signed | {"x-amz-content-sha256": payload, "x-amz-date": self._timestamp}
        names = sorted(signed)
        canonical = "".join(f"{name}:{' '.join(signed[name].split())}\n" for name in names)
        joined = ";".join(names)
        # curl itself sends the host as it stands in the URL.
        lines = [f"{name}: {signed[name]}" for name in names if name != "host"]
        return f"{canonical}\n{joined}\n{payload}", joined, lines


def _host(scheme: str, netloc: str) -> str:
    """Return the Host header curl sends: no user, no port where it is the scheme's own."""
    host = netloc.rpartition("@")[2]
    default = {"http": ":80", "https": ":443"}.get(scheme, "")
    return host.removesuffix(default) if default else host
