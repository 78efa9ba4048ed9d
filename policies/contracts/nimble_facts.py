"""The facts about Nimble, read from ``nimble.json``.

The data file is the only file that states a fact about Nimble; this is its typed view.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_network
from types import MappingProxyType
from typing import Any

from policies.contracts.access_contracts import AccessContract, Cloud, contracts
from policies.contracts.nimble_data import failed_states, nimble_data, probe_name
from policies.language import IpNetwork


@dataclass(frozen=True, slots=True)
class Source:
    """Where a fact was read."""

    name: str
    """The name facts refer to it by."""
    title: str
    """The page or package."""
    date: str
    """Year and month in which it was read."""


@dataclass(frozen=True, slots=True)
class Assumption:
    """What is assumed of a request of Nimble's beyond what is known."""

    key: str
    """The condition key it is about."""
    absent: bool
    """True when requests are assumed not to carry the key."""
    within: tuple[str, ...]
    """Patterns, one of which the value is assumed to match; empty for any value."""
    at_least: str
    """The least number the value is assumed to be; empty without a limit."""
    at_most: str
    """The greatest number the value is assumed to be; empty without a limit."""
    outside: tuple[IpNetwork, ...]
    """Networks that the address is assumed to be in none of."""
    without: str
    """Characters that the value is assumed to have none of."""
    present: bool
    """True when requests are assumed to carry the key."""
    statement: str
    """The assumption as a sentence."""
    source: Source
    """Where it follows from."""
    inferred: bool
    """True where it follows from a cloud provider's rules but Nimble states it nowhere."""


@dataclass(frozen=True, slots=True)
class NetworkPath:
    """One path by which Nimble's request may reach the bucket."""

    name: str
    """In words."""
    present_unknown: frozenset[str]
    """Condition keys the request carries, with a value that is not documented."""
    foreign_present: frozenset[str]
    """Condition keys the request carries, with a value that is not the customer's."""
    absent: frozenset[str]
    """Condition keys the request does not carry."""


@dataclass(frozen=True, slots=True)
class RequestProfile:
    """What is known of a request Nimble makes; the request may or may not carry any other condition key."""

    present: Mapping[str, str]
    """Condition keys with their known values."""
    present_unknown: frozenset[str]
    """Condition keys the request carries, with an unknown value."""
    assumptions: tuple[Assumption, ...]
    """What is assumed of condition keys with an unknown value, or of unknown presence."""
    absent: frozenset[str]
    """Condition keys the request does not carry."""
    foreign: frozenset[str]
    """Condition keys that are absent, or hold a value that is not the customer's."""
    networks: tuple[NetworkPath, ...]
    """The paths the request may take; exactly one is taken."""


@dataclass(frozen=True, slots=True)
class Chip:
    """One of the five answers of Nimble's Test Connection."""

    name: str
    """``ok``, ``ok_empty``, ``access_denied``, ``no_such_bucket`` or ``connection_failed``."""
    text: str
    """The documented words."""
    meaning: str
    """The documented meaning."""
    fix: str
    """The documented fix."""


@dataclass(frozen=True, slots=True)
class TestConnection:
    """Nimble's Test Connection."""

    __test__ = False  # pytest would otherwise take the name for a test

    mode: str
    """The delivery mode it belongs to."""
    probe_name: str
    """The name of the empty object the write test leaves under the output prefix."""
    chips: Mapping[str, Chip]
    """The five chips by name."""
    steps: Mapping[str, tuple[str, ...]]
    """``read`` and ``write``: the operations, in order."""


@dataclass(frozen=True, slots=True)
class DeliveryKey:
    """How the key of a delivered object is made."""

    case: str
    """Which request this is about."""
    key: str | None
    """A template over prefix, task_id and storage_object_name; None where undocumented."""
    note: str
    """What else is known."""


@dataclass(frozen=True, slots=True)
class TaskStates:
    """The documented words of task states, in lower case; compare without case, anything else is unknown."""

    running: frozenset[str]
    """Not finished."""
    succeeded: frozenset[str]
    """Finished with a result."""
    failed: frozenset[str]
    """Finished without a result."""
    partial: frozenset[str]
    """Finished, some of it missing (jobs)."""


