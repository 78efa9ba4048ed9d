"""Answers of services as they are sent, each with its cause, whether a retry helps, and its sentence."""

from __future__ import annotations

import json
import ssl
from typing import Any

import pytest
from botocore.exceptions import ClientError, SSLError
from urllib3 import HTTPSConnectionPool
from urllib3.exceptions import MaxRetryError

from harvester.causes import Cause
from harvester.cli.shared.failures import print_error
from harvester.cli.shared.next_steps import next_step
from harvester.errors import EXIT_MEANINGS, HarvesterError
from harvester.nimble_api.responses import ApiResponse, Subject, error_for_response
from harvester.sessions import Login
from harvester.storage.gcs import json_api
from harvester.storage.http.http_client import Response
from harvester.storage.s3 import rest_api
from harvester.storage.s3.aws_clients import ask
from harvester.storage.service_errors import ServiceError, harvester_error

DENIED = "User: arn:aws:iam::111122223333:user/u is not authorized to perform: s3:GetObject on resource:"
S3_ANSWERS = [
    (
        403,
        Cause.CLOCK_SKEW,
        "RequestTimeTooSkewed",
        "The difference between the request time and the current time is too large.",
    ),
    (400, Cause.EXPIRED, "ExpiredToken", "The provided token has expired."),
    (400, Cause.EXPIRED, "InvalidToken", "The provided token is malformed or otherwise invalid."),
    (400, Cause.EXPIRED, "TokenRefreshRequired", "The provided token must be refreshed."),
    (
        400,
        Cause.WRONG_ENDPOINT,
        "AuthorizationHeaderMalformed",
        "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-1'",
        "<Region>eu-west-1</Region>",
    ),
    (
        400,
        Cause.CREDENTIALS,
        "AuthorizationHeaderMalformed",
        "The authorization header is malformed; a non-empty Access Key (AKID) must be provided in the credential.",
    ),
    (
        301,
        Cause.WRONG_ENDPOINT,
        "PermanentRedirect",
        "The bucket you are attempting to access must be addressed using the specified endpoint.",
        "<Endpoint>b.s3-eu-west-1.amazonaws.com</Endpoint>",
    ),
    (
        400,
        Cause.WRONG_ENDPOINT,
        "IllegalLocationConstraintException",
        "The eu-west-1 location constraint is incompatible for the region specific endpoint this request was sent to.",
    ),
    (
        403,
        Cause.ARCHIVED,
        "InvalidObjectState",
        "The operation is not valid for the object's access tier",
        "<StorageClass>INTELLIGENT_TIERING</StorageClass><AccessTier>ARCHIVE_ACCESS</AccessTier>",
    ),
    (400, Cause.KMS_DISABLED, "KMS.DisabledException", "arn:aws:kms:us-east-1:111122223333:key/k is disabled."),
    (
        400,
        Cause.KMS_NOT_FOUND,
        "KMS.NotFoundException",
        "Key 'arn:aws:kms:us-east-1:111122223333:key/k' does not exist",
    ),
    (
        400,
        Cause.KMS_INVALID_STATE,
        "KMS.KMSInvalidStateException",
        "arn:aws:kms:us-east-1:111122223333:key/k is pending deletion.",
    ),
    (
        400,
        Cause.KMS_INVALID_STATE,
        "KMS.IncorrectKeyException",
        "The key ID in the request does not identify a CMK that can perform this",
    ),
    (400, Cause.THROTTLED, "KMS.ThrottlingException", "You have exceeded the rate at which you may call KMS."),
    (404, Cause.GONE, "NoSuchUpload", "The specified upload does not exist."),
    (409, Cause.REFUSED, "BucketAlreadyExists", "The requested bucket name is not available."),
    (400, Cause.NO_BUCKET, "InvalidAccessPoint", "The specified access point name or account is not valid."),
    (
        403,
        Cause.ACCOUNT,
        "AccountProblem",
        "There is a problem with your account that prevents the operation from completing.",
    ),
    (403, Cause.ACCOUNT, "NotSignedUp", "Your account is not signed up for the S3 service."),
    (403, Cause.PAYER_REFUSED, "InvalidPayer", "All access to this object has been disabled."),
    (403, Cause.CREDENTIALS, "SignatureDoesNotMatch", "The request signature we calculated does not match yours."),
    (400, Cause.INTEGRITY, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match."),
    (400, Cause.NETWORK, "IncompleteBody", "You did not provide the number of bytes of Content-Length"),
    (400, Cause.REFUSED, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed object size."),
    (503, Cause.THROTTLED, "ServiceUnavailable", "Reduce your request rate."),
    (503, Cause.THROTTLED, "SlowDown", "Please reduce your request rate."),
    (400, Cause.THROTTLED, "RequestLimitExceeded", "Request limit exceeded."),
    (409, Cause.CONFLICT, "OperationAborted", "A conflicting conditional operation is in progress."),
    (
        409,
        Cause.CONFLICT,
        "ConditionalRequestConflict",
        "The conditional request cannot succeed due to a conflicting operation.",
    ),
    (507, Cause.STORE_FULL, "InsufficientStorage", "There is insufficient storage to complete the request."),
    (507, Cause.STORE_FULL, "XMinioStorageFull", "Storage backend has reached its minimum free drive threshold."),
    (400, Cause.QUOTA, "XMinioAdminBucketQuotaExceeded", "Bucket quota exceeded"),
    (503, Cause.SERVER_ERROR, "XMinioServerNotInitialized", "Server not initialized yet, please try again."),
    (409, Cause.REFUSED, "XMinioObjectExistsAsDirectory", "Object name already exists as a directory."),
    (503, Cause.THROTTLED, "SlowDownRead", "Resource requested is unreadable, please reduce your request rate"),
    (403, Cause.ACCOUNT, "UserSuspended", ""),
    (400, Cause.NO_BUCKET, "InvalidBucketName", "The specified bucket is not valid."),
    (403, Cause.OBJECT_DENIED, "AccessDenied", "Access Denied"),
    (
        403,
        Cause.OBJECT_DENIED,
        "AccessDenied",
        f"{DENIED} r because no identity-based policy allows the s3:GetObject action",
    ),
    (403, Cause.POLICY_LIMIT, "AccessDenied", f"{DENIED} r with an explicit deny in a service control policy"),
    (403, Cause.POLICY_LIMIT, "AccessDenied", f"{DENIED} r with an explicit deny in a resource control policy"),
    (403, Cause.POLICY_LIMIT, "AccessDenied", f"{DENIED} r with an explicit deny in a VPC endpoint policy"),
    (403, Cause.POLICY_LIMIT, "AccessDenied", f"{DENIED} r with an explicit deny in a resource-based policy"),
    (403, Cause.POLICY_LIMIT, "AccessDenied", f"{DENIED} r because no session policy allows the s3:GetObject action"),
    (
        403,
        Cause.POLICY_LIMIT,
        "AccessDenied",
        f"{DENIED} r because no permissions boundary allows the s3:GetObject action",
    ),
    (
        403,
        Cause.OBJECT_DENIED,
        "AccessDenied",
        "User: u is not authorized to perform: kms:Decrypt on resource: k with an explicit deny in a policy",
    ),
]
BOTO_ANSWERS = [
    ("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.", Cause.NO_QUEUE),
    ("QueueDoesNotExist", "The specified queue does not exist.", Cause.NO_QUEUE),
    (
        "InvalidAddress",
        "The address https://q/ is not valid for this endpoint.",
        Cause.NO_QUEUE,
    ),
    ("OverLimit", "Too many messages in flight", Cause.THROTTLED),
    ("KMS.AccessDeniedException", "not authorized to use this key", Cause.KMS_DENIED),
    ("KmsDisabled", "the key is disabled", Cause.KMS_DISABLED),
    ("KmsThrottled", "throttled", Cause.THROTTLED),
    ("KmsOptInRequired", "The AWS access key ID needs a subscription for the service.", Cause.ACCOUNT),
    ("ReceiptHandleIsInvalid", "The input receipt handle is invalid.", Cause.REFUSED),
    ("ThrottlingException", "You have exceeded the rate at which you may call KMS.", Cause.THROTTLED),
    ("KeyUnavailableException", "the key material is not available", Cause.SERVER_ERROR),
    ("ExpiredTokenException", "The security token included in the request is expired", Cause.EXPIRED),
    ("InvalidClientTokenId", "The security token included in the request is invalid.", Cause.CREDENTIALS),
    (
        "SignatureDoesNotMatch",
        "Signature expired: 20260101T000000Z is now earlier than",
        Cause.CLOCK_SKEW,
    ),
    ("InvalidSignatureException", "Signature not yet current: 20260101T001000Z is still later than", Cause.CLOCK_SKEW),
    ("RegionDisabledException", "STS is not activated in this region for account:111122223333.", Cause.NOT_SUPPORTED),
]
VPC = "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: abc"
GCS_ANSWERS = [
    (401, "authError", "Invalid Credentials", Cause.CREDENTIALS),
    (403, "forbidden", "u@p.iam.gserviceaccount.com does not have storage.objects.get access", Cause.OBJECT_DENIED),
    (403, "forbidden", VPC, Cause.PERIMETER),
    (403, "vpcServiceControls", VPC, Cause.PERIMETER),
    (403, "accountDisabled", "The account for the specified project has been disabled.", Cause.ACCOUNT),
    (403, "UserProjectAccountProblem", "User project billing account not in good standing.", Cause.ACCOUNT),
    (403, "UserProjectAccessDenied", "Caller does not have required permission to use project p.", Cause.PAYER_REFUSED),
    (400, "userProjectInvalid", "User project specified in the request is invalid.", Cause.PAYER_REFUSED),
    (429, "rateLimitExceeded", "The rate of requests exceeds the limit.", Cause.THROTTLED),
    (403, "userRateLimitExceeded", "User Rate Limit Exceeded", Cause.THROTTLED),
    (403, "dailyLimitExceeded", "Daily Limit Exceeded", Cause.QUOTA),
    (403, "retentionPolicyNotMet", "Object 'b/o' is subject to bucket's retention policy.", Cause.OBJECT_LOCK),
    (403, "objectUnderActiveHold", "Object 'b/o' is under active Event-Based hold.", Cause.OBJECT_LOCK),
    (
        412,
        "orgPolicyConstraintFailed",
        "'us' violates 'constraints/gcp.resourceLocations'",
        Cause.ORGANISATION_POLICY,
    ),
    (400, "cloudKmsDisabledKey", "The Cloud KMS key is disabled.", Cause.KMS_DISABLED),
    (400, "cloudKmsDecryptionKeyNotFound", "Resource's Cloud KMS decryption key not found.", Cause.KMS_NOT_FOUND),
    (400, "cloudKmsKeyLocationNotAllowed", "Cloud KMS key location not allowed.", Cause.KMS_INVALID_STATE),
    (403, "forbidden", "Permission denied on Cloud KMS key. Please ensure that your service account", Cause.KMS_DENIED),
    (400, "resourceIsEncryptedWithCustomerEncryptionKey", "The target object is encrypted by a", Cause.SSE_C),
    (
        400,
        "invalid",
        "Cannot get legacy ACL for an object when uniform bucket-level access is enabled.",
        Cause.ACLS_OFF,
    ),
    (400, "invalid", "To use IAM Conditions, you must enable uniform bucket-level access.", Cause.REFUSED),
    (308, "", "", Cause.WRONG_ENDPOINT),
    (409, "conflict", 'The metadata for object "o" was edited during the operation.', Cause.CONFLICT),
    (503, "backendError", "We encountered an internal error. Please try again.", Cause.SERVER_ERROR),
]
API_ANSWERS = [
    (401, {"status": "failed", "msg": "invalid token"}, Cause.CREDENTIALS),
    (402, {"status": "failed", "msg": "no budget"}, Cause.BUDGET),
    (403, {"status": "failed", "msg": "forbidden"}, Cause.OBJECT_DENIED),
    (404, {"status": "failed", "msg": "task not found"}, Cause.GONE),
    (422, {"message": "validation failed"}, Cause.REFUSED),
    (429, {"message": "slow down"}, Cause.THROTTLED),
    (500, {"message": "oops"}, Cause.SERVER_ERROR),
    (502, {}, Cause.SERVER_ERROR),
    (503, {}, Cause.SERVER_ERROR),
    (529, {}, Cause.SERVER_ERROR),
]


def check(error: HarvesterError, cause: Cause) -> None:
    """Hold what every error of an answer has: a retry is advised where it helps, and a step where it does not."""
    assert error.retryable is cause.retryable
    step = next_step(error)
    assert step
    assert cause.retryable or "later" not in step
    if cause is not Cause.INTEGRITY:
        assert EXIT_MEANINGS[error.exit_code].retryable is cause.retryable


def check_service(error: ServiceError, cause: Cause, sentence: str) -> None:
    assert (error.cause, error.retryable) == (cause, cause.retryable)
    raised = harvester_error("cannot list s3://b/", error, url="s3://b/", login=Login("sso", None))
    assert sentence in raised.cause
    assert raised.request_id == "R"
    check(raised, cause)


@pytest.mark.parametrize("answer", S3_ANSWERS)
def test_an_answer_of_s3(answer: tuple[Any, ...]) -> None:
    status, cause, code, message, more = (*answer, "")[:5]
    body = f"<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>".encode()
    error = rest_api.service_error_from(Response(status, {"x-amz-request-id": "R"}, body), "GetObject")
    check_service(error, cause, message)
    for value in ("b.s3-eu-west-1.amazonaws.com", "INTELLIGENT_TIERING ARCHIVE_ACCESS"):
        assert (value in error.message) is (value.split()[0] in more)


@pytest.mark.parametrize(("code", "message", "cause"), BOTO_ANSWERS)
def test_an_answer_of_sqs_kms_and_sts(code: str, message: str, cause: Cause) -> None:
    answer: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": 400, "RequestId": "R", "HTTPHeaders": {}},
    }

    def decrypt(**_: object) -> Any:
        raise ClientError(answer, "Decrypt")

    error = ask(decrypt).error
    assert error is not None
    check_service(error, cause, message)


@pytest.mark.parametrize(("status", "reason", "message", "cause"), GCS_ANSWERS)
def test_an_answer_of_google_cloud_storage(status: int, reason: str, message: str, cause: Cause) -> None:
    body = json.dumps({"error": {"code": status, "message": message, "errors": [{"reason": reason}]}}).encode()
    response = Response(status, {"x-guploader-uploadid": "R"}, body if reason else b"")
    check_service(json_api.service_error_from(response, "objects.get", anonymous=False), cause, message)


@pytest.mark.parametrize(("status", "body", "cause"), API_ANSWERS)
def test_an_answer_of_the_api_of_nimble(status: int, body: dict[str, str], cause: Cause) -> None:
    answer = ApiResponse(status, {"x-request-id": "R"}, json.dumps(body).encode())
    assert answer.cause(Subject("task", "t1")) is cause
    error = error_for_response(answer, Subject("task", "t1"), origin="https://api", secret="nk-1")
    assert error.request_id == "R"
    check(error, cause)


def test_an_answer_that_no_row_fits_is_printed_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    body = "<Error><Code>NewCode</Code><Message>a\tb\u202e\x9b31m</Message></Error>".encode()
    error = rest_api.service_error_from(Response(418, {"x-amz-request-id": "R"}, body), "GetObject")
    print_error(harvester_error("cannot list s3://b/", error, url="s3://b/", login=Login("sso", None)))
    printed = capsys.readouterr().err
    assert "NewCode: a" in printed
    assert "(request id R)" in printed
    assert not set("\t\u202e\x9b") & set(printed)


@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        (ssl.SSLCertVerificationError("self-signed certificate"), Cause.CERTIFICATE),
        (ssl.SSLEOFError(8, "EOF occurred in violation of protocol"), Cause.NETWORK),
    ],
)
def test_only_a_certificate_that_is_not_trusted_stays_so(failure: ssl.SSLError, cause: Cause) -> None:
    def head_bucket(**_: object) -> Any:
        raise SSLError(endpoint_url="https://s3", error=MaxRetryError(HTTPSConnectionPool("s3"), "/", failure))

    error = ask(head_bucket).error
    assert error is not None
    assert (error.cause, error.retryable) == (cause, cause.retryable)
