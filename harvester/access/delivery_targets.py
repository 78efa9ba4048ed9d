"""Find the targets of a delivery: locations, a delivery mode, and the contract that joins them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import MappingProxyType

from harvester.error_codes import ErrorCode
from harvester.errors import HarvesterError, IntegrityError, UsageError
from harvester.location import Location, parse_location
from policies import AccessContract, ContractError, PolicyError, Target, contract, target


@dataclass(frozen=True, slots=True)
class DeliveryTarget:
    """One bucket, the contract that is to hold in it, and the prefixes it is to hold for."""

    contract: AccessContract
    """The contract."""
    bucket: str
    """The bucket's name."""
    prefixes: Mapping[str, str]
    """Prefixes by the contract's names for them; a job that only reads or only writes here has one."""

    @property
    def location(self) -> Location:
        """The bucket, with the prefix where there is one alone."""
        prefix = next(iter(self.prefixes.values())) if len(self.prefixes) == 1 else ""
        return Location(self.contract.cloud, self.bucket, prefix)

    @property
    def locations(self) -> tuple[Location, ...]:
        """One location per prefix, in the contract's order."""
        return tuple(Location(self.contract.cloud, self.bucket, prefix) for prefix in self.prefixes.values())

    def parameters(self) -> dict[str, object]:
        """Return the target as parameters of an error: the bucket's URL, the mode, and ``NAME=PREFIX`` per prefix."""
        return {
            "bucket": f"{self.contract.cloud}://{self.bucket}",
            "mode": self.contract.mode,
            "prefixes": [f"{name}={prefix}" for name, prefix in self.prefixes.items()],
        }

    def role_of_location(self) -> str | None:
        """Return the prefix of the contract that the location implies; None where it implies none."""
        return _role_of(self.contract, self.location)

    def resolve(
        self, *, key_arn: str | None = None, region: str = "", account: str = "", bucket_key: bool | None = None
    ) -> Target:
        """Return the target the contract is proved for. Raises UsageError for a key that cannot be."""
        with policy_errors_converted():
            return target(
                self.contract,
                self.bucket,
                prefixes=dict(self.prefixes),
                key_arn=key_arn,
                region=region,
                account=account,
                bucket_key=bucket_key,
            )


def find_targets(
    locations: Sequence[Location | str],
    mode: str,
    *,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    prefix: str | None = None,
    principal: str | None = None,
) -> tuple[DeliveryTarget, ...]:
    """Return the targets that locations and prefixes name, those of one job in one bucket as one.

    ``inputs``, ``outputs`` and ``prefix`` are prefixes of the one location, or locations of their own. Raises
    UsageError for a mode that has no contract on that cloud, for a prefix that the mode does not have, and without any
    location.
    """
    parsed = [each if isinstance(each, Location) else parse_location(each) for each in locations]
    named = [("input", each) for each in inputs] + [("output", each) for each in outputs]
    if prefix is not None:
        named.append(("prefix", prefix))
    found: list[DeliveryTarget] = []
    own = [(name, each) for name, each in named if "://" not in each]
    if own and len(parsed) != 1:
        raise UsageError(
            f"--{own[0][0]} {own[0][1]} names no bucket",
            cause="a prefix goes with exactly one LOCATION",
            code=ErrorCode.PREFIX_WITHOUT_BUCKET,
            subject=own[0][1],
            parameters={"role": own[0][0]},
        )
    for location in parsed:
        agreed = _contract(mode, location, principal)
        given = dict(own)
        if given and location.prefix:
            raise UsageError(
                f"{location.url} names a prefix, and so does --{own[0][0]}",
                code=ErrorCode.PREFIX_NAMED_TWICE,
                subject=location.url,
                parameters={"bucket": f"{location.scheme}://{location.bucket}"},
            )
        found.append(_target(agreed, location, given))
    for name, each in named:
        if "://" in each:
            location = parse_location(each)
            found.append(_target(_contract(mode, location, principal), location, {name: location.prefix}))
    if not found:
        raise UsageError(
            "no location given",
            cause="give a location, or a job's input and output as locations",
            code=ErrorCode.NO_LOCATION,
            parameters={"mode": mode},
        )
    return tuple(_joined(found))


