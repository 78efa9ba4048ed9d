"""A recorded answer for every kind of row of the table of causes, and what an answer without a row keeps."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from harvester.cause_rows import CAUSE_ROWS, CauseRow, find_cause
from harvester.causes import Cause, may_pass
from harvester.error_codes import ErrorCode
from harvester.errors import EXIT_MEANINGS, ExitCode
from harvester.nimble_api.responses import ApiResponse, Subject
from harvester.sessions.login import Login
from harvester.storage.gcs import json_api
from harvester.storage.http.http_client import Response
from harvester.storage.s3 import rest_api
from harvester.storage.s3.aws_clients import ask
from harvester.storage.service_errors import ServiceError, answered, harvester_error, unanswered
from scripts.documents import cause_table

LOGIN = Login("sso", "work")
SSE_C = (
    "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve"
    " the object."
)
BLOCKED = (
    "User: arn:aws:iam::111122223333:user/u is not authorized to perform: s3:PutBucketPolicy on resource:"
    ' "arn:aws:s3:::b" because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public'
    " Access."
)
DOMAINS = (
    "One or more users named in the policy do not belong to a permitted customer, perhaps due to an organization policy"
    " (constraints/iam.allowedPolicyMemberDomains)."
)
PAYS = "Bucket is a requester pays bucket but no user project provided."


def s3(status: int, code: str = "", message: str = "", operation: str = "GetObject") -> ServiceError:
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode() if code else b""
    return rest_api.service_error_from(Response(status, {"x-amz-request-id": "R"}, body), operation)


def gcs(status: int, reason: str, message: str = "", operation: str = "objects.get") -> ServiceError:
    body = (
        f'{{"error":{{"code":{status},"message":"{message}","errors":[{{"reason":"{reason}","domain":"global"}}]}}}}'
    ).encode()
    return json_api.service_error_from(
        Response(status, {"x-guploader-uploadid": "R"}, body), operation, anonymous=False
    )


@pytest.mark.parametrize(
    ("error", "cause", "retryable", "exit_code"),
    [
        (s3(400, "InvalidRequest", SSE_C), Cause.SSE_C, False, 4),
        (s3(400, "InvalidRequest", "Missing required header"), Cause.REFUSED, False, 18),
        (s3(400, "ExpiredToken"), Cause.EXPIRED, False, 8),
        (s3(400, operation="HeadBucket"), Cause.CREDENTIALS, False, 4),
        (s3(400, operation="HeadObject"), Cause.CREDENTIALS, False, 4),
        (s3(400, operation="GetObject"), Cause.REFUSED, False, 18),
        (s3(403, "InvalidAccessKeyId"), Cause.CREDENTIALS, False, 4),
        (s3(403, "RequestTimeTooSkewed"), Cause.CLOCK_SKEW, False, 8),
        (s3(403, "AccessDenied"), Cause.OBJECT_DENIED, False, 4),
        (s3(403, "AccessDenied", BLOCKED, "PutBucketPolicy"), Cause.PUBLIC_POLICY_BLOCKED, False, 4),
        (s3(403, "AccessDenied", BLOCKED, "GetObject"), Cause.OBJECT_DENIED, False, 4),
        (s3(403, "InvalidObjectState"), Cause.ARCHIVED, False, 3),
        (s3(403, operation="HeadObject"), Cause.OBJECT_DENIED, False, 4),
        (s3(301, "PermanentRedirect"), Cause.WRONG_ENDPOINT, False, 8),
        (s3(307), Cause.WRONG_ENDPOINT, False, 8),
        (s3(404, "NoSuchKey"), Cause.GONE, False, 3),
        (s3(404, "NoSuchBucket"), Cause.NO_BUCKET, False, 5),
        (s3(405, "MethodNotAllowed"), Cause.NOT_SUPPORTED, False, 18),
        (s3(407), Cause.PROXY_LOGIN, False, 8),
        (s3(408), Cause.TIMEOUT, True, 6),
        (s3(409, "OperationAborted"), Cause.CONFLICT, True, 6),
        (s3(409), Cause.CONFLICT, True, 6),
        (s3(412, "PreconditionFailed"), Cause.PRECONDITION_FAILED, False, 10),
        (s3(400, "AccessControlListNotSupported"), Cause.ACLS_OFF, False, 18),
        (s3(400, "MalformedPolicy"), Cause.MALFORMED_POLICY, False, 7),
        (s3(400, "InvalidRequest", "needs Object Lock parameters", "PutObject"), Cause.OBJECT_LOCK, False, 4),
        (s3(429), Cause.THROTTLED, True, 6),
        (s3(503, "SlowDown"), Cause.THROTTLED, True, 6),
        (s3(503), Cause.THROTTLED, True, 6),
        (s3(500, "InternalError"), Cause.SERVER_ERROR, True, 6),
        (s3(502), Cause.SERVER_ERROR, True, 6),
        (s3(501, "NotImplemented"), Cause.NOT_SUPPORTED, False, 18),
        (s3(507, "XMinioStorageFull"), Cause.STORE_FULL, False, 12),
        (s3(507), Cause.STORE_FULL, False, 12),
        (s3(418, "Teapot"), Cause.REFUSED, False, 18),
        (s3(400, "KMS.DisabledException"), Cause.KMS_DISABLED, False, 4),
        (s3(400, "KMS.NotFoundException"), Cause.KMS_NOT_FOUND, False, 4),
        (s3(400, "KMS.KMSInvalidStateException"), Cause.KMS_INVALID_STATE, False, 4),
        (s3(400, "NotFoundException", operation="DescribeKey"), Cause.KMS_NOT_FOUND, False, 4),
        (s3(400, "DisabledException", operation="Decrypt"), Cause.KMS_DISABLED, False, 4),
        (s3(400, "KmsAccessDenied", operation="ReceiveMessage"), Cause.KMS_DENIED, False, 4),
        (s3(400, "QueueDoesNotExist", operation="ReceiveMessage"), Cause.NO_QUEUE, False, 2),
        (gcs(400, "required", PAYS), Cause.REQUESTER_PAYS, False, 4),
        (gcs(400, "required", "Missing name"), Cause.REFUSED, False, 18),
        (gcs(401, "authError"), Cause.CREDENTIALS, False, 4),
        (gcs(403, "forbidden"), Cause.OBJECT_DENIED, False, 4),
        (gcs(403, "rateLimitExceeded"), Cause.THROTTLED, True, 6),
        (gcs(403, "retentionPolicyNotMet"), Cause.OBJECT_LOCK, False, 4),
        (gcs(404, "notFound"), Cause.GONE, False, 3),
        (gcs(412, "conditionNotMet", DOMAINS, "setIamPolicy"), Cause.ORGANISATION_POLICY, False, 4),
        (gcs(400, "invalid", DOMAINS, "setIamPolicy"), Cause.ORGANISATION_POLICY, False, 4),
        (gcs(412, "conditionNotMet", "etag", "setIamPolicy"), Cause.PRECONDITION_FAILED, False, 10),
        (gcs(500, "backendError"), Cause.SERVER_ERROR, True, 6),
    ],
)
def test_an_answer_has_its_cause(error: ServiceError, cause: Cause, *, retryable: bool, exit_code: int) -> None:
    assert (error.cause, error.retryable, int(error.cause.exit_code)) == (cause, retryable, exit_code)
    assert error.request_id == "R"


def test_every_row_is_reached_by_an_answer_of_its_own() -> None:
    for row in CAUSE_ROWS:
        found = find_cause(
            operation=row.operation or "GetObject", status=row.status or 400, code=row.code, detail=row.detail
        )
        assert found is row.cause, row


def cause_of(row: CauseRow) -> Cause:
    """Return the cause of the answer that a row describes, in the form of its service."""
    status = row.status or 400
    if row.operation == "nimble.":
        return ApiResponse(status, {}, b'{"message": "no"}').cause(Subject("task", "ID"))
    if row.operation == "pubsub.":
        return answered("pubsub.cannot read", 0, row.code, row.detail or "no", "").cause
    if row.code[:1].islower():
        return gcs(status, row.code, row.detail or "no", row.operation or "objects.get").cause
    return s3(status, row.code, row.detail or "no", row.operation or "GetObject").cause


@pytest.mark.parametrize("row", CAUSE_ROWS, ids=lambda row: "-".join(map(str, filter(None, row[:4]))))
def test_every_row_has_an_answer_as_its_service_sends_it(row: CauseRow) -> None:
    assert cause_of(row) is row.cause


@pytest.mark.parametrize("row", [each for each in CAUSE_ROWS if each.code[:1].isupper() and not each.operation])
def test_boto3_gives_the_same_cause(row: CauseRow) -> None:
    answer: Any = {
        "Error": {"Code": row.code, "Message": row.detail or "no"},
        "ResponseMetadata": {"HTTPStatusCode": 400, "RequestId": "R", "HTTPHeaders": {}},
    }

    def decrypt(**_: object) -> Any:
        raise ClientError(answer, "Decrypt")

    error = ask(decrypt).error
    assert error is not None
    assert (error.cause, error.request_id) == (row.cause, "R")


def test_every_cause_has_an_advice_that_can_help() -> None:
    for cause in Cause:
        step = cause_table.advice(cause)
        assert step, cause
        assert cause.retryable or "later" not in step


def test_the_page_of_causes_is_what_the_table_gives() -> None:
    text = "\n".join([*cause_table.page(), ""])
    assert cause_table.PAGE.read_text(encoding="utf-8") == text, "python -m scripts.documents.cause_table"


def test_every_cause_has_a_meaning() -> None:
    assert all(cause.sentence and isinstance(cause.exit_code, ExitCode) for cause in Cause)


@given(st.integers(300, 599), st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_an_answer_without_a_row_keeps_status_code_and_sentence(
    status: int, code: str, detail: str, operation: str
) -> None:
    cause = find_cause(operation=operation, status=status, code=f"x{code}", detail=detail)
    assert cause in Cause
    error = ServiceError(cause, f"x{code}", detail, "id", status, cause.retryable, expired=False)
    raised = harvester_error("cannot list s3://b/", error, url="s3://b/", login=LOGIN)
    assert raised.cause == error.sentence()
    assert raised.request_id == "id"


# A cause whose exit code does not say whether a retry helps, and why.
EXCEPTIONS = {
    Cause.INTEGRITY: "7 is the code of damaged documents too; a sync that ends for it alone states it as retryable",
}


@pytest.mark.parametrize("cause", list(Cause))
def test_the_exit_code_of_a_cause_means_what_the_cause_means(cause: Cause) -> None:
    meaning = EXIT_MEANINGS[cause.exit_code].retryable
    assert (meaning in (cause.retryable, None)) is (cause not in EXCEPTIONS)
    error = ServiceError(cause, "c", "", "", 400, cause.retryable, expired=False)
    raised = harvester_error("x", error, url="s3://b/", login=LOGIN)
    assert raised.retryable is cause.retryable
    assert (raised.code is ErrorCode.STORE_UNAVAILABLE) is cause.retryable
    assert (EXIT_MEANINGS[raised.exit_code].retryable is cause.retryable) is (cause not in EXCEPTIONS)
    assert raised.exit_code is (ExitCode.REFUSED if meaning is None else cause.exit_code)


@pytest.mark.parametrize("cause", list(Cause))
def test_what_has_gone_may_pass_as_it_is_not_listed_again(cause: Cause) -> None:
    assert may_pass(cause.value) is (cause.retryable or cause is Cause.GONE)


def test_what_is_no_cause_does_not_pass() -> None:
    assert not may_pass("internal_error")


def test_a_redirect_names_the_endpoint() -> None:
    body = (
        b"<Error><Code>PermanentRedirect</Code><Message>The bucket you are attempting to access must be addressed using"
        b" the specified endpoint.</Message><Endpoint>b.s3.eu-central-1.amazonaws.com</Endpoint></Error>"
    )
    error = rest_api.service_error_from(Response(301, {}, body), "ListObjectsV2")
    assert "b.s3.eu-central-1.amazonaws.com" in error.message


def test_an_error_without_an_answer_is_no_connection() -> None:
    raised = harvester_error("x", unanswered(Cause.NETWORK, "C", "", retryable=True), url="s3://b/", login=LOGIN)
    assert raised.code is ErrorCode.STORE_UNREACHABLE
    raised = harvester_error("x", unanswered(Cause.CERTIFICATE, "C", "", retryable=False), url="s3://b/", login=LOGIN)
    assert (raised.code, raised.exit_code) == (ErrorCode.CERTIFICATE_REFUSED, ExitCode.CONFIGURATION)
    raised = harvester_error("x", unanswered(Cause.PROXY_LOGIN, "C", "", retryable=False), url="s3://b/", login=LOGIN)
    assert raised.exit_code is ExitCode.CONFIGURATION
