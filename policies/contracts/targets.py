"""The target of a contract: a bucket, the prefixes in it, the key that encrypts it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from policies.contracts.access_contracts import AccessContract, Cloud
from policies.language import escape
from policies.policy_errors import ContractError, PolicyErrorCode

_BUCKET = {
    "s3": re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]\Z"),
    "gs": re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]\Z"),
}
_KEY_ARN = re.compile(
    r"arn:(?P<partition>[a-z-]+):kms:(?P<region>[a-z0-9-]+):(?P<account>[0-9]{12}):key/[A-Za-z0-9-]+\Z"
)
_BUCKET_ARN = re.compile(r"arn:aws[a-z-]*:s3:::")
_ADDRESS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}\Z")
_RESERVED_ENDS: Mapping[str, str] = {
    "--x-s3": "a directory bucket, which grants access by sessions and not to another account's user",
    "--table-s3": "a table bucket, which holds tables and no objects",
    "-s3alias": "the alias of an access point; name the bucket behind it",
    "--ol-s3": "the alias of an Object Lambda access point; name the bucket behind it",
    ".mrap": "the alias of a Multi-Region access point; name the bucket behind it",
}
"""What is no general purpose bucket, by the end of its name. Source: the S3 User Guide, "General purpose
bucket naming rules", 2026-11."""
_SCHEMES = {"s3": "s3://", "gs": "gs://"}
MAX_KEY = 1024
"""How many bytes a key may have, on S3 and on GCS."""


@dataclass(frozen=True, slots=True)
class Target:
    """A bucket, the prefixes in it, the key that encrypts it."""

    cloud: Cloud
    """The cloud."""
    bucket: str
    """The bucket's name."""
    prefixes: Mapping[str, str]
    """The prefixes by the contract's names for them, normalised; a prefix that the delivery does not use is
    missing."""
    key_arn: str | None
    """The ARN of the customer-managed KMS key, when the bucket is encrypted with one."""
    region: str = ""
    """The bucket's region, when known."""
    account: str = ""
    """The account that owns the bucket, when known."""
    partition: str = "aws"
    """The AWS partition of the bucket; Nimble's principals are in ``aws``, and no policy grants across partitions."""
    bucket_key: bool | None = None
    """Whether the bucket's default encryption uses a Bucket Key; None when not known."""

    @property
    def bucket_arn(self) -> str:
        """The bucket's ARN."""
        return f"arn:{self.partition}:s3:::{self.bucket}"

    def objects_arn(self, name: str) -> str:
        """Return the ARN pattern of every key under a prefix, its own wildcards escaped."""
        return f"{self.bucket_arn}/{escape(self.prefixes[name])}*"

    def url(self, name: str) -> str:
        """Return a prefix as a person writes it."""
        return f"{_SCHEMES[self.cloud]}{self.bucket}/{self.prefixes[name]}"


def target(
    contract: AccessContract,
    bucket: str,
    *,
    prefixes: Mapping[str, str | None] | None = None,
    key_arn: str | None = None,
    region: str = "",
    account: str = "",
    bucket_key: bool | None = None,
) -> Target:
    """Return the target of ``contract`` in ``bucket``.

    ``prefixes`` maps the contract's names (``prefix``, or ``input`` and ``output``) to prefixes, by default
    the documented ones. A job with only one of its two prefixes reads or writes in another bucket, so that
    only the one given is granted. Raises ContractError for an invalid bucket, prefix or key.
    """
    given = {name: prefix for name, prefix in (prefixes or {}).items() if prefix is not None}
    known = [role.name for role in contract.prefixes]
    for name in given:
        if name not in known:
            raise ContractError(
                f"the {contract.mode} contract has no {name!r} prefix",
                cause=f"it has {' and '.join(known)}",
                code=PolicyErrorCode.PREFIX_UNKNOWN,
                parameters={"known": ",".join(known)},
            )
    _check_bucket(contract.cloud, bucket)
    if key_arn is not None:
        _check_key(contract, key_arn)
    chosen = {name: normalise_prefix(given[name], contract.cloud, bucket) for name in known if name in given}
    documented = {role.name: role.documented for role in contract.prefixes}
    # A bucket and the key that encrypts it are always in one region.
    region = key_arn.split(":")[3] if key_arn else region
    return Target(
        contract.cloud,
        bucket,
        MappingProxyType(chosen or documented),
        key_arn,
        region,
        account,
        bucket_key=bucket_key,
    )


