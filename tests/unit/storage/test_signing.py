"""Our signature is botocore's, whatever the key, the query and the credentials."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from harvester.sessions.connections import AwsCredentials
from harvester.storage.s3.signing import RequestSigner, encode_key, encode_query

# What S3 can hold: any Unicode but surrogates, which UTF-8 has no bytes for.
keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
hostile_keys = st.one_of(
    keys, st.text("/.%+?#& =~-_\\\n\x00\x7f\u00e9\u0301\U0001f600'\"()!*", min_size=1), st.just("../" * 20)
)
moments = st.integers(1_000_000_000, 32_000_000_000).map(lambda second: dt.datetime.fromtimestamp(second, dt.UTC))
credentials = st.builds(
    AwsCredentials,
    st.text("ABCDEFGHIJ0123456789", min_size=16, max_size=20),
    st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=50),
    st.none() | st.text("abc/+=", min_size=1, max_size=50),
)
bases = st.sampled_from(
    [
        "https://bucket.s3.eu-west-1.amazonaws.com",
        "https://bucket.s3.amazonaws.com:443",
        "http://127.0.0.1:9000/bucket",
        "http://localhost:80/base/bucket",
    ]
)
extras = st.dictionaries(
    st.sampled_from(["x-amz-checksum-mode", "x-amz-request-payer", "x-amz-expected-bucket-owner"]),
    st.sampled_from(["ENABLED", "requester", "111122223333", "two  words "]),
)


def botocores(
    method: str, url: str, lines: list[str], given: AwsCredentials, region: str, body: bytes = b""
) -> Mapping[str, str]:
    """Return the headers botocore sends for the same request at the same time."""
    ours = dict(line.split(": ", 1) for line in lines)
    unsigned = {"Authorization", "x-amz-security-token"}
    request = AWSRequest(method, url, {k: v for k, v in ours.items() if k not in unsigned}, body)
    request.context["timestamp"] = ours["x-amz-date"]
    signer = S3SigV4Auth(Credentials(given.access_key, given.secret_key, given.token), "s3", region)
    if given.token:
        request.headers["X-Amz-Security-Token"] = given.token
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    names = signer.signed_headers(signer.headers_to_sign(request))
    credential = f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}"
    return {"Authorization": f"{credential}, SignedHeaders={names}, Signature={signature}"}


def signer_for(given: AwsCredentials, base: str, extra: Mapping[str, str], now: dt.datetime) -> RequestSigner:
    return RequestSigner(given, region="eu-west-1", service="s3", base_url=base, headers=extra, clock=now.timestamp)


@given(hostile_keys, credentials, bases, extras, moments, st.sampled_from(["GET", "HEAD"]))
def test_an_object_is_signed_for_as_botocore_does(
    key: str, given: AwsCredentials, base: str, extra: dict[str, str], now: dt.datetime, method: str
) -> None:
    path = base.partition("://")[2].partition("/")[1:]
    path_of_key = "".join(path) + "/" + encode_key(key)
    origin = base.removesuffix("".join(path))

    lines = signer_for(given, base, extra, now).sign(method, path_of_key)

    assert (
        lines[0]
        == "Authorization: " + botocores(method, origin + path_of_key, lines, given, "eu-west-1")["Authorization"]
    )
    assert (f"x-amz-security-token: {given.token}" in lines) == (given.token is not None)


@given(st.dictionaries(keys, keys, max_size=5), credentials, bases, moments)
def test_a_query_is_signed_for_as_botocore_does(
    query: dict[str, str], given: AwsCredentials, base: str, now: dt.datetime
) -> None:
    path = "".join(base.partition("://")[2].partition("/")[1:]) or "/"
    origin = base.removesuffix(path)
    encoded = encode_query(query)

    lines = signer_for(given, base, {}, now).sign("GET", path, encoded)

    url = f"{origin}{path}?{encoded}"
    assert lines[0] == "Authorization: " + botocores("GET", url, lines, given, "eu-west-1")["Authorization"]


@given(st.binary(max_size=100), hostile_keys, credentials, moments)
def test_a_body_is_signed_for_as_botocore_does(body: bytes, key: str, given: AwsCredentials, now: dt.datetime) -> None:
    base = "https://bucket.s3.eu-west-1.amazonaws.com"
    path = "/" + encode_key(key)

    lines = signer_for(given, base, {}, now).sign_body("PUT", path, "", body)

    assert (
        lines[0] == "Authorization: " + botocores("PUT", base + path, lines, given, "eu-west-1", body)["Authorization"]
    )


def test_the_date_follows_the_clock_also_backwards() -> None:
    now = [1_700_000_000.0]
    signer = RequestSigner(
        AwsCredentials("A" * 16, "secret", None),
        region="us-east-1",
        service="s3",
        base_url="http://h",
        headers={},
        clock=lambda: now[0],
    )

    def date() -> str:
        return next(line for line in signer.sign("GET", "/k") if line.startswith("x-amz-date"))

    first = date()
    now[0] += 5
    assert date() == first
    now[0] += 3600
    assert date() == "x-amz-date: 20231114T231325Z"
    now[0] -= 7200
    assert date() == "x-amz-date: 20231114T211325Z"
    now[0] += 86_400
    assert date() == "x-amz-date: 20231115T211325Z"
