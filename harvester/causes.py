"""What each cause of a failed request means: its sentence, its exit code, and whether a retry can help.

`harvester.cause_rows` says which answer has which cause.
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
    POLICY_LIMIT = "policy_limit"
    """A policy denies it, whatever is granted: by an explicit deny, or as one that limits what grants allow."""
    PERIMETER = "perimeter"
    """A perimeter of VPC Service Controls forbids the request."""
    ACCOUNT = "account"
    """The account cannot use the service: its billing, its sign-up, or the service is switched off."""
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
    PAYER_REFUSED = "payer_refused"
    """The account or project that is named to pay may not be used for it."""
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
    """An organisation policy forbids the request, such as iam.allowedPolicyMemberDomains."""
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
    Cause.POLICY_LIMIT: _Meaning(_DENIED, "a policy denies it, whatever is granted"),
    Cause.PERIMETER: _Meaning(_DENIED, "a perimeter of VPC Service Controls forbids it", fatal=True),
    Cause.ACCOUNT: _Meaning(_DENIED, "the account cannot use the service", fatal=True),
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
    Cause.PAYER_REFUSED: _Meaning(_DENIED, "the account or project that is to pay may not be used", fatal=True),
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
    Cause.ORGANISATION_POLICY: _Meaning(_DENIED, "an organisation policy forbids it"),
    Cause.STORE_FULL: _Meaning(ExitCode.DESTINATION, "the store has no space left"),
    Cause.QUOTA: _Meaning(_REFUSED, "a quota of the account is used up"),
    Cause.BUDGET: _Meaning(_DENIED, "the account's budget or trial is used up", fatal=True),
    Cause.RESULT_EXPIRED: _Meaning(ExitCode.USAGE, "Nimble no longer holds it"),
    Cause.TOO_LARGE: _Meaning(_PARTIAL, "the object is larger than allowed"),
    Cause.UNREADABLE: _Meaning(_PARTIAL, "the file cannot be read"),
    Cause.SPOOL: _Meaning(ExitCode.DESTINATION, "the destination takes no more", fatal=True),
}


def may_pass(reason: str) -> bool:
    """Return whether a later run may fetch an object that failed for ``reason``, with nothing changed by a person.

    What has gone since it was listed is not listed again.
    """
    return reason in Cause.__members__.values() and (Cause(reason).retryable or reason == Cause.GONE)
