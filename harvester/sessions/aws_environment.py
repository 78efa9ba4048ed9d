"""Resolve a bucket from environment variables alone, without botocore, whose import takes longer than a small sync.

Plain means: keys in the environment, no configuration file, no profile, no setting of AWS but those named here, and a
bucket and endpoint without special forms. The result then equals botocore's; tests compare the two with each
other. Everything else, also renewing credentials and following a bucket to its region, is left to botocore.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harvester.sessions.connections import AwsCredentials, S3Connection, StoreSettings
from harvester.sessions.login import Login
from harvester.sessions.network import resolve_network
from harvester.sessions.session_variables import check_variables

if TYPE_CHECKING:
    from harvester.sessions.aws_session import AwsSession

_UNDERSTOOD = frozenset(
    {
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_CA_BUNDLE",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        # botocore does not read these, or not once it has found keys.
        "AWS_REGION",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_EXECUTION_ENV",
        "AWS_PAGER",
    }
)
_BUCKET = re.compile(r"[a-z0-9](?:[a-z0-9]|-(?!-)){1,61}[a-z0-9]").fullmatch
_REGION = re.compile(r"(?:af|ap|ca|eu|il|me|mx|sa|us)-[a-z]+-[0-9]").fullmatch
_ENDPOINT = re.compile(r"(https?://[a-z0-9.-]+(?::[0-9]+)?)/?").fullmatch
_FIRST_REGION = "us-east-1"


def connection_from_environment(
    bucket: str, settings: StoreSettings, environment: Mapping[str, str]
) -> S3Connection | None:
    """Return what botocore would resolve, None where only botocore can decide. Raises like `check_variables`."""
    check_variables(environment, "AWS_")
    if settings.profile is not None or not _BUCKET(bucket) or bucket.endswith("-s3alias"):
        return None
    if any(name.startswith("AWS_") and not (name in _UNDERSTOOD and environment[name]) for name in environment):
        return None
    access_key, secret_key = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    if access_key is None or secret_key is None or _has_configuration(environment):
        return None
    region = environment.get("AWS_DEFAULT_REGION", _FIRST_REGION) if settings.region is None else settings.region
    endpoint = (
        settings.endpoint_url or environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL") or ""
    )
    base_url = _base_url(bucket, region, endpoint)
    if base_url is None:
        return None
    return S3Connection(
        base_url=base_url,
        bucket=bucket,
        region=region,
        service="s3",
        credentials=AwsCredentials(access_key, secret_key, environment.get("AWS_SESSION_TOKEN")),
        request_payer=settings.request_payer,
        expected_bucket_owner=settings.expected_bucket_owner,
        network=resolve_network(base_url, settings.retry, environment.get("AWS_CA_BUNDLE")),
        max_object_bytes=settings.max_object_bytes,
        answer_limits=settings.answer_limits,
        exemptions=settings.exemptions,
        max_rps=settings.max_rps,
    )


def _has_configuration(environment: Mapping[str, str]) -> bool:
    """Return whether there is a configuration file, or its place is unknown."""
    user_folder = environment.get("HOME")
    return not user_folder or any((Path(user_folder) / ".aws" / name).exists() for name in ("config", "credentials"))


def _base_url(bucket: str, region: str, endpoint: str) -> str | None:
    if not _REGION(region):
        return None
    if endpoint:
        found = _ENDPOINT(endpoint)
        return None if found is None or "amazonaws" in endpoint else f"{found[1]}/{bucket}"
    place = "" if region == _FIRST_REGION else f".{region}"
    return f"https://{bucket}.s3{place}.amazonaws.com"


class S3Session:
    """Resolves a bucket's endpoint and credentials: from plain variables at once, else through botocore.

    Safe to use from several threads, as a listing does. Raises as AwsSession does.
    """

    def __init__(self, bucket: str, settings: StoreSettings) -> None:
        """Read the environment, and botocore's configuration unless the environment is sufficient."""
        self._bucket = bucket
        self._settings = settings
        self._lock = threading.Lock()
        self._full: AwsSession | None = None
        self._plain = connection_from_environment(bucket, settings, os.environ)
        if self._plain is None:
            self._resolve_with_botocore()

    def connection(self, *, renew: bool = False) -> S3Connection:
        """See AwsSession.connection."""
        plain = self._plain
        return self._resolve_with_botocore().connection(renew=renew) if plain is None or renew else plain

    def move(self, region: str) -> bool:
        """See AwsSession.move."""
        plain = self._plain
        return (plain is None or plain.region != region) and self._resolve_with_botocore().move(region)

    def login(self) -> Login:
        """See AwsSession.login."""
        return Login("env", None) if self._plain is not None else self._resolve_with_botocore().login()

    def _resolve_with_botocore(self) -> AwsSession:
        from harvester.sessions.aws_session import AwsSession

        with self._lock:
            if self._full is None:
                self._full = AwsSession(self._bucket, self._settings)
            self._plain = None
            return self._full
