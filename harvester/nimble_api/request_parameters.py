"""Validate the delivery parameters of a request and warn about known pitfalls."""

from __future__ import annotations

import ipaddress
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from harvester.error_codes import ErrorCode
from harvester.errors import UsageError
from harvester.location import Location, parse_location
from policies import facts

if TYPE_CHECKING:
    from policies import PolicyDocument

_LONGEST_KEY = 1024
_EXAMPLE_URL = "https://www.example.com"

DeliveryWarningCode = Literal[
    "no-trailing-slash",
    "empty-segment",
    "outside-granted-prefix",
    "not-granted",
    "grant-unknown",
    "name-on-gcs",
    "name-overwrites",
    "name-on-batch",
    "name-has-extension",
    "callback-unreachable",
]


@dataclass(frozen=True, slots=True)
class DeliveryWarning:
    """Something that Nimble accepts and that fails or surprises later."""

    code: DeliveryWarningCode
    """A stable name."""
    message: str
    """What will happen, and what to do."""


@dataclass(frozen=True, slots=True)
class DeliveryParameters:
    """The ``storage_*`` parameters of a request, and its callback."""

    location: Location
    """Where the results go."""
    compress: bool
    """Whether they are delivered as gzip."""
    name: str | None
    """The object's name instead of the task id."""
    callback: str | None
    """URL that is called when a task has ended."""
    batch: bool
    """Whether they are for a batch: then they belong in ``shared_inputs``."""
    warnings: tuple[DeliveryWarning, ...]
    """Known pitfalls."""

    @property
    def block(self) -> Mapping[str, str | bool]:
        """The parameters as the request carries them, without the API's defaults."""
        block: dict[str, str | bool] = {
            "storage_type": _storage_type(self.location),
            "storage_url": self.location.url,
        }
        if self.compress:
            block["storage_compress"] = True
        if self.name is not None:
            block["storage_object_name"] = self.name
        if self.callback is not None:
            block["callback_url"] = self.callback
        return block


def delivery_parameters(
    location: str,
    *,
    compress: bool = False,
    name: str | None = None,
    callback: str | None = None,
    batch: bool = False,
    granted_prefix: str | None = None,
    policy: PolicyDocument | None = None,
) -> DeliveryParameters:
    """Check the delivery to ``location`` (``s3://bucket/prefix/`` or ``gs://…``) and collect warnings.

    With the bucket's ``policy``, prove whether it allows the delivery; else ``granted_prefix`` is the prefix that the
    policy was made for, if known. Raises UsageError for an invalid location, name or callback, and for a policy of
    another cloud.
    """
    place = parse_location(location)
    if not location.isprintable():
        raise UsageError(f"no results can be delivered to {location!r}", cause="it contains a control character")
    if place.scheme == "file":
        raise UsageError(
            f"Nimble cannot deliver to {location!r}",
            cause="results are delivered to Amazon S3 (s3://) or Google Cloud Storage (gs://)",
            code=ErrorCode.DELIVERY_NEEDS_A_BUCKET,
            subject=location,
        )
    warnings = _place_warnings(location, place, granted_prefix)
    if policy is not None:
        warnings += _policy_warnings(place, policy)
    if name is not None:
        _check_name(name, place)
        warnings += _name_warnings(name, place, batch=batch)
    if callback is not None:
        warnings += _check_callback(callback)
    return DeliveryParameters(place, compress, name, callback, batch, tuple(warnings))


def as_json(parameters: DeliveryParameters) -> str:
    """Return the block as JSON, to be merged into a request, or into a batch's ``shared_inputs``."""
    return json.dumps(parameters.block, indent=2, ensure_ascii=False)


def as_python(parameters: DeliveryParameters) -> str:
    """Return a program for the current SDK that submits a request with the block."""
    if parameters.batch:
        fields = "".join(f'        "{key}": {_literal(value)},\n' for key, value in parameters.block.items())
        call = (
            f'client.extract.batch(\n    inputs=[{{"url": "{_EXAMPLE_URL}"}}],\n'
            f"    shared_inputs={{\n{fields}    }},\n)\nprint(response.batch_id)"
        )
    else:
        fields = "".join(f"    {key}={_literal(value)},\n" for key, value in parameters.block.items())
        call = f'client.extract.async_(\n    url="{_EXAMPLE_URL}",\n{fields})\nprint(response.task.id)'
    return f"from nimble_python import Nimble\n\nclient = Nimble()  # the key: NIMBLE_API_KEY\nresponse = {call}"


def as_curl(parameters: DeliveryParameters) -> str:
    """Return a curl command that submits a request with the block; the key stays in the environment."""
    if parameters.batch:
        path = "batch"
        body: Mapping[str, object] = {"inputs": [{"url": _EXAMPLE_URL}], "shared_inputs": parameters.block}
    else:
        path, body = "async", {"url": _EXAMPLE_URL, **parameters.block}
    return (
        f"curl --fail-with-body {facts().api.base_url}/v2/extract/{path} \\\n"
        '  --header "Authorization: Bearer $NIMBLE_API_KEY" \\\n'
        "  --header 'Content-Type: application/json' \\\n"
        f"  --data {shlex.quote(json.dumps(body, indent=2, ensure_ascii=False))}"
    )


def _storage_type(location: Location) -> str:
    return next(name for name, cloud in facts().storage_types.items() if cloud == location.scheme)


