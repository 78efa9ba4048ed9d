"""The one table of causes: what an error answer of a store, key service, queue or Nimble's API means.

Used by list, fetch, put, settings, policies, KMS, SQS, Google Cloud Storage, Pub/Sub and Nimble's API alike. A row
names what it needs of operation, status, code and detail; the rows of a code come before those of a status, and the
first that fits decides. The detail is a fixed part of the service's sentence, and is used only where one code covers
several causes.

Sources: Amazon S3 API Reference, "Error responses"; AWS KMS, STS and SQS API references, "Common errors"; Cloud
Storage JSON API, "HTTP status and error codes"; gRPC, "Status codes and their use"; Nimble documentation, "Errors".
"""

from collections.abc import Mapping
from typing import NamedTuple

from harvester.causes import Cause


class CauseRow(NamedTuple):
    """One row; an empty field fits everything."""

    cause: Cause
    """What the answer means."""
    code: str = ""
    """The service's code."""
    status: int = 0
    """The HTTP status."""
    operation: str = ""
    """How the operation's name begins, as the service spells it: ``HeadObject``, ``Put``, ``setIamPolicy``; for
    Nimble's API ``nimble.`` and for Pub/Sub ``pubsub.`` with the name."""
    detail: str = ""
    """A fixed part of the service's sentence."""


def _codes(cause: Cause, *codes: str) -> tuple[CauseRow, ...]:
    return tuple(CauseRow(cause, code) for code in codes)


def _statuses(cause: Cause, *statuses: int) -> tuple[CauseRow, ...]:
    return tuple(CauseRow(cause, status=status) for status in statuses)


def _of(operation: str, cause: Cause, *codes: str) -> tuple[CauseRow, ...]:
    return tuple(CauseRow(cause, code, operation=operation) for code in codes)


_NIMBLE, _PUBSUB = "nimble.", "pubsub."
_ENCRYPTION_DETAIL = "a form of Server Side Encryption"
_DOMAINS_DETAIL = "allowedPolicyMemberDomains"
_CONSTRAINT_DETAIL = "constraints/"
_PERIMETER_DETAIL = "vpcServiceControlsUniqueIdentifier"
# How sentences end where a policy limits access. Source: AWS IAM User Guide, "Troubleshoot access denied errors".
_LIMIT_DETAILS = (
    "with an explicit deny in",
    "because no service control policy allows",
    "because no resource control policy allows",
    "because no permissions boundary allows",
    "because no session policy allows",
    "because no VPC endpoint policy allows",
)

