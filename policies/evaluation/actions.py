"""The actions of S3 and KMS: what each works on, and which condition keys its requests carry.

Read from ``actions.json``, which ``scripts/refresh_actions`` writes from a package on a public registry.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from policies.evaluation.prepared import matches_action

_OPEN_PART = re.compile(r"[<$].*")
OLD_AFTER_DAYS = 400
"""From which age on the table is called old: by then a year's new actions are missing."""


@dataclass(frozen=True, slots=True)
class KnownAction:
    """One action."""

    name: str
    """Service and name, such as ``s3:PutObject``."""
    access: str
    """``List``, ``Read``, ``Write``, ``Tagging`` or ``Permissions management``."""
    resources: frozenset[str]
    """The resource types it works on, such as ``bucket`` and ``object``; empty when on none."""
    keys: frozenset[str]
    """The service's condition keys its requests may carry, in lower case."""


@dataclass(frozen=True, slots=True)
class ActionTable:
    """All actions known."""

    source: str
    """The package and its version."""
    date: str
    """When the package was made, ISO 8601."""
    actions: Mapping[str, KnownAction]
    """The actions by name in lower case."""
    keys: frozenset[str]
    """Every condition key of the services, in lower case."""


@cache
def action_table() -> ActionTable:
    """Return the table; read once."""
    text = files("policies.evaluation").joinpath("actions.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    actions: dict[str, KnownAction] = {}
    keys: set[str] = set()
    for service, each in data["services"].items():
        keys.update(key.lower() for key in each["keys"])
        for name, facts in each["actions"].items():
            full = f"{service}:{name}"
            carried = frozenset(key.lower() for key in facts["keys"])
            actions[full.lower()] = KnownAction(full, facts["access"], frozenset(facts["resources"]), carried)
    return ActionTable(data["source"], data["date"], MappingProxyType(actions), frozenset(keys))


@lru_cache(maxsize=2048)
def known_actions(wanted: str) -> tuple[KnownAction, ...]:
    """Return the known actions a pattern of Action matches, in the table's order."""
    return tuple(each for each in action_table().actions.values() if matches_action(wanted, each.name))


@lru_cache(maxsize=512)
def never_carried(action: str) -> frozenset[str]:
    """Return the service's condition keys, in lower case, that requests of an action do not carry.

    Empty for an action the table does not know. Of keys that end in a name of the customer's, such as a tag's, only
    what is before it.
    """
    known = action_table().actions.get(action.lower())
    if known is None:
        return frozenset()
    service = action.partition(":")[0].lower() + ":"
    return frozenset(_OPEN_PART.sub("", key) for key in action_table().keys - known.keys if key.startswith(service))
