"""The requests Nimble makes, as far as they are known: one per action, operation and network path.

What is known and what is assumed comes from the data file; see `RequestProfile`. Of any other condition key
neither presence nor value is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

from policies.contracts import AccessContract, Assumption, NetworkPath, Target, facts
from policies.evaluation import ANYTHING, EVERYTHING, Constraint, Request, never_carried
from policies.language import Pattern, Wildcard, literal, pattern

HEAD_BUCKET = "head_bucket"
LIST_OBJECTS = "list_objects"
TIME_KEYS = ("aws:CurrentTime", "aws:EpochTime")
"""The condition keys that hold the time of the request."""
_OF_THE_OWNER = frozenset({"aws:resourceorgid", "aws:resourceorgpaths", "aws:resourceaccount", "s3:resourceaccount"})
"""The condition keys that hold the account of the bucket, or its organisation."""
_LISTING_KEYS = ("s3:prefix", "s3:delimiter", "s3:max-keys")
_PRESENT = Constraint(present=True)
_CONTEXT_KEY = "kms:EncryptionContext:aws:s3:arn"
_CONTEXT_KEYS = "kms:EncryptionContextKeys"
_OF_EVERY_KEY = {
    "kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
    "kms:KeySpec": "SYMMETRIC_DEFAULT",
    "kms:KeyUsage": "ENCRYPT_DECRYPT",
}
"""What is known of every key that encrypts objects: S3 takes symmetric encryption keys only. Source: the S3 User
Guide, "Using server-side encryption with AWS KMS keys"."""
_MULTI_REGION_KEY = ":key/mrk-"
"""What the ARN of a multi-Region key holds, and that of no other key. Source: the KMS Developer Guide."""


@dataclass(frozen=True, slots=True)
class RequestScenario:
    """What is known of a request of Nimble's on one network path."""

    network: str
    """The network path, in words."""
    context: Mapping[str, str]
    """Condition keys with their values."""
    absent: frozenset[str]
    """Condition keys the request does not carry."""
    constraints: Mapping[str, Constraint]
    """What is known of other keys."""

    def request(self, principal: str, action: str, resource: str) -> Request:
        """Return the request as the evaluation takes it."""
        return Request(principal, action, resource, self.context, (EVERYTHING,), self.absent, self.constraints)


def request_scenarios(
    contract: AccessContract,
    target: Target,
    action: str,
    operation: str = "",
    *,
    assumptions: Iterable[Assumption] | None = None,
    at: datetime | None = None,
) -> Iterator[RequestScenario]:
    """Yield what is known of a request for ``action`` on each network path; exactly one path is taken.

    ``assumptions`` are those made, by default all; ``at`` is the time of the request, by default unknown.
    """
    assumed = tuple(facts().profile.assumptions if assumptions is None else assumptions)
    for network in facts().profile.networks:
        if action.lower().startswith("kms:"):
            yield _key_scenario(contract, target, action, network, assumed, at)
        else:
            yield _bucket_scenario(contract, target, action, operation, network, assumed, at)


def _bucket_scenario(
    contract: AccessContract,
    target: Target,
    action: str,
    operation: str,
    network: NetworkPath,
    assumed: tuple[Assumption, ...],
    at: datetime | None,
) -> RequestScenario:
    profile = facts().profile
    context = _known_context(contract, at)
    constraints = _constraints(contract, network, assumed)
    for key in ("s3:ResourceAccount", "aws:ResourceAccount"):
        _known_or_present(key, target.account, context, constraints)
        if key in constraints:
            # The bucket is the customer's.
            constraints[key] = Constraint(present=True, excluded=frozenset({contract.account}))
    _known_or_present("aws:RequestedRegion", target.region, context, constraints)
    absent = {*profile.absent, *network.absent, *never_carried(action)}
    absent.update(each.key for each in assumed if each.absent)
    if operation == HEAD_BUCKET:
        absent.update(_LISTING_KEYS)
    elif operation == LIST_OBJECTS:
        # Whether Nimble lists with the trailing slash of the prefix is not documented: both are possible.
        prefix = target.prefixes.get("input", next(iter(target.prefixes.values()), ""))
        if prefix:
            spellings = (literal(prefix), literal(prefix.removesuffix("/")))
            constraints["s3:prefix"] = Constraint(present=True, within=spellings)
        constraints["s3:max-keys"] = _PRESENT
    return _scenario(network, context, absent, constraints)


def _scenario(
    network: NetworkPath, context: Mapping[str, str], absent: Iterable[str], constraints: Mapping[str, Constraint]
) -> RequestScenario:
    present = {key.lower() for key, each in constraints.items() if each.present}
    missing = frozenset(key.lower() for key in absent) - {key.lower() for key in context} - present
    return RequestScenario(network.name, context, missing, constraints)


