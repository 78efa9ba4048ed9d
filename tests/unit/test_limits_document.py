"""The page of limits states the defaults of the program."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harvester.cli.shared.options.policy_options import DEFAULT_MAX_POLICY_BYTES
from harvester.cli.shared.options.sync_options import DEFAULT_MAX_SCHEMA_BYTES
from harvester.nimble_api.bounded_http import DEFAULT_MAX_RESPONSE_BYTES
from harvester.results.gzip_reader import RATIO_FREE_BYTES
from harvester.results.result_options import DEFAULT_MAX_CONTENT_BYTES, DEFAULT_MAX_RATIO, DEFAULT_MAX_SCHEMA_STEPS
from harvester.sessions.connections import AnswerLimits, StoreSettings
from harvester.transfer.workers.worker_limits import WorkerLimits

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "limits.md"
COMMANDS = PAGE.with_name("commands.md")
MIB, GIB = 1024**2, 1024**3


def rows() -> dict[str, tuple[str, str]]:
    """Return default and option of each limit."""
    lines = [line.strip("| ").split(" |") for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    return {cells[0].strip(): (cells[1].strip(), cells[2].strip()) for cells in lines[2:]}


@pytest.mark.parametrize(
    ("what", "default"),
    [
        ("list page of a store", f"{AnswerLimits().list_bytes // MIB} MiB"),
        ("error document of a store", f"{AnswerLimits().error_bytes // 1024} KiB"),
        ("response of Nimble's API", f"{DEFAULT_MAX_RESPONSE_BYTES // MIB} MiB"),
        ("content after inflating", f"{DEFAULT_MAX_CONTENT_BYTES // GIB} GiB"),
        (f"content, as a multiple of the bytes delivered, above {RATIO_FREE_BYTES // MIB} MiB", f"{DEFAULT_MAX_RATIO}"),
        ("transfer without progress", f"{StoreSettings().retry.stall_seconds:g} s"),
        ("decoding without progress, of processor time", f"{WorkerLimits().cpu_seconds:g} s"),
        ("decoding without progress, of elapsed time", f"{WorkerLimits().silent_seconds:g} s"),
        ("memory of a worker", f"{WorkerLimits().memory_bytes // GIB} GiB"),
        ("text of `--schema`", f"{DEFAULT_MAX_SCHEMA_BYTES // MIB} MiB"),
        ("policy document", f"{DEFAULT_MAX_POLICY_BYTES // MIB} MiB"),
        ("steps to check one value against `--schema`", f"{DEFAULT_MAX_SCHEMA_STEPS:,}"),
    ],
)
def test_the_default_of_a_limit(what: str, default: str) -> None:
    assert rows()[what][0] == default


def test_every_limit_has_an_option() -> None:
    assert [what for what, (_, option) in rows().items() if not option] == []


def test_the_options_exist() -> None:
    known = set(re.findall(r"--[a-z-]+", COMMANDS.read_text(encoding="utf-8")))
    assert {option.split("`")[1] for _, option in rows().values() if option} <= known
