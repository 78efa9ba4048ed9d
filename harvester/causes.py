"""The one table of causes: what an error answer of a store, key service, queue or Nimble's API means.

Used by list, fetch, put, settings, policies, KMS, SQS, Google Cloud Storage, Pub/Sub and Nimble's API alike. A row
names what it needs of operation, status, code and detail; the rows of a code come before those of a status, and the
first that fits decides. The detail is a fixed part of the service's sentence, and is used only where one code covers
several causes.

Sources: Amazon S3 API Reference, "Error responses"; AWS KMS, STS and SQS API references, "Common errors"; Cloud
Storage JSON API, "HTTP status and error codes"; gRPC, "Status codes and their use"; Nimble documentation, "Errors".
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from harvester.errors import (
    AccessDenied,
    ConfigurationError,
    ConnectionFailed,
    DestinationUnusable,
    DifferenceFound,
    ExitCode,
    HarvesterError,
    IntegrityError,
    NoSuchBucket,
    RequestRefused,
    UsageError,
)


class Cause(StrEnum):
    """Why a request failed, or an object could not be fetched."""

    OBJECT_DENIED = "object_denied"
    """Access is denied to these credentials, without a reason."""
    OTHER_OWNER = "other_owner"
    """The object belongs to another account than the bucket."""
    KMS_DENIED = "kms_denied"
    """The KMS key denies its use to these credentials."""
    KMS_NOT_FOUND = "kms_not_found"
    """The KMS key does not exist."""
    KMS_DISABLED = "kms_disabled"
    """The KMS key is disabled."""
    KMS_INVALID_STATE = "kms_invalid_state"
    """The KMS key is pending import or deletion, or is not for encryption."""
    SSE_C = "sse_c"
    """The object is encrypted with a key that the customer has to send (SSE-C)."""
    ARCHIVED = "archived"
    """The object must be restored from its archive class first."""
    GONE = "gone"
    """The object does not exist (any more)."""
    THROTTLED = "throttled"
    """The service asked for fewer requests until the attempts ran out."""
    CONFLICT = "conflict"
    """Another operation on the same resource was in progress in every attempt."""
    NETWORK = "network"
    """Connection refused, reset or broken until the attempts ran out."""
    CERTIFICATE = "certificate"
    """The certificate of the service is not one that this machine trusts."""
    TIMEOUT = "timeout"
    """Hardly a byte came for longer than the stall limit, in every attempt."""
    SERVER_ERROR = "server_error"
    """The service failed (5xx) in every attempt, or sent what cannot be processed."""
    REFUSED = "refused"
    """The service refused the request for a reason that has no row in the table."""
    NOT_SUPPORTED = "not_supported"
    """The service does not offer the operation."""
    PROXY_LOGIN = "proxy_login"
    """The proxy asks for a user and a password (407)."""
    WRONG_ENDPOINT = "wrong_endpoint"
    """The bucket is served by another endpoint or region."""
    REQUESTER_PAYS = "requester_pays"
    """Requests to the bucket must name who pays for them."""
    INTEGRITY = "integrity"
    """The bytes received never matched the length or checksum the store states."""
    ETAG_NOT_MD5 = "etag_not_md5"
    """Objects arrive with the listed length and the same bytes each time, and none with the MD5 of its ETag."""
    TRANSCODED = "transcoded"
    """The store sends objects inflated that it keeps compressed, so that neither length nor checksum can be checked."""
    CREDENTIALS = "credentials"
    """The service rejects the credentials, also after they were renewed."""
    EXPIRED = "expired"
    """The login has expired, and the SDK's chain has no other."""
    CLOCK_SKEW = "clock_skew"
    """This machine's clock is too far from the service's for a signature to count."""
    NO_BUCKET = "no_bucket"
    """The bucket does not exist (any more)."""
    NO_QUEUE = "no_queue"
    """The queue does not exist."""
    PRECONDITION_FAILED = "precondition_failed"
    """The resource has changed since it was read."""
    OBJECT_LOCK = "object_lock"
    """Object Lock or a retention policy forbids the write."""
    ACLS_OFF = "acls_off"
    """The bucket has no ACLs (Object Ownership is BucketOwnerEnforced)."""
    PUBLIC_POLICY_BLOCKED = "public_policy_blocked"
    """Block Public Access refuses a policy that it counts as public."""
    MALFORMED_POLICY = "malformed_policy"
    """The service does not accept the policy document."""
    ORGANISATION_POLICY = "organisation_policy"
    """An organisation policy forbids the change, such as iam.allowedPolicyMemberDomains."""
    STORE_FULL = "store_full"
    """The store has no space left."""
    QUOTA = "quota"
    """A quota of the account is used up."""
    BUDGET = "budget"
    """The budget or trial of the Nimble account is used up."""
    RESULT_EXPIRED = "result_expired"
    """Nimble has deleted it after its retention."""
    TOO_LARGE = "too_large"
    """The body is longer than StoreSettings.max_object_bytes; it has grown since it was listed."""
    UNREADABLE = "unreadable"
    """The source's disk could not read the file."""
    SPOOL = "spool"
    """The spool directory could not take the body: full, out of inodes, read-only."""

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later with nothing changed by a person."""
        return _MEANINGS[self].retryable

    @property
    def fatal(self) -> bool:
        """Whether every other object must fail alike, so that continuing is pointless."""
        return _MEANINGS[self].fatal

    @property
    def exit_code(self) -> ExitCode:
        """The code of a run which ends for this cause alone."""
        return _MEANINGS[self].exit_code

    @property
    def error_class(self) -> type[HarvesterError]:
        """The class of the error of a single request; RequestRefused where ``exit_code`` is that of a whole run."""
        return _CLASSES[self.exit_code]

    @property
    def sentence(self) -> str:
        """What it means, to follow "cannot … LOCATION: "."""
        return _MEANINGS[self].sentence


class _Meaning(NamedTuple):
    exit_code: ExitCode
    sentence: str
    retryable: bool = False
    fatal: bool = False


_CLASSES: Mapping[ExitCode, type[HarvesterError]] = {
    ExitCode.USAGE: UsageError,
    ExitCode.PARTIAL: RequestRefused,
    ExitCode.ACCESS_DENIED: AccessDenied,
    ExitCode.NO_SUCH_BUCKET: NoSuchBucket,
    ExitCode.CONNECTION_FAILED: ConnectionFailed,
    ExitCode.INTEGRITY: IntegrityError,
    ExitCode.CONFIGURATION: ConfigurationError,
    ExitCode.DIFFERENCE: DifferenceFound,
    ExitCode.DESTINATION: DestinationUnusable,
    ExitCode.REFUSED: RequestRefused,
}
_DENIED, _FAILED, _PARTIAL = ExitCode.ACCESS_DENIED, ExitCode.CONNECTION_FAILED, ExitCode.PARTIAL
_REFUSED = ExitCode.REFUSED
_MEANINGS: Mapping[Cause, _Meaning] = {
    Cause.OBJECT_DENIED: _Meaning(_DENIED, "access denied"),
    Cause.OTHER_OWNER: _Meaning(_DENIED, "the object belongs to another account"),
    Cause.KMS_DENIED: _Meaning(_DENIED, "the KMS key denies access"),
    Cause.KMS_NOT_FOUND: _Meaning(_DENIED, "the KMS key does not exist"),
    Cause.KMS_DISABLED: _Meaning(_DENIED, "the KMS key is disabled"),
    Cause.KMS_INVALID_STATE: _Meaning(_DENIED, "the KMS key cannot be used in its present state"),
    Cause.SSE_C: _Meaning(_DENIED, "the object is encrypted with a key that is not here (SSE-C)"),
    Cause.ARCHIVED: _Meaning(_PARTIAL, "the object is archived"),
    Cause.GONE: _Meaning(_PARTIAL, "it does not exist"),
    Cause.THROTTLED: _Meaning(_FAILED, "the service is throttling", retryable=True),
    Cause.CONFLICT: _Meaning(_FAILED, "another operation on it is in progress", retryable=True),
    Cause.NETWORK: _Meaning(_FAILED, "cannot reach the service", retryable=True),
    Cause.CERTIFICATE: _Meaning(ExitCode.CONFIGURATION, "the certificate of the service is not trusted", fatal=True),
    Cause.TIMEOUT: _Meaning(_FAILED, "no answer in time", retryable=True),
    Cause.SERVER_ERROR: _Meaning(_FAILED, "no usable answer", retryable=True),
    Cause.REFUSED: _Meaning(_REFUSED, "the request was refused"),
    Cause.NOT_SUPPORTED: _Meaning(_REFUSED, "the service does not offer the operation"),
    Cause.PROXY_LOGIN: _Meaning(ExitCode.CONFIGURATION, "the proxy asks for a login", fatal=True),
    Cause.WRONG_ENDPOINT: _Meaning(ExitCode.CONFIGURATION, "the bucket is served by another endpoint", fatal=True),
    Cause.REQUESTER_PAYS: _Meaning(_DENIED, "the bucket is requester-pays, and no payer was named", fatal=True),
    Cause.INTEGRITY: _Meaning(ExitCode.INTEGRITY, "the bytes are not those the store states", retryable=True),
    Cause.ETAG_NOT_MD5: _Meaning(ExitCode.INTEGRITY, "the store's ETags are no MD5 digests", fatal=True),
    Cause.TRANSCODED: _Meaning(ExitCode.INTEGRITY, "the store sends objects inflated"),
    Cause.CREDENTIALS: _Meaning(_DENIED, "the store rejects the credentials", fatal=True),
    Cause.EXPIRED: _Meaning(ExitCode.CONFIGURATION, "the login has expired", fatal=True),
    Cause.CLOCK_SKEW: _Meaning(ExitCode.CONFIGURATION, "this machine's clock is wrong", fatal=True),
    Cause.NO_BUCKET: _Meaning(ExitCode.NO_SUCH_BUCKET, "the bucket does not exist", fatal=True),
    Cause.NO_QUEUE: _Meaning(ExitCode.USAGE, "the queue does not exist", fatal=True),
    Cause.PRECONDITION_FAILED: _Meaning(ExitCode.DIFFERENCE, "it has changed since it was read"),
    Cause.OBJECT_LOCK: _Meaning(_DENIED, "Object Lock or a retention policy forbids the write"),
    Cause.ACLS_OFF: _Meaning(_REFUSED, "the bucket has no ACLs"),
    Cause.PUBLIC_POLICY_BLOCKED: _Meaning(_DENIED, "Block Public Access refuses a policy it counts as public"),
    Cause.MALFORMED_POLICY: _Meaning(ExitCode.INTEGRITY, "the policy document is not accepted"),
    Cause.ORGANISATION_POLICY: _Meaning(_DENIED, "an organisation policy forbids the change"),
    Cause.STORE_FULL: _Meaning(ExitCode.DESTINATION, "the store has no space left"),
    Cause.QUOTA: _Meaning(_REFUSED, "a quota of the account is used up"),
    Cause.BUDGET: _Meaning(_DENIED, "the account's budget or trial is used up", fatal=True),
    Cause.RESULT_EXPIRED: _Meaning(ExitCode.USAGE, "Nimble no longer holds it"),
    Cause.TOO_LARGE: _Meaning(_PARTIAL, "the object is larger than allowed"),
    Cause.UNREADABLE: _Meaning(_PARTIAL, "the file cannot be read"),
    Cause.SPOOL: _Meaning(ExitCode.DESTINATION, "the destination takes no more", fatal=True),
}


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
    CauseRow(Cause.REQUESTER_PAYS, "required", detail="user project"),
    CauseRow(Cause.REQUESTER_PAYS, "userProjectMissing"),
    CauseRow(Cause.OBJECT_LOCK, "retentionPolicyNotMet"),
    *_of(_PUBSUB, Cause.NO_QUEUE, "NOT_FOUND"),
    *_of(_PUBSUB, Cause.OBJECT_DENIED, "PERMISSION_DENIED"),
    *_of(_PUBSUB, Cause.CREDENTIALS, "UNAUTHENTICATED"),
    *_of(_PUBSUB, Cause.THROTTLED, "RESOURCE_EXHAUSTED"),
    *_of(_PUBSUB, Cause.CONFLICT, "ABORTED"),
    *_of(_PUBSUB, Cause.TIMEOUT, "DEADLINE_EXCEEDED"),
    *_of(_PUBSUB, Cause.NOT_SUPPORTED, "UNIMPLEMENTED"),
    *_of(_PUBSUB, Cause.REFUSED, "INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE"),
    *_of(_PUBSUB, Cause.SERVER_ERROR, "UNAVAILABLE", "INTERNAL", "UNKNOWN", "DATA_LOSS"),
    *_codes(Cause.GONE, "NoSuchKey", "NoSuchVersion"),
    *_codes(Cause.NO_BUCKET, "NoSuchBucket"),
    *_codes(Cause.NO_QUEUE, "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "NonExistentQueue"),
    *_codes(Cause.ARCHIVED, "InvalidObjectState"),
    *_codes(
        Cause.CREDENTIALS,
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "InvalidSecurity",
        "AccountProblem",
        "NotSignedUp",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "IncompleteSignature",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
    ),
    *_codes(Cause.EXPIRED, "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken"),
    *_codes(Cause.CLOCK_SKEW, "RequestTimeTooSkewed", "RequestExpired"),
    *_codes(Cause.TIMEOUT, "RequestTimeout"),
    *_codes(
        Cause.THROTTLED,
        "SlowDown",
        "ServiceUnavailable",
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
        "RequestThrottled",
        "TooManyRequestsException",
        "KmsThrottled",
        "rateLimitExceeded",
        "userRateLimitExceeded",
        "quotaExceeded",
    ),
    *_codes(Cause.CONFLICT, "OperationAborted", "ConditionalRequestConflict", "ConcurrentModification"),
    *_codes(Cause.KMS_DENIED, "AccessDeniedByKmsKeyPolicy", "KmsAccessDenied", "KMS.AccessDeniedException"),
    *_codes(Cause.KMS_NOT_FOUND, "KMS.NotFoundException", "NotFoundException", "KmsNotFound"),
    *_codes(Cause.KMS_DISABLED, "KMS.DisabledException", "DisabledException", "KmsDisabled"),
    *_codes(
        Cause.KMS_INVALID_STATE,
        "KMS.KMSInvalidStateException",
        "KMSInvalidStateException",
        "KmsInvalidState",
        "KMS.InvalidKeyUsageException",
        "KmsInvalidKeyUsage",
    ),
    *_codes(Cause.OBJECT_DENIED, "AccessDenied", "AccessDeniedException", "AuthorizationError", "AllAccessDisabled"),
    *_codes(Cause.PRECONDITION_FAILED, "PreconditionFailed", "conditionNotMet"),
    *_codes(Cause.ACLS_OFF, "AccessControlListNotSupported"),
    *_codes(Cause.MALFORMED_POLICY, "MalformedPolicy", "MalformedPolicyDocumentException"),
    *_codes(Cause.NOT_SUPPORTED, "NotImplemented", "MethodNotAllowed", "XNotImplemented"),
    *_codes(Cause.WRONG_ENDPOINT, "PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed"),
    *_codes(Cause.QUOTA, "QuotaExceeded", "dailyLimitExceeded", "ServiceQuotaExceededException"),
    *_codes(Cause.STORE_FULL, "InsufficientStorage", "XMinioStorageFull"),
    *_codes(Cause.SERVER_ERROR, "InternalError", "InternalFailure", "backendError", "internalError"),
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


def may_pass(reason: str) -> bool:
    """Return whether a later run may fetch an object that failed for ``reason``, with nothing changed by a person.

    What has gone since it was listed is not listed again.
    """
    return reason in Cause.__members__.values() and (Cause(reason).retryable or reason == Cause.GONE)
