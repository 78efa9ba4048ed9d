"""Derive the keys a task's result may have, from its ``output_url`` and the documented names."""

from __future__ import annotations

from urllib.parse import unquote

from harvester.location import Location
from harvester.nimble_api.models import Task
from policies import facts

_COMPRESSED = ".gz"
_LONGEST_KEY = 1024


def candidate_keys(task: Task, location: Location) -> tuple[str, ...]:
    """Return the possible keys of the result in ``location``, the likeliest first.

    Empty if the task's ``output_url`` is outside ``location``. A result with a custom name and without
    ``output_url`` is found by a listing only.
    """
    keys: list[str] = []
    if task.output_url:
        # Whether a key is percent-encoded in output_url is undocumented: both are tried.
        for url in dict.fromkeys((task.output_url, unquote(task.output_url))):
            if url.startswith(location.url) and url != location.url:
                key = location.key(url[len(location.url) :])
                keys += [key, key.removesuffix(_COMPRESSED) if key.endswith(_COMPRESSED) else key + _COMPRESSED]
        if not keys:
            return ()
    for name in facts().delivery_keys:
        if name.key is not None and "{task_id}" in name.key:
            keys.append(name.key.format(prefix=location.prefix, task_id=task.id))
    return tuple(key for key in dict.fromkeys(keys) if len(key.encode()) <= _LONGEST_KEY)
