"""The requests Nimble makes, as far as they are known: one per action, operation, and way through the
network.

What is known comes from the data file; see `RequestProfile`. Everything else may or may not be there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from policies.contracts import AccessContract, Network, Target, facts
from policies.evaluation import EVERYTHING, Constraint, Request, never_carried
from policies.language import Pattern, Wildcard, literal, pattern

HEAD_BUCKET = "head_bucket"
LIST_OBJECTS = "list_objects"
_LISTING_KEYS = ("s3:prefix", "s3:delimiter", "s3:max-keys")
_PRESENT = Constraint(present=True)
_CONTEXT_KEY = "kms:EncryptionContext:aws:s3:arn"
_CONTEXT_KEYS = "kms:EncryptionContextKeys"


@dataclass(frozen=True, slots=True)
class RequestScenario:
    """One way a request of Nimble's may look."""

    network: str
    """How it reaches the bucket, in words."""
    context: Mapping[str, str]
    """Condition keys with their values."""
    absent: frozenset[str]
    """Condition keys it does not carry."""
    constraints: Mapping[str, Constraint]
    """What is known of the rest."""

    def request(self, principal: str, action: str, resource: str) -> Request:
        """Return the request as the evaluation takes it."""
        return Request(principal, action, resource, self.context, (EVERYTHING,), self.absent, self.constraints)


def request_scenarios(
    contract: AccessContract, target: Target, action: str, operation: str = ""
) -> Iterator[RequestScenario]:
    """Yield the ways a request for ``action`` may look; exactly one is true, nobody says which."""
    for network in facts().profile.networks:
        if action.lower().startswith("kms:"):
            yield _key_scenario(contract, target, action, network)
        else:
            yield _bucket_scenario(contract, target, action, operation, network)


def _bucket_scenario(
    contract: AccessContract, target: Target, action: str, operation: str, network: Network
) -> RequestScenario:
    profile = facts().profile
    context = _caller_context(contract)
    constraints = _constraints(contract, network)
    for key in ("s3:ResourceAccount", "aws:ResourceAccount"):
        _known_or_present(key, target.account, context, constraints)
    _known_or_present("aws:RequestedRegion", target.region, context, constraints)
    absent = {*profile.absent, *network.absent, *never_carried(action)}
    if operation == HEAD_BUCKET:
        absent.update(_LISTING_KEYS)
    elif operation == LIST_OBJECTS:
        # How Nimble cuts the prefix is not documented: with the slash and without it are both possible.
        prefix = target.prefixes.get("input", next(iter(target.prefixes.values()), ""))
        if prefix:
            spellings = (literal(prefix), literal(prefix.removesuffix("/")))
            constraints["s3:prefix"] = Constraint(present=True, within=spellings)
        constraints["s3:max-keys"] = _PRESENT
    return _scenario(network, context, absent, constraints)


def _scenario(
    network: Network, context: Mapping[str, str], absent: Iterable[str], constraints: Mapping[str, Constraint]
) -> RequestScenario:
    stated = {key.lower() for key in (*context, *constraints)}
    missing = frozenset(key.lower() for key in absent) - stated
    return RequestScenario(network.name, context, missing, constraints)


def _key_scenario(contract: AccessContract, target: Target, action: str, network: Network) -> RequestScenario:
    """Return the request S3 makes to KMS in Nimble's name."""
    context = {**_caller_context(contract), "kms:CallerAccount": contract.account}
    # The request is S3's, so what is known of Nimble's own request to S3 does not hold for it.
    del context["aws:ViaAWSService"]
    constraints = _constraints(contract, network)
    _known_or_present("kms:ViaService", _service(target), context, constraints)
    if not target.region:
        constraints["kms:ViaService"] = Constraint(present=True, within=(pattern("s3.*.amazonaws.com"),))
    absent = {key for key in facts().profile.absent if not key.lower().startswith("aws:calledvia")}
    absent |= never_carried(action)
    if _CONTEXT_KEYS.lower() in absent:
        # Requests that neither encrypt nor decrypt, such as DescribeKey, have no encryption context.
        absent.add(_CONTEXT_KEY)
    else:
        objects = tuple(keys_under(f"{target.bucket_arn}/{prefix}") for prefix in target.prefixes.values())
        # The encryption context names the object, or with a Bucket Key the bucket.
        constraints[_CONTEXT_KEY] = Constraint(present=True, within=(literal(target.bucket_arn), *objects))
        context[_CONTEXT_KEYS] = "aws:s3:arn"
    return _scenario(network, context, absent, constraints)


def keys_under(text: str) -> Pattern:
    """Return the pattern of every text that starts with ``text`` and goes on."""
    return Pattern((text, Wildcard.ONE, Wildcard.RUN))


def _service(target: Target) -> str:
    return f"s3.{target.region}.amazonaws.com" if target.region else ""


def _caller_context(contract: AccessContract) -> dict[str, str]:
    return {
        **facts().profile.present,
        "aws:PrincipalArn": contract.principal,
        "aws:PrincipalAccount": contract.account,
        "aws:username": contract.principal.rsplit("/", 1)[-1],
    }


def _constraints(contract: AccessContract, network: Network) -> dict[str, Constraint]:
    profile = facts().profile
    return {
        **dict.fromkeys(profile.present_unknown, _PRESENT),
        **dict.fromkeys(profile.foreign, Constraint(foreign=True, own=contract.account)),
        **dict.fromkeys(network.present_unknown, _PRESENT),
        **dict.fromkeys(network.foreign_present, Constraint(present=True, foreign=True, own=contract.account)),
    }


def _known_or_present(key: str, value: str, context: dict[str, str], constraints: dict[str, Constraint]) -> None:
    if value:
        context[key] = value
    else:
        constraints[key] = _PRESENT