def _literal(value: str | bool) -> str:  # noqa: FBT001  # a parameter's value
    return repr(value) if isinstance(value, bool) else json.dumps(value, ensure_ascii=False)


def _place_warnings(written: str, place: Location, granted_prefix: str | None) -> list[DeliveryWarning]:
    warnings = []
    if place.prefix and not written.endswith("/"):
        warnings.append(
            DeliveryWarning(
                "no-trailing-slash",
                f"{written!r} ends without a slash: how Nimble joins it with the file name is not documented;"
                f" {place.url} is printed instead",
            )
        )
    if "//" in f"/{place.prefix}":
        warnings.append(
            DeliveryWarning(
                "empty-segment", f"{place.url} contains an empty segment (//): such keys are not valid file paths"
            )
        )
    if granted_prefix is not None and not place.prefix.startswith(granted_prefix):
        warnings.append(
            DeliveryWarning(
                "outside-granted-prefix",
                f"the policy grants Nimble {granted_prefix!r}, which does not cover {place.prefix!r}: delivery will be"
                " denied; deliver below the granted prefix, or widen the policy",
            )
        )
    return warnings


def _policy_warnings(place: Location, policy: PolicyDocument) -> list[DeliveryWarning]:
    """Warn about requirements of the contract that the policy does not meet for every key of the place."""
    from policies import ContractError, contract, prove
    from policies import target as target_of

    cloud = _cloud(place)
    if (policy.kind == "gcs") != (cloud == "gs"):
        raise UsageError(
            f"the policy is not one of {place}",
            cause=f"it is a {policy.kind.upper()} policy",
            code=ErrorCode.POLICY_OF_ANOTHER_CLOUD,
            subject=str(place),
        )
    granted = contract("async", cloud)
    try:
        proof = prove(granted, target_of(granted, place.bucket, prefixes={"prefix": place.prefix}), policy)
    except ContractError as error:
        raise UsageError(
            error.what, cause=error.cause, code=ErrorCode.CONTRACT_INVALID, parameters=error.as_parameters()
        ) from error
    warnings = []
    for verdict in proof.verdicts:
        if verdict.state == "fails":
            message = f"the policy does not allow Nimble {verdict.action} on {verdict.example}: delivery will be denied"
            warnings.append(DeliveryWarning("not-granted", f"{message}; widen it"))
        elif verdict.state == "unknown":
            wanted = "; ".join(verdict.needs) or ", ".join(map(str, verdict.reasons))
            message = f"whether the policy allows Nimble {verdict.action} on {verdict.example} is unknown"
            warnings.append(DeliveryWarning("grant-unknown", f"{message}: {wanted}"))
    return warnings


def _check_name(name: str, place: Location) -> None:
    wrong = ""
    if not name or name != name.strip():
        wrong = "it is empty, or starts or ends with white space"
    elif not name.isprintable():
        wrong = "it contains a control character"
    elif name.startswith("/") or "//" in name:
        wrong = "it makes an empty segment (//) in the key"
    elif len(place.key(f"{name}.json.gz").encode("utf-8", "surrogatepass")) > _LONGEST_KEY:
        wrong = f"with the prefix it makes a key of more than {_LONGEST_KEY:,} bytes"
    if wrong:
        raise UsageError(
            f"no object can be named {name!r}", cause=wrong, code=ErrorCode.OBJECT_NAME_INVALID, subject=name
        )


def _name_warnings(name: str, place: Location, *, batch: bool) -> list[DeliveryWarning]:
    warnings = []
    if batch:
        warnings.append(
            DeliveryWarning(
                "name-on-batch",
                "all tasks of a batch share the name, as a prefix of an undocumented file name: results"
                " may collide; leave the name out, and each task keeps its own id",
            )
        )
    if facts().overwrites[_cloud(place)]:
        warnings.append(
            DeliveryWarning(
                "name-overwrites",
                f"a second request with the name {name!r} silently overwrites the first result: use a name once",
            )
        )
    else:
        warnings.append(
            DeliveryWarning(
                "name-on-gcs",
                f"Nimble's role cannot overwrite on Google Cloud Storage: a second request with the name {name!r} is"
                " charged and cannot be delivered; use a name once",
            )
        )
    if name.lower().endswith((".json", ".gz")):
        warnings.append(DeliveryWarning("name-has-extension", f".json is added to the name: {name}.json is written"))
    return warnings


def _cloud(place: Location) -> Literal["s3", "gs"]:
    return "gs" if place.scheme == "gs" else "s3"


def _check_callback(callback: str) -> list[DeliveryWarning]:
    wrong, host = "", ""
    try:
        parts = urlsplit(callback)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        wrong = "it is not a valid URL"
    else:
        if any(char.isspace() or not char.isprintable() for char in callback):
            wrong = "it contains white space or a control character"
        elif parts.scheme != "https":
            wrong = "only https:// protects the notification, and a token in the address, in transit"
        elif not host:
            wrong = "it names no host"
    if wrong:
        raise UsageError("the callback cannot be used", cause=wrong, code=ErrorCode.CALLBACK_INVALID)
    if _is_local(host):
        return [DeliveryWarning("callback-unreachable", f"Nimble cannot reach {host} from outside your network")]
    return []


def _is_local(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local", ".internal"))
