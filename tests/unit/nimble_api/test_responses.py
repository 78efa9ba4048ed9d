from datetime import UTC, datetime

import pytest

from harvester.errors import AccessDenied, ConfigurationError, ConnectionFailed, HarvesterError, UsageError
from harvester.nimble_api.responses import (
    ApiResponse,
    BudgetExhausted,
    Subject,
    UnknownId,
    error_for_response,
    one_line,
)

KEY = "nk-0123456789abcdef"
NOW = datetime(2026, 1, 24, 12, 0, tzinfo=UTC)


def refused(status: int, body: bytes = b'{"status":"failed","msg":"no"}', **headers: str) -> HarvesterError:
    answer = ApiResponse(status, headers, body)
    return error_for_response(answer, Subject("task", "t1"), origin="https://api", secret=KEY)


@pytest.mark.parametrize(
    ("status", "kind", "exit_code"),
    [
        (400, UsageError, 2),
        (401, AccessDenied, 4),
        (402, BudgetExhausted, 4),
        (403, AccessDenied, 4),
        (404, UnknownId, 2),
        (410, UnknownId, 2),
        (307, ConfigurationError, 8),
        (405, UsageError, 2),
        (407, ConfigurationError, 8),
        (408, ConnectionFailed, 6),
        (409, UsageError, 2),
        (422, UsageError, 2),
        (501, UsageError, 2),
        (504, ConnectionFailed, 6),
        (429, ConnectionFailed, 6),
        (500, ConnectionFailed, 6),
        (503, ConnectionFailed, 6),
    ],
)
def test_every_refusal_has_its_kind_and_exit_code(status: int, kind: type[HarvesterError], exit_code: int) -> None:
    error = refused(status)
    assert type(error) is kind
    assert error.exit_code == exit_code
    assert f"HTTP {status}" in str(error)
    assert (": no" in str(error)) is (status != 307), "the sentence of a redirect is not the API's"


@pytest.mark.parametrize("key", ["msg", "error", "message", "detail"])
@pytest.mark.parametrize("words", ["no budget", "limit reached", "trial expired", "trial quota finished"])
def test_an_exhausted_budget_has_the_message_of_the_api(key: str, words: str) -> None:
    error = refused(402, f'{{"status":"failed","{key}":"{words}"}}'.encode())
    assert isinstance(error, BudgetExhausted)
    assert words in error.cause


def test_an_expired_id_differs_from_an_unknown_one() -> None:
    gone, unknown = refused(410), refused(404)
    assert isinstance(gone, UnknownId)
    assert isinstance(unknown, UnknownId)
    assert gone.expired
    assert not unknown.expired


def test_the_key_is_masked_in_a_server_message() -> None:
    error = refused(401, f'{{"message":"invalid key {KEY}"}}'.encode(), **{"x-request-id": "r-7"})
    assert KEY not in str(error)
    assert "invalid key ***" in str(error)
    assert error.request_id == "r-7"


def test_a_server_message_becomes_one_short_line() -> None:
    assert one_line("a\x1b[2J\r\n  b\u202e") == "a\x1b[2J b\u202e"
    assert len(one_line("x" * 10_000)) == 300


@pytest.mark.parametrize(
    ("body", "about_path"),
    [
        (b'{"status":"failed","error":"Batch not found"}', False),
        (b'{"success":"false","message":"x"}', False),
        (b"404 page not found\n", True),
        (b"<html>", True),
        (b"", True),
        (b'{"detail":"Not Found"}', True),
        (b'{"statusCode":404,"error":"Not Found","message":"Cannot GET /v2/tasks"}', True),
        (b"[]", True),
        (b"\xff\xfe", True),
    ],
)
def test_an_unknown_path_differs_from_an_unknown_id_in_structure(body: bytes, *, about_path: bool) -> None:
    assert ApiResponse(404, {}, body).concerns_the_path is about_path
    assert not ApiResponse(400, {}, body).concerns_the_path


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("Sat, 24 Jan 2026 12:00:30 GMT", 30.0),
        ("Sat, 24 Jan 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("inf", None),
    ],
)
def test_the_servers_delay_is_read_as_seconds_or_date(header: str, seconds: float | None) -> None:
    assert ApiResponse(429, {"retry-after": header}, b"").retry_after(NOW) == seconds


@pytest.mark.parametrize(
    ("status", "retried"),
    [(408, True), (429, True), (500, True), (501, False), (503, True), (404, False), (402, False)],
)
def test_what_may_pass_by_itself_is_tried_again(status: int, *, retried: bool) -> None:
    assert ApiResponse(status, {}, b"").cause(Subject("task")).retryable is retried
