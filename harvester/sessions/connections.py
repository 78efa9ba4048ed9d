"""What a process needs to reach a bucket: values without an SDK, so that a worker stays small."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from harvester.retry import RetryPolicy


class Network(NamedTuple):
    """How connections are made, as the SDK would make them."""

    ca_bundle: str | None
    """File of trusted certificates; None for an endpoint without TLS."""
    proxy: str
    """URL of the proxy for this endpoint; empty for a direct connection, NO_PROXY already applied."""
    retry: RetryPolicy
    """Timeouts, and when to give up."""


class AnswerLimits(NamedTuple):
    """How long the answers of a store may be that are read into memory."""

    list_bytes: int = 16 * 1024 * 1024
    """A list page; 1,000 keys of 1,024 bytes, percent-encoded throughout, take 3.5 MB."""
    error_bytes: int = 256 * 1024
    """An error document; those of S3 and Google Cloud Storage have a few kilobytes."""


class CheckExemption(StrEnum):
    """A check of delivered bytes that is left out because the store is known not to keep the rule behind it."""

    ETAG_NOT_MD5 = "etag-not-md5"
    """The store's ETags look like MD5 digests and are none: objects are checked by length and other checksums."""
    TRANSCODED = "transcoded"
    """Objects stored with Content-Encoding gzip are sent inflated, without length and checksum of what is sent."""


class AwsCredentials(NamedTuple):
    """One set of AWS credentials, valid for a while."""

    access_key: str
    """The access key id; no secret."""
    secret_key: str
    """The secret access key."""
    token: str | None
    """The session token of temporary credentials."""

    def __repr__(self) -> str:
        """Show no secret."""
        return f"AwsCredentials(access_key={self.access_key!r})"


class S3Connection(NamedTuple):
    """All a worker needs to fetch from an S3 bucket."""

    base_url: str
    """URL of the bucket without a slash at its end: ``https://bucket.s3.eu-west-1.amazonaws.com``."""
    bucket: str
    """The bucket's name."""
    region: str
    """Region the signature names."""
    service: str
    """Service the signature names: ``s3``, or ``s3-outposts`` and the like behind an access point."""
    credentials: AwsCredentials
    """What requests are signed with."""
    request_payer: bool
    """Whether to agree to pay."""
    expected_bucket_owner: str | None
    """Account id the bucket must belong to."""
    network: Network
    """How connections are made."""
    max_object_bytes: int | None
    """Bodies longer than this are refused."""
    answer_limits: AnswerLimits = AnswerLimits()
    """How long list pages and error documents may be."""
    exemptions: frozenset[CheckExemption] = frozenset()
    """Checks of delivered bytes that are left out."""
    max_rps: float | None = None
    """Requests for objects that one worker starts a second, at most; None for any number."""

    @property
    def scheme(self) -> str:
        """``s3``."""
        return "s3"


class GcsConnection(NamedTuple):
    """All a worker needs to fetch from a GCS bucket."""

    endpoint: str
    """Base URL of the JSON API without a slash at its end: ``https://storage.googleapis.com``."""
    bucket: str
    """The bucket's name."""
    token: str | None
    """OAuth 2 access token; None to go without, as emulators do."""
    user_project: str | None
    """Project that pays for the requests."""
    network: Network
    """How connections are made."""
    max_object_bytes: int | None
    """Bodies longer than this are refused."""
    answer_limits: AnswerLimits = AnswerLimits()
    """How long list pages and error documents may be."""
    exemptions: frozenset[CheckExemption] = frozenset()
    """Checks of delivered bytes that are left out."""
    max_rps: float | None = None
    """Requests for objects that one worker starts a second, at most; None for any number."""

    @property
    def scheme(self) -> str:
        """``gs``."""
        return "gs"

    def __repr__(self) -> str:
        """Show no secret."""
        return f"GcsConnection(endpoint={self.endpoint!r}, bucket={self.bucket!r})"


BucketConnection = S3Connection | GcsConnection


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """How a store is reached; everything left out is resolved as boto3 or google-auth resolve it."""

    endpoint_url: str | None = None
    """Base URL of an S3-compatible or GCS-compatible endpoint."""
    profile: str | None = None
    """Name of the AWS profile."""
    region: str | None = None
    """AWS region; a wrong one is corrected from the bucket's answer."""
    request_payer: bool = False
    """Whether to agree to pay for requests to a requester-pays bucket."""
    expected_bucket_owner: str | None = None
    """AWS account id; the store refuses when the bucket belongs to another."""
    max_object_bytes: int | None = None
    """Bodies longer than this are refused as too_large; None for no limit."""
    answer_limits: AnswerLimits = field(default_factory=AnswerLimits)
    """How long list pages and error documents may be."""
    exemptions: frozenset[CheckExemption] = frozenset()
    """Checks of delivered bytes that are left out."""
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    """When to give up."""
    max_rps: float | None = None
    """Requests for objects a second, of all workers of a session together; None for any number."""
