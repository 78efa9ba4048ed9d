"""The client against servers that are not Nimble's API, or that answer without a bound."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable

import httpx
import pytest

from harvester.error_codes import ErrorCode
from harvester.errors import ConfigurationError, IntegrityError
from harvester.nimble_api.bounded_http import UnusableBody, bounded_client
from harvester.nimble_api.client import NimbleClient
from scripts.servers.loopback_server import Answer, LoopbackServer, Request

LIMIT = 1024 * 1024
JSON = {"content-type": "application/json"}


def client(server: LoopbackServer) -> NimbleClient:
    return NimbleClient("nk-1", base_url=server.url, attempts=1, max_response_bytes=LIMIT)


def serve(answer: Answer) -> LoopbackServer:
    return LoopbackServer(lambda _: answer)


def result_of(length: int) -> bytes:
    body = json.dumps({"data": {"html": ""}}).encode()
    return json.dumps({"data": {"html": "x" * (length - len(body))}}).encode()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(status: int) -> None:
    requests: list[Request] = []

    def elsewhere(request: Request) -> Answer:
        requests.append(request)
        return Answer(200, b'{"task": {"id": "t1"}}', JSON)

    with (
        LoopbackServer(elsewhere) as other,
        serve(Answer(status, headers={"location": f"{other.url}/v2/tasks/t1"})) as server,
        client(server) as api,
        pytest.raises(ConfigurationError, match="redirects") as error,
    ):
        api.task("t1")
    assert error.value.code is ErrorCode.API_ANSWER_UNUSABLE
    assert requests == []


@pytest.mark.parametrize("encode", [lambda body: body, gzip.compress])
def test_a_body_up_to_the_limit_is_read(encode: Callable[[bytes], bytes]) -> None:
    body = result_of(LIMIT)
    headers = JSON if encode(body) == body else JSON | {"content-encoding": "gzip"}
    with serve(Answer(200, encode(body), headers)) as server, client(server) as api:
        assert api.results("t1").content == body


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, result_of(LIMIT + 1), JSON),
        Answer(200, result_of(LIMIT + 1), JSON, chunked=True),
        Answer(200, gzip.compress(result_of(64 * LIMIT)), JSON | {"content-encoding": "gzip"}),
        Answer(500, b"x" * (LIMIT + 1)),
        Answer(200, gzip.compress(gzip.compress(b"{}")), JSON | {"content-encoding": "gzip, gzip"}),
        Answer(200, b"{}", JSON | {"content-encoding": "br"}),
    ],
)
def test_a_body_beyond_the_limit_is_one_error_without_a_retry(answer: Answer) -> None:
    with serve(answer) as server, client(server) as api, pytest.raises(IntegrityError) as error:
        api.results("t1")
    assert error.value.code is ErrorCode.API_BODY_UNUSABLE


def test_a_body_that_never_ends_has_a_limit_of_time() -> None:
    with (
        serve(Answer(200, b"x" * 50, drip=0.02)) as server,
        bounded_client(LIMIT, seconds=0.05) as http,
        pytest.raises(httpx.ReadTimeout),
    ):
        http.get(server.url)


def test_a_streamed_response_is_left_to_the_caller() -> None:
    with serve(Answer(200, b"x" * (LIMIT + 1))) as server, bounded_client(LIMIT) as http:
        with http.stream("GET", server.url) as response:
            assert len(response.read()) == LIMIT + 1
        with pytest.raises(UnusableBody):
            http.get(server.url)
