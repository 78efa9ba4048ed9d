"""AWS partitions and their Regions, read from ``partitions.json``, which ``scripts/refresh_partitions`` writes."""

from __future__ import annotations

import json
import re
from functools import cache
from pkgutil import get_data
from typing import Any


@cache
def _data() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(get_data("policies.contracts", "partitions.json") or b"")
    return data


def partition_of(region: str) -> str:
    """Return the partition of a Region, such as ``aws-eusc``; empty for a name of no Region."""
    for name, each in _data()["partitions"].items():
        if region in each["regions"]:
            return str(name)
    for name, each in _data()["partitions"].items():
        if re.match(each["region_pattern"], region):
            return str(name)
    return ""


def is_opt_in(region: str) -> bool:
    """Return whether each account must enable the Region before it can use it: every one launched since March 2019.

    False outside the commercial partition, whose Regions are not enabled one by one, and for no Region.
    """
    return partition_of(region) == "aws" and region not in _data()["enabled_by_default"]["regions"]
