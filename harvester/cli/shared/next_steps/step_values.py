"""The parameters of an error, as the text of a next step shows them."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

PROGRAM = "nimble-harvester"
RUN_AGAIN = "run the same command again"
SYNC = f"{PROGRAM} sync {{location}} {{destination}}"
CHECK_NETWORK = "check network, proxy and endpoint, then try again"
CHECK_DISK = "check the folder's permissions and its disk"


class StepValues(dict[str, Any]):
    """The parameters of an error by name."""

    def __getitem__(self, name: str) -> str:
        """Return a parameter quoted for a shell; a missing one as its name in capitals."""
        value = self.get(name)
        if value is None or value == "":
            return name.upper()
        if isinstance(value, list | tuple):
            return " ".join(shlex.quote(str(each)) for each in value)
        return shlex.quote(str(value))


StepText = str | Callable[[StepValues], str]
"""A text with the names of parameters in braces, or a function of them."""
