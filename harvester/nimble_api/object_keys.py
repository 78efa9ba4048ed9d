"""Where the result of one task may lie: as its ``output_url`` says, else by the documented names."""

from __future__ import annotations

from urllib.parse import unquote

from harvester.location import Location
from harvester.nimble_api.models import Task
from policies import facts

_COMPRESSED = ".gz"


def candidate_keys(task: Task, location: Location) -> tuple[str, ...]:
    """Return the keys in ``location`` at which the result may lie, the likeliest first.

    None at all when the task's ``output_url`` names another place. A result with a name of its own and no
    ``output_url`` is not among them: only a listing finds it.
    """
    keys: list[str] = []
    if task.output_url:
        # Whether a key is percent-encoded in output_url is undocumented: both readings are tried.
        for url in dict.fromkeys((task.output_url, unquote(task.output_url))):
            if url.startswith(location.url) and url != location.url:
                key = location.key(url[len(location.url) :])
                keys += [key, key.removesuffix(_COMPRESSED) if key.endswith(_COMPRESSED) else key + _COMPRESSED]
        if not keys:
            return ()
    for name in facts().delivery_keys:
        if name.key is not None and "{task_id}" in name.key:
            keys.append(name.key.format(prefix=location.prefix, task_id=task.id))
    return tuple(dict.fromkeys(keys))