@dataclass(frozen=True, slots=True)
class ApiFacts:
    """Nimble's API."""

    base_url: str
    """Where it is served."""
    key_variable: str
    """The environment variable of the API key."""
    base_url_variable: str
    """The environment variable that overrides the base URL."""
    versions: tuple[str, ...]
    """Path prefixes in use."""
    batch_items: int
    """How many items a batch holds at most."""
    requests_per_second: int
    """The rate limit per API key, in requests a second."""
    retention_hours: Mapping[str, int]
    """Hours for which the API keeps ``pending``, ``completed`` and ``failed`` tasks: the shortest documented."""
    states: TaskStates
    """The words of task states."""


@dataclass(frozen=True, slots=True)
class NimbleFacts:
    """Everything known about Nimble."""

    date: str
    """When the facts were last read, ISO 8601."""
    sources: Mapping[str, Source]
    """The sources by name."""
    account: str
    """Nimble's AWS account."""
    contracts: tuple[AccessContract, ...]
    """Every contract."""
    profile: RequestProfile
    """What is known of Nimble's requests."""
    test_connection: TestConnection
    """Nimble's Test Connection."""
    storage_types: Mapping[str, Cloud]
    """``storage_type`` values and the cloud each means."""
    delivery_parameters: tuple[str, ...]
    """The names of the delivery parameters of a request."""
    delivery_keys: tuple[DeliveryKey, ...]
    """How keys of delivered objects are made."""
    overwrites: Mapping[Cloud, bool]
    """Whether a reused object name overwrites (S3) or fails (GCS); inferred."""
    gcs_role: str
    """The role Nimble needs on a GCS bucket."""
    api: ApiFacts
    """Nimble's API."""


@cache
def facts() -> NimbleFacts:
    """Return everything known about Nimble; read once from the data file."""
    data = nimble_data()
    connection, delivery, api = data["test_connection"], data["delivery"], data["api"]
    sources = {name: Source(name, each["title"], each["date"]) for name, each in data["sources"].items()}
    return NimbleFacts(
        date=data["date"],
        sources=MappingProxyType(sources),
        account=data["account"]["value"],
        contracts=contracts(),
        profile=_profile(data["request_profile"], sources),
        test_connection=TestConnection(
            mode=connection["mode"],
            probe_name=probe_name(),
            chips=MappingProxyType({name: Chip(name, **chip) for name, chip in connection["chips"].items()}),
            steps=MappingProxyType({name: tuple(steps) for name, steps in connection["steps"].items()}),
        ),
        storage_types=MappingProxyType(delivery["storage_types"]),
        delivery_parameters=tuple(delivery["parameters"]),
        delivery_keys=tuple(DeliveryKey(each["case"], each["key"], each.get("note", "")) for each in delivery["keys"]),
        overwrites=MappingProxyType({cloud: each["value"] for cloud, each in delivery["overwrite"].items()}),
        gcs_role=data["gcs"]["role"]["value"],
        api=ApiFacts(
            base_url=api["base_url"]["value"],
            key_variable=api["key_variable"]["value"],
            base_url_variable=api["base_url_variable"]["value"],
            versions=tuple(api["versions"]["value"]),
            batch_items=api["batch_items"]["value"],
            requests_per_second=api["requests_per_second"]["value"],
            retention_hours=MappingProxyType(api["retention_hours"]["value"]),
            states=_states(api["states"]),
        ),
    )


def _states(data: Mapping[str, Any]) -> TaskStates:
    running, succeeded, partial = (frozenset(data[name]) for name in ("running", "succeeded", "partial"))
    return TaskStates(running, succeeded, failed_states(), partial)


def _profile(data: Mapping[str, Any], sources: Mapping[str, Source]) -> RequestProfile:
    return RequestProfile(
        present=MappingProxyType(data["present"]),
        present_unknown=frozenset(data["present_unknown"]),
        assumptions=tuple(_assumption(each, sources) for each in data["assumptions"]),
        absent=frozenset(data["absent"]),
        foreign=frozenset(data["foreign"]),
        networks=tuple(
            NetworkPath(
                each["name"],
                frozenset(each["present_unknown"]),
                frozenset(each["foreign_present"]),
                frozenset(each["absent"]),
            )
            for each in data["network"]
        ),
    )


def _assumption(data: Mapping[str, Any], sources: Mapping[str, Source]) -> Assumption:
    return Assumption(
        key=data["key"],
        absent=data.get("absent", False),
        within=tuple(data.get("within", ())),
        at_least=data.get("at_least", ""),
        at_most=data.get("at_most", ""),
        outside=tuple(map(ip_network, data.get("outside", ()))),
        without=data.get("without", ""),
        present=data.get("present", False),
        statement=data["statement"],
        source=sources[data["source"]],
        inferred=data["inferred"],
    )
