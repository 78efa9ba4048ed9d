"""The data file that holds every fact about Nimble, and the few facts that a sync needs.

`nimble_facts` is the typed view of all of them and takes longer to load.
"""

from __future__ import annotations

import json
from functools import cache
from pkgutil import get_data
from typing import Any


@cache
def nimble_data() -> dict[str, Any]:
    """Return the data file as parsed; `nimble_facts` and `access_contracts` are its typed views."""
    data: dict[str, Any] = json.loads(get_data("policies.contracts", "nimble.json") or b"")
    return data


def probe_name() -> str:
    """Return the name of the empty object that Nimble's write test leaves under the output prefix."""
    name: str = nimble_data()["test_connection"]["probe_name"]
    return name


def failed_states() -> frozenset[str]:
    """Return the documented words, in lower case, of a task that ended without a result."""
    return frozenset(nimble_data()["api"]["states"]["failed"])
