"""Read KMS keys and their policies, and write the policies.

Source: AWS KMS API reference; the permission of each call is the Service Authorization Reference's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harvester.storage.bucket_settings import KmsKey, Unread, UnreadReason, unread
from harvester.storage.s3.aws_clients import AwsClients, ask
from harvester.storage.service_errors import CallResult

_DEFAULT_POLICY = "default"  # the only name a key policy can have


class KmsKeys:
    """The keys that one set of credentials can reach."""

    def __init__(self, clients: AwsClients) -> None:
        """Use ``clients``."""
        self._clients = clients

    def read(self, key: str, region: str) -> KmsKey:
        """Read the key that ``key`` names: an ARN, an id or an alias, the latter two in ``region``."""
        region = _region_of(key) or region
        client = self._clients.kms(region)
        described = ask(client.describe_key, KeyId=key)
        if described.value is None:
            policy = self.read_policy(key) if _is_key_arn(key) else Unread(UnreadReason.NOT_ASKED, "kms:GetKeyPolicy")
            account = key.split(":")[4] if _is_arn(key) else ""
            return KmsKey(
                arn=key if _is_key_arn(key) else "",
                account=account,
                region=region,
                managed_by_aws=None,
                state="",
                usage="",
                policy=policy,
                description=unread(described.error, "kms:DescribeKey"),
            )
        metadata: Mapping[str, Any] = described.value.get("KeyMetadata", {})
        arn = str(metadata.get("Arn", ""))
        return KmsKey(
            arn=arn,
            account=str(metadata.get("AWSAccountId", "")),
            region=_region_of(arn) or region,
            managed_by_aws=metadata.get("KeyManager") == "AWS",
            state=str(metadata.get("KeyState", "")),
            usage=str(metadata.get("KeyUsage", "")),
            policy=self.read_policy(arn),
        )

    def read_policy(self, arn: str) -> str | Unread:
        """Read the policy of the key with this ARN."""
        answer = ask(self._clients.kms(_region_of(arn)).get_key_policy, KeyId=arn, PolicyName=_DEFAULT_POLICY)
        if answer.value is None:
            return unread(answer.error, "kms:GetKeyPolicy")
        text = answer.value.get("Policy")
        return text if isinstance(text, str) else Unread(UnreadReason.NOT_OFFERED, "kms:GetKeyPolicy")

    def put_policy(self, arn: str, text: str) -> CallResult[dict[str, Any]]:
        """Replace the key's policy; takes kms:PutKeyPolicy. KMS itself refuses one that locks the caller out."""
        client = self._clients.kms(_region_of(arn))
        return ask(client.put_key_policy, KeyId=arn, PolicyName=_DEFAULT_POLICY, Policy=text)


def _is_arn(key: str) -> bool:
    return key.startswith("arn:") and len(key.split(":")) >= 6


def _is_key_arn(key: str) -> bool:
    return _is_arn(key) and key.split(":")[5].startswith("key/")


def _region_of(key: str) -> str:
    return key.split(":")[3] if _is_arn(key) else ""
