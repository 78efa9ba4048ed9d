"""Every JSON output has a published schema, and every published schema is one of an output."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources
from typing import Any

import click
import jsonschema
import pytest

from harvester.cli.application import program

FOLDER = resources.files("harvester.cli").joinpath("schemas")
SCHEMAS: dict[str, Any] = {
    entry.name.removesuffix(".json"): json.loads(entry.read_text(encoding="utf-8")) for entry in FOLDER.iterdir()
}

# By verb: the schema of --format json, and that of a line of --format jsonl. The helper that runs the command in tests
# validates every document that names its schema.
OUTPUTS: dict[str, tuple[str, ...]] = {
    "backfill plan": ("backfill-plan",),
    "backfill status": ("backfill-status",),
    "batches get": ("batch", "batch"),
    "batches list": ("batches", "batch-summary"),
    "batches progress": ("batch-progress", "batch-progress"),
    "batches wait": ("batch-outcomes", "batch-outcome"),
    "compact": ("compact-report",),
    "consumers list": ("consumers",),
    "evict": ("evict-report",),
    "explain": ("explain",),
    "export": ("export-report",),
    "listen": ("listen-report", "sync-event"),
    "ls": ("ls", "ls-object"),
    "policy apply": ("policy-apply",),
    "policy check": ("policy-check", "policy-check-line"),
    "policy revert": ("policy-revert",),
    "policy simulate": ("policy-simulate", "policy-simulate"),
    "problems accept": ("problems", "problem"),
    "problems list": ("problems", "problem"),
    "problems reopen": ("problems", "problem"),
    "profile": ("profile",),
    "purge": ("purge-report",),
    "rebind": ("rebind-report",),
    "reconcile": ("reconciliation", "reconcile-event"),
    "run": ("pipeline-run",),
    "runs get": ("job-run", "job-run"),
    "runs list": ("job-runs", "job-run"),
    "status": ("status",),
    "sync": ("sync-report", "sync-event"),
    "tasks get": ("task", "task"),
    "tasks list": ("tasks", "task"),
    "tasks results": ("task-results", "task-result"),
    "test": ("test", "connection-test"),
    "verify": ("verify-report",),
    "watch": ("watch-report", "sync-event"),
}
# Files and lines that no --format chooses.
OTHERS = {
    "cat-line": "a line of cat",
    "config": "the configuration file",
    "export-status": "status --export-to: an output instead of a destination",
    "log-line": "a line of --log-format json",
    "ls-summary": "the last line of ls --format jsonl",
    "policy-backup": "a backup of policy apply",
    "settings": "a file of explain --save",
    "shard-report": "a report of backfill run",
    "status-list": "status of several destinations",
}


def commands(group: click.Group, context: click.Context, path: str = "") -> Iterator[tuple[str, click.Command]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, click.Context(command, context, info_name=name), f"{path}{name} ")
        else:
            yield f"{path}{name}", command


def formats() -> dict[str, list[str]]:
    found = {}
    for verb, command in commands(program, click.Context(program, info_name="nimble-harvester")):
        for option in command.params:
            if "--format" in option.opts and isinstance(option.type, click.Choice):
                found[verb] = [str(each) for each in option.type.choices if str(each).startswith("json")]
    return {verb: choices for verb, choices in found.items() if choices}


def test_every_verb_that_prints_json_has_a_schema_for_each_form() -> None:
    assert {verb: len(choices) for verb, choices in formats().items()} == {
        verb: len(schemas) for verb, schemas in OUTPUTS.items()
    }


def test_every_schema_is_one_of_an_output() -> None:
    assert {*SCHEMAS} == {*OTHERS, *(schema for schemas in OUTPUTS.values() for schema in schemas)}


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_a_schema_names_itself_and_allows_nothing_it_does_not_name(name: str) -> None:
    schema = SCHEMAS[name]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"].rpartition(":")[0] == f"urn:nimble-harvester:{name}"
    assert schema["title"]