def normalise_prefix(text: str, cloud: Cloud, bucket: str) -> str:
    """Return a prefix as keys start with it: no leading slash, a trailing one, unless it is empty.

    Also takes a location or an ARN in the bucket, and a prefix with the ``*`` of a policy at its end. Raises
    ContractError for a location in another bucket, for white space at its end and for what no key can start with.
    """
    scheme = _SCHEMES[cloud]
    arn = _BUCKET_ARN.match(text)
    prefix = scheme + text[arn.end() :] if cloud == "s3" and arn is not None else text
    if text != text.rstrip():
        raise ContractError(
            f"white space at the end of the prefix {text!r}",
            cause="a folder whose name ends in it is written with a slash behind it",
            code=PolicyErrorCode.PREFIX_WITH_SPACE,
            parameters={"meant": text.rstrip()},
        )
    if "://" in prefix:
        if not (prefix + "/").startswith(f"{scheme}{bucket}/"):
            raise ContractError(
                f"the prefix {text!r} is not in the bucket {bucket!r}",
                cause="a prefix is the part of the location after the bucket's name",
                code=PolicyErrorCode.PREFIX_OF_ANOTHER_BUCKET,
                parameters={"bucket": f"{scheme}{bucket}"},
            )
        prefix = prefix[len(scheme) + len(bucket) :]
    prefix = prefix.removesuffix("*") if prefix.endswith("/*") or prefix == "*" else prefix
    prefix = prefix.lstrip("/")
    if prefix and not prefix.endswith("/"):
        prefix += "/"
    if "\x00" in prefix or len(prefix.encode("utf-8", "surrogatepass")) >= MAX_KEY:
        raise ContractError(
            "no key can start with this prefix",
            cause=f"keys have at most {MAX_KEY:,} bytes and no NUL character",
            code=PolicyErrorCode.PREFIX_TOO_LONG,
        )
    return prefix


def _check_bucket(cloud: Cloud, bucket: str) -> None:
    problem = _bucket_problem(cloud, bucket)
    if not problem:
        return
    name = _BUCKET_ARN.sub("", bucket.strip().removeprefix(_SCHEMES[cloud])).partition("/")[0]
    meant = name if name != bucket and not _bucket_problem(cloud, name) else ""
    raise ContractError(
        f"not the name of a bucket: {bucket!r}",
        cause=problem,
        code=PolicyErrorCode.BUCKET_NAME_INVALID,
        parameters={"meant": meant},
    )


def _bucket_problem(cloud: Cloud, bucket: str) -> str:
    """Return why a bucket cannot have a name or be a target; empty when it can."""
    if not _BUCKET[cloud].match(bucket) or ".." in bucket:
        return "3 to 63 lower-case letters, digits, dots and hyphens, with a letter or digit at both ends"
    if _ADDRESS.match(bucket):
        return "a bucket's name is not formatted as an IP address"
    reserved = (reason for end, reason in _RESERVED_ENDS.items() if cloud == "s3" and bucket.endswith(end))
    return next((f"it is {reason}" for reason in reserved), "")


def _check_key(contract: AccessContract, key_arn: str) -> None:
    if contract.cloud == "gs":
        raise ContractError(
            "a KMS key on Google Cloud Storage",
            cause="the key of a GCS bucket needs no grant to Nimble",
            code=PolicyErrorCode.KEY_ON_GCS,
        )
    found = _KEY_ARN.match(key_arn)
    if found is None:
        alias = "alias" in key_arn
        raise ContractError(
            f"not the ARN of a KMS key: {key_arn!r}",
            cause="an alias resolves in the account that asks, which is Nimble's"
            if alias
            else "it is written arn:aws:kms:REGION:ACCOUNT:key/ID",
            code=PolicyErrorCode.NOT_A_KEY_ARN,
            parameters={"alias": key_arn if alias else ""},
        )
    if found["partition"] != contract.principal.split(":")[1]:
        raise ContractError(
            f"the key is in the partition {found['partition']!r}",
            cause="principals do not cross partitions, so no policy there can admit Nimble",
            code=PolicyErrorCode.KEY_IN_ANOTHER_PARTITION,
        )