def _contract(mode: str, location: Location, principal: str | None) -> AccessContract:
    if location.scheme == "file":
        raise UsageError(
            f"{location.url} is a directory",
            cause="Nimble delivers into buckets, and only a bucket has a policy",
            code=ErrorCode.BUCKET_REQUIRED,
            subject=location.url,
            parameters={"mode": mode},
        )
    with policy_errors_converted():
        return contract(mode, location.scheme, principal=principal)


def _target(agreed: AccessContract, location: Location, given: Mapping[str, str]) -> DeliveryTarget:
    names = [role.name for role in agreed.prefixes]
    for name in given:
        if name not in names:
            raise UsageError(
                f"a prefix {name!r} means nothing in the mode {agreed.mode}",
                cause=f"{agreed.mode} delivery knows {' and '.join(names)}",
                code=ErrorCode.PREFIX_OF_ANOTHER_MODE,
                subject=name,
                parameters={"known": list(names)},
            )
    prefixes: Mapping[str, str | None] = dict(given)
    if not prefixes:
        role = _role_of(agreed, location)
        if role is not None:
            prefixes = {role: location.prefix}
        elif location.prefix:
            documented = " nor ".join(each.documented for each in agreed.prefixes)
            raise UsageError(
                f"{location.url} is under neither {documented}",
                cause=f"a location of {agreed.mode} is read or written, and its prefix does not show which",
                code=ErrorCode.PREFIX_ROLE_UNKNOWN,
                subject=location.url,
                parameters={"roles": [names[0], names[-1]]},
            )
    with policy_errors_converted():
        normal = target(agreed, location.bucket, prefixes=prefixes)
    return DeliveryTarget(agreed, location.bucket, MappingProxyType(dict(normal.prefixes)))


def _role_of(agreed: AccessContract, location: Location) -> str | None:
    """Return the prefix of the contract that a location implies; None where it implies none."""
    if len(agreed.prefixes) == 1:
        return agreed.prefixes[0].name
    return next((each.name for each in agreed.prefixes if location.prefix.startswith(each.documented)), None)


def _joined(found: Sequence[DeliveryTarget]) -> Iterator[DeliveryTarget]:
    """Join the input and the output of one bucket, so that its policy is asked about once."""
    joined: list[DeliveryTarget] = []
    for each in found:
        for index, other in enumerate(joined):
            same = other.bucket == each.bucket and other.contract == each.contract
            if same and not (other.prefixes.keys() & each.prefixes.keys()):
                names = [role.name for role in each.contract.prefixes]
                both = {**other.prefixes, **each.prefixes}
                ordered = MappingProxyType({name: both[name] for name in names if name in both})
                joined[index] = replace(other, prefixes=ordered)
                break
        else:
            if each not in joined:
                joined.append(each)
    yield from joined


@contextmanager
def policy_errors_converted(source: str = "") -> Iterator[None]:
    """Turn the errors of `policies` into this program's: a usage error, or a document that is not what it claims."""
    try:
        yield
    except ContractError as error:
        raise UsageError(
            error.what, cause=error.cause, code=ErrorCode.CONTRACT_INVALID, parameters=error.as_parameters()
        ) from error
    except PolicyError as error:
        raise _integrity(error, source) from error


def _integrity(error: PolicyError, source: str) -> HarvesterError:
    what = f"{source}: {error.what}" if source and source not in error.what else error.what
    return IntegrityError(
        what, cause=error.cause, code=ErrorCode.DOCUMENT_INVALID, subject=source, parameters=error.as_parameters()
    )