CAUSE_ROWS: tuple[CauseRow, ...] = (
    CauseRow(Cause.SSE_C, "InvalidRequest", detail=_ENCRYPTION_DETAIL),
    CauseRow(Cause.OBJECT_LOCK, "InvalidRequest", operation="Put", detail="Object Lock"),
    CauseRow(Cause.OBJECT_LOCK, "AccessDenied", operation="Put", detail="object protected by object lock"),
    CauseRow(Cause.PUBLIC_POLICY_BLOCKED, "AccessDenied", operation="PutBucketPolicy", detail="BlockPublicPolicy"),
    *(
        CauseRow(Cause.ORGANISATION_POLICY, code, operation="setIamPolicy", detail=detail)
        for detail in (_DOMAINS_DETAIL, _CONSTRAINT_DETAIL)
        for code in ("conditionNotMet", "failedPrecondition", "invalid", "badRequest")
    ),
    # Of a key: what a fetch asks further decides.
    *(
        CauseRow(Cause.OBJECT_DENIED, code, detail="not authorized to perform: kms:")
        for code in ("AccessDenied", "AccessDeniedException")
    ),
    *(
        CauseRow(Cause.POLICY_LIMIT, code, detail=detail)
        for detail in _LIMIT_DETAILS
        for code in ("AccessDenied", "AccessDeniedException")
    ),
    *(
        CauseRow(Cause.CLOCK_SKEW, code, detail=detail)
        for detail in ("Signature expired", "Signature not yet current")
        for code in ("SignatureDoesNotMatch", "InvalidSignatureException")
    ),
    CauseRow(Cause.CREDENTIALS, "AuthorizationHeaderMalformed", detail="Access Key"),
    CauseRow(Cause.PERIMETER, "forbidden", detail=_PERIMETER_DETAIL),
    CauseRow(Cause.PERIMETER, "vpcServiceControls"),
    CauseRow(Cause.PERIMETER, "PERMISSION_DENIED", operation=_PUBSUB, detail=_PERIMETER_DETAIL),
    CauseRow(Cause.KMS_DENIED, "forbidden", detail="Permission denied on Cloud KMS key"),
    *(
        CauseRow(Cause.ACLS_OFF, code, detail=detail)
        for detail in ("Cannot use ACL API", "legacy ACL")
        for code in ("invalid", "badRequest")
    ),
    CauseRow(Cause.ORGANISATION_POLICY, "orgPolicyConstraintFailed"),
    CauseRow(Cause.REQUESTER_PAYS, "required", detail="user project"),
    CauseRow(Cause.REQUESTER_PAYS, "userProjectMissing"),
    *_codes(Cause.PAYER_REFUSED, "UserProjectAccessDenied", "userProjectInvalid", "InvalidPayer"),
    *_codes(Cause.OBJECT_LOCK, "retentionPolicyNotMet", "objectUnderActiveHold"),
    *_codes(Cause.SSE_C, "resourceIsEncryptedWithCustomerEncryptionKey", "customerEncryptionKeyIsIncorrect"),
    *_of(_PUBSUB, Cause.NO_QUEUE, "NOT_FOUND"),
    *_of(_PUBSUB, Cause.OBJECT_DENIED, "PERMISSION_DENIED"),
    *_of(_PUBSUB, Cause.CREDENTIALS, "UNAUTHENTICATED"),
    *_of(_PUBSUB, Cause.THROTTLED, "RESOURCE_EXHAUSTED"),
    *_of(_PUBSUB, Cause.CONFLICT, "ABORTED"),
    *_of(_PUBSUB, Cause.TIMEOUT, "DEADLINE_EXCEEDED"),
    *_of(_PUBSUB, Cause.NOT_SUPPORTED, "UNIMPLEMENTED"),
    *_of(_PUBSUB, Cause.REFUSED, "INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE"),
    *_of(_PUBSUB, Cause.SERVER_ERROR, "UNAVAILABLE", "INTERNAL", "UNKNOWN", "DATA_LOSS"),
    *_codes(Cause.GONE, "NoSuchKey", "NoSuchVersion", "NoSuchUpload"),
    *_codes(
        Cause.NO_BUCKET,
        "NoSuchBucket",
        "InvalidBucketName",
        "NoSuchAccessPoint",
        "InvalidAccessPoint",
        "InvalidAccessPointAliasError",
    ),
    *_codes(
        Cause.NO_QUEUE,
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
        "NonExistentQueue",
        "InvalidAddress",
    ),
    *_codes(Cause.ARCHIVED, "InvalidObjectState"),
    *_codes(
        Cause.CREDENTIALS,
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "InvalidSecurity",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "IncompleteSignature",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
    ),
    *_codes(
        Cause.ACCOUNT,
        "AccountProblem",
        "NotSignedUp",
        "UserSuspended",
        "OptInRequired",
        "KMS.OptInRequired",
        "KmsOptInRequired",
        "SubscriptionRequiredException",
        "UserProjectAccountProblem",
        "accountDisabled",
        "accessNotConfigured",
    ),
    *_codes(Cause.EXPIRED, "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken"),
    *_codes(Cause.CLOCK_SKEW, "RequestTimeTooSkewed", "RequestExpired"),
    *_codes(Cause.TIMEOUT, "RequestTimeout"),
    *_codes(
        Cause.THROTTLED,
        "SlowDown",
        "SlowDownRead",
        "SlowDownWrite",
        "ServiceUnavailable",
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
        "RequestThrottled",
        "TooManyRequestsException",
        "ThrottledException",
        "RequestThrottledException",
        "TooManyRequests",
        "BandwidthLimitExceeded",
        "KmsThrottled",
        "KMS.ThrottlingException",
        "OverLimit",
        "AWS.SimpleQueueService.OverLimit",
        "rateLimitExceeded",
        "userRateLimitExceeded",
        "quotaExceeded",
    ),
    *_codes(Cause.CONFLICT, "OperationAborted", "ConditionalRequestConflict", "ConcurrentModification"),
    *_codes(Cause.KMS_DENIED, "AccessDeniedByKmsKeyPolicy", "KmsAccessDenied", "KMS.AccessDeniedException"),
    *_codes(Cause.KMS_NOT_FOUND, "KMS.NotFoundException", "NotFoundException", "KmsNotFound", "InvalidArnException"),
    *_codes(Cause.KMS_NOT_FOUND, "cloudKmsDecryptionKeyNotFound", "cloudKmsEncryptionKeyNotFound"),
    *_codes(Cause.KMS_DISABLED, "KMS.DisabledException", "DisabledException", "KmsDisabled", "cloudKmsDisabledKey"),
    *_codes(
        Cause.KMS_INVALID_STATE,
        "KMS.KMSInvalidStateException",
        "KMSInvalidStateException",
        "KmsInvalidState",
        "KMS.InvalidStateException",
        "KMS.InvalidKeyUsageException",
        "InvalidKeyUsageException",
        "KmsInvalidKeyUsage",
        "KMS.IncorrectKeyException",
        "IncorrectKeyException",
        "CustomKeyStoreInvalidStateException",
        "cloudKmsBadKey",
        "cloudKmsKeyLocationNotAllowed",
    ),
    *_codes(Cause.OBJECT_DENIED, "AccessDenied", "AccessDeniedException", "AuthorizationError", "AllAccessDisabled"),
    *_codes(Cause.PRECONDITION_FAILED, "PreconditionFailed", "conditionNotMet"),
    *_codes(Cause.ACLS_OFF, "AccessControlListNotSupported"),
    *_codes(Cause.MALFORMED_POLICY, "MalformedPolicy", "MalformedPolicyDocumentException"),
    *_codes(
        Cause.NOT_SUPPORTED,
        "NotImplemented",
        "MethodNotAllowed",
        "XNotImplemented",
        "UnsupportedOperation",
        "RegionDisabledException",
    ),
    *_codes(
        Cause.WRONG_ENDPOINT,
        "PermanentRedirect",
        "TemporaryRedirect",
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
        "sslRequired",
    ),
    *_codes(
        Cause.QUOTA,
        "QuotaExceeded",
        "dailyLimitExceeded",
        "ServiceQuotaExceededException",
        "LimitExceededException",
        "XMinioAdminBucketQuotaExceeded",
    ),
    # Conflicts that stay, and a request that must not be repeated as it is.
    *_codes(
        Cause.REFUSED,
        "BucketAlreadyExists",
        "BucketAlreadyOwnedByYou",
        "BucketNotEmpty",
        "InvalidBucketState",
        "XMinioObjectExistsAsDirectory",
        "ReceiptHandleIsInvalid",
    ),
    *_codes(Cause.INTEGRITY, "BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"),
    *_codes(Cause.NETWORK, "IncompleteBody"),
    *_codes(Cause.STORE_FULL, "InsufficientStorage", "XMinioStorageFull"),
    *_codes(
        Cause.SERVER_ERROR,
        "InternalError",
        "InternalFailure",
        "KMSInternalException",
        "KMS.KMSInternalException",
        "DependencyTimeoutException",
        "KeyUnavailableException",
        "KMS.KeyUnavailableException",
        "XMinioServerNotInitialized",
        "XMinioBackendDown",
        "backendError",
        "internalError",
    ),
    # The answer to a HEAD has no document: a bare 400 is what S3 gives for credentials that have expired or belong to
    # another partition.
    CauseRow(Cause.CREDENTIALS, status=400, operation="Head"),
    CauseRow(Cause.BUDGET, status=402, operation=_NIMBLE),
    CauseRow(Cause.REFUSED, status=409, operation=_NIMBLE),
    CauseRow(Cause.RESULT_EXPIRED, status=410, operation=_NIMBLE),
    CauseRow(Cause.SERVER_ERROR, status=503, operation=_NIMBLE),
    *_statuses(Cause.WRONG_ENDPOINT, 301, 302, 307, 308),
    *_statuses(Cause.CREDENTIALS, 401),
    *_statuses(Cause.OBJECT_DENIED, 403),
    *_statuses(Cause.GONE, 404),
    *_statuses(Cause.NOT_SUPPORTED, 405, 501),
    *_statuses(Cause.PROXY_LOGIN, 407),
    *_statuses(Cause.TIMEOUT, 408),
    *_statuses(Cause.CONFLICT, 409),
    *_statuses(Cause.PRECONDITION_FAILED, 412),
    *_statuses(Cause.THROTTLED, 429, 503),
    *_statuses(Cause.SERVER_ERROR, 500, 502, 504),
    *_statuses(Cause.STORE_FULL, 507),
)
"""The table."""


_BY_CODE: Mapping[str, tuple[CauseRow, ...]] = {
    code: tuple(row for row in CAUSE_ROWS if row.code == code) for code in {row.code for row in CAUSE_ROWS}
}


def find_cause(*, operation: str, status: int, code: str, detail: str) -> Cause:
    """Return what an error answer means.

    Where no row fits: WRONG_ENDPOINT for a redirect, REFUSED below 500, SERVER_ERROR from there on.
    """
    for row in (*_BY_CODE.get(code, ()), *_BY_CODE[""]):
        if (not row.status or row.status == status) and operation.startswith(row.operation) and row.detail in detail:
            return row.cause
    if 300 <= status < 400:
        return Cause.WRONG_ENDPOINT
    return Cause.REFUSED if 400 <= status < 500 else Cause.SERVER_ERROR