def _key_scenario(
    contract: AccessContract,
    target: Target,
    action: str,
    network: NetworkPath,
    assumed: tuple[Assumption, ...],
    at: datetime | None,
) -> RequestScenario:
    """Return what is known of the request that S3 makes to KMS on behalf of Nimble."""
    context = {**_known_context(contract, at), "kms:CallerAccount": contract.account}
    # S3 makes the request, so what is known of Nimble's own request to S3 does not apply to it.
    del context["aws:ViaAWSService"]
    constraints = _constraints(contract, network, (each for each in assumed if each.key.startswith("aws:")))
    # Whether S3's request carries the network of Nimble's is not documented; if it does, it is none of the customer's.
    of_nimble = (key for each in facts().profile.networks for key in each.foreign_present)
    constraints |= dict.fromkeys(of_nimble, Constraint(foreign=True, own=contract.account, unlike=_OF_THE_OWNER))
    _known_or_present("kms:ViaService", _service(target), context, constraints)
    if not target.region:
        constraints["kms:ViaService"] = Constraint(present=True, within=(pattern("s3.*.amazonaws.com"),))
    absent = {key for key in facts().profile.absent if not key.lower().startswith("aws:calledvia")}
    absent |= never_carried(action)
    if _CONTEXT_KEYS.lower() in absent:
        # Requests that neither encrypt nor decrypt, such as DescribeKey, have no encryption context.
        absent.add(_CONTEXT_KEY)
    else:
        constraints[_CONTEXT_KEY] = Constraint(present=True, within=tuple(_encryption_contexts(target)))
        context[_CONTEXT_KEYS] = "aws:s3:arn"
    context |= {key: value for key, value in _OF_EVERY_KEY.items() if key.lower() not in absent}
    if target.key_arn:
        context["kms:MultiRegion"] = "true" if _MULTI_REGION_KEY in target.key_arn else "false"
    return _scenario(network, context, absent, constraints)


def _encryption_contexts(target: Target) -> Iterator[Pattern]:
    """Yield what the encryption context can be: with a Bucket Key the bucket's ARN, without one the object's.

    Source: the S3 User Guide, "Reducing the cost of SSE-KMS with Amazon S3 Bucket Keys".
    """
    if target.bucket_key is not False:
        yield literal(target.bucket_arn)
    if target.bucket_key is not True:
        for prefix in target.prefixes.values():
            yield keys_under(f"{target.bucket_arn}/{prefix}")


def keys_under(text: str) -> Pattern:
    """Return the pattern of every text that starts with ``text`` and is longer."""
    return Pattern((text, Wildcard.ONE, Wildcard.RUN))


def _service(target: Target) -> str:
    return f"s3.{target.region}.amazonaws.com" if target.region else ""


def _known_context(contract: AccessContract, at: datetime | None) -> dict[str, str]:
    context = {
        **facts().profile.present,
        "aws:PrincipalArn": contract.principal,
        "aws:PrincipalAccount": contract.account,
        "aws:username": contract.principal.rsplit("/", 1)[-1],
    }
    if at is not None:
        moment = at.astimezone(UTC)
        context |= {TIME_KEYS[0]: moment.strftime("%Y-%m-%dT%H:%M:%SZ"), TIME_KEYS[1]: str(int(moment.timestamp()))}
    return context


def _constraints(
    contract: AccessContract, network: NetworkPath, assumed: Iterable[Assumption]
) -> dict[str, Constraint]:
    profile = facts().profile
    foreign = Constraint(foreign=True, own=contract.account, unlike=_OF_THE_OWNER)
    known = {
        **dict.fromkeys(profile.present_unknown, _PRESENT),
        **dict.fromkeys(profile.foreign, foreign),
        **dict.fromkeys(network.present_unknown, _PRESENT),
        **dict.fromkeys(network.foreign_present, replace(foreign, present=True)),
    }
    ranges = {
        each.key: _range(each, present=each.present or known.get(each.key, ANYTHING).present)
        for each in assumed
        if not each.absent
    }
    return {**known, **ranges}


def _range(assumption: Assumption, *, present: bool) -> Constraint:
    return Constraint(
        present=present,
        within=tuple(pattern(each) for each in assumption.within),
        at_least=Decimal(assumption.at_least) if assumption.at_least else None,
        at_most=Decimal(assumption.at_most) if assumption.at_most else None,
        outside=assumption.outside,
        without=assumption.without,
    )


def _known_or_present(key: str, value: str, context: dict[str, str], constraints: dict[str, Constraint]) -> None:
    if value:
        context[key] = value
    else:
        constraints[key] = _PRESENT
