"""The errors of Pub/Sub by the table of causes: a recorded error per status code of gRPC."""

from __future__ import annotations

from typing import Any

import pytest
from google.api_core import exceptions as refusals

from harvester.error_codes import ErrorCode
from harvester.errors import AccessDenied, ConnectionFailed, HarvesterError, RequestRefused, UsageError
from harvester.queues.pubsub import PubsubQueue

_RETRIED: Any = refusals.RetryError
_DENIED: Any = refusals.PermissionDenied
NAME = "projects/p/subscriptions/s"


class _Client:
    """A client of which every call fails."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> object:
        def call(**_: object) -> object:
            raise self._error

        return call


def raised(error: Exception) -> HarvesterError:
    queue = PubsubQueue.__new__(PubsubQueue)
    queue.address = NAME
    queue._client = _Client(error)
    with pytest.raises(HarvesterError) as caught:
        queue.receive(1, wait=0, lease=10)
    return caught.value


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (refusals.NotFound, UsageError, ErrorCode.NO_SUCH_SUBSCRIPTION),
        (refusals.PermissionDenied, AccessDenied, ErrorCode.SUBSCRIPTION_DENIED),
        (refusals.Unauthenticated, AccessDenied, ErrorCode.SUBSCRIPTION_DENIED),
        (refusals.ResourceExhausted, ConnectionFailed, ErrorCode.QUEUE_UNREACHABLE),
        (refusals.ServiceUnavailable, ConnectionFailed, ErrorCode.QUEUE_UNREACHABLE),
        (refusals.InternalServerError, ConnectionFailed, ErrorCode.QUEUE_UNREACHABLE),
        (refusals.Unknown, ConnectionFailed, ErrorCode.QUEUE_UNREACHABLE),
        (refusals.Aborted, ConnectionFailed, ErrorCode.QUEUE_UNREACHABLE),
        (refusals.MethodNotImplemented, RequestRefused, ErrorCode.STORE_REFUSED),
        (refusals.InvalidArgument, RequestRefused, ErrorCode.STORE_REFUSED),
    ],
)
def test_an_error_of_grpc_has_its_cause(
    error: type[refusals.GoogleAPICallError], kind: type[HarvesterError], code: ErrorCode
) -> None:
    found = raised(error("the sentence\nand details"))
    assert (type(found), found.code, found.subject) == (kind, code, NAME)
    assert "the sentence" in found.cause
    assert "details" not in found.cause


def test_a_retry_that_ran_out_has_the_cause_of_its_last_error() -> None:
    assert raised(_RETRIED("timeout", _DENIED("no"))).code is ErrorCode.SUBSCRIPTION_DENIED


def test_an_error_without_an_answer_is_no_connection() -> None:
    assert raised(_RETRIED("timeout", OSError("reset"))).code is ErrorCode.QUEUE_UNREACHABLE
