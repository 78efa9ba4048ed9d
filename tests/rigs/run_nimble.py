"""The installed command against a Nimble API on loopback."""

import os
import subprocess
import sys
from pathlib import Path

from scripts.servers.nimble_server import NimbleApi

COMMAND = Path(sys.executable).parent / "nimble-harvester"


def run_nimble(
    *arguments: str, api: NimbleApi | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the installed command, with the API's address and key in the environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NIMBLE")}
    named = {"NIMBLE_API_KEY": api.scenario.api_key, "NIMBLE_BASE_URL": api.url} if api else {}
    return subprocess.run(
        [str(COMMAND), *arguments],
        env={**kept, **named, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )
