"""The program's frame: help, schemas, completion, what is imported when, what a terminal sees."""

from __future__ import annotations

import importlib
import json
import os
import pty
import subprocess
import sys
from importlib import resources
from pathlib import Path

import click
import jsonschema
import pytest

import harvester
from harvester.cli.application import COMMANDS, SUMMARIES
from harvester.cli.commands.schema import schema_names
from scripts.commands.installed_command import COMMAND, environment, run, sync_report
from scripts.commands.output_schemas import validate
from scripts.documents.command_reference import reference
from tests.e2e.sources import Directory, result

HEAVY = ("boto3", "botocore", "google", "pycurl", "pyarrow", "jsonschema", "harvester.transfer", "harvester.nimble_api")


@pytest.mark.parametrize("name", COMMANDS)
def test_summaries_are_the_commands_own(name: str) -> None:
    module, _, attribute = COMMANDS[name].partition(":")
    command = getattr(importlib.import_module(module), attribute)
    assert isinstance(command, click.Command)
    assert command.help is not None
    assert SUMMARIES[name] == command.help.split("\n\n")[0].replace("\n", " ")


def test_help_fits_a_terminal() -> None:
    ended = run("sync", "--help")
    assert ended.code == 0
    assert ended.out.splitlines()[0] == "Usage: nimble-harvester sync [OPTIONS] LOCATION [DEST]"
    for page in reference().split("\n## nimble-harvester ")[1:]:
        # The others show examples with ARNs and policies, which cannot be broken.
        if page.split("\n")[0] in ("sync", "ls", "verify", "status", "cat", "evict", "schema", "completion"):
            assert [line for line in page.splitlines() if len(line) > 80] == []


def test_help_imports_little() -> None:
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", COMMAND, "--help"], capture_output=True, text=True, check=True
    )
    imported = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
    assert "click" in imported
    assert not {name for name in imported if name.startswith(HEAVY)}


@pytest.mark.parametrize(
    ("scheme", "foreign"), [("file", ("boto3", "botocore", "google.cloud")), ("s3", ("google.cloud",))]
)
def test_only_the_sdk_of_the_scheme_is_imported(tmp_path: Path, scheme: str, foreign: tuple[str, ...]) -> None:
    location = f"file://{tmp_path}/" if scheme == "file" else "s3://bucket-of-nobody/"
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", COMMAND, "ls", location, "--endpoint-url", "http://127.0.0.1:1"],
        capture_output=True,
        text=True,
        check=False,
    )
    imported = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
    assert not {name for name in imported if name.startswith(foreign)}


@pytest.mark.parametrize("name", harvester.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(harvester, name) is not None


def test_no_other_name_is_there() -> None:
    with pytest.raises(AttributeError, match="attribute nothing"):
        getattr(harvester, "nothing")  # noqa: B009  # asked for on purpose


def test_the_program_without_a_verb() -> None:
    ended = run()
    assert ended.code == 2
    assert "Harvest:" in ended.err
    assert run("--version").out == f"nimble-harvester, version {harvester.__version__}\n"
    unknown = run("snyc")
    assert unknown.code == 2
    assert "No such command 'snyc'" in unknown.err


def test_a_mistyped_verb_names_the_one_that_was_meant() -> None:
    ended = run("snyc", "s3://some-bucket/", "dest")
    assert ended.code == 2
    assert ended.err.endswith("No such command 'snyc'. Did you mean 'sync'?\n")
    assert run("batches", "gte", "ID").err.endswith("No such command 'gte'. Did you mean 'get'?\n")


def test_schemas_are_printed() -> None:
    names = run("schema").out.splitlines()
    assert names == schema_names()
    assert len(names) == len(set(names))
    assert {"sync-report", "sync-event", "ls", "verify-report", "status", "evict-report", "extract", "agent"} <= set(
        names
    )
    for name in names:
        schema = run("schema", name).document if name in ("sync-report", "extract") else None
        if schema is not None:
            jsonschema.Draft202012Validator.check_schema(schema)
    unknown = run("schema", "nothing")
    assert unknown.code == 2
    assert "sync-report" in unknown.err


def test_schemas_are_schemas() -> None:
    for entry in resources.files("harvester.cli").joinpath("schemas").iterdir():
        schema = json.loads(entry.read_text(encoding="utf-8"))
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    script = run("completion", shell)
    assert script.code == 0
    assert "_NIMBLE_HARVESTER_COMPLETE" in script.out
    completed = run(
        _NIMBLE_HARVESTER_COMPLETE="bash_complete",
        COMP_WORDS="nimble-harvester sy",
        COMP_CWORD="1",
    )
    assert completed.out == "plain,sync\n"


def test_listings_match_their_schemas(source: Directory) -> None:
    source.put("a.json", result(1))
    validate("ls", run("ls", source.location, "--format", "json").document)
    for line in run("ls", source.location, "--format", "jsonl").lines:
        validate("ls-object", line)
    validate("ls-summary", run("ls", source.location, "--summary", "--format", "json").document)


def test_no_progress_without_a_terminal(source: Directory, dest: Path) -> None:
    for number in range(50):
        source.put(f"{number}.json", result(number))
    ended = run("sync", source.location, dest)
    assert ended.err == ""
    assert "\x1b" not in ended.out
    assert "\r" not in ended.out


def test_a_terminal_sees_progress_and_no_rest_of_it(source: Directory, dest: Path) -> None:
    for number in range(50):
        source.put(f"{number}.json", result(number))
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, "sync", source.location, str(dest)], stdout=subprocess.DEVNULL, stderr=child, env=environment()
    )
    os.close(child)
    seen = b""
    while True:
        try:
            seen += os.read(parent, 65536)
        except OSError:
            break
    os.close(parent)
    assert process.wait() == 0
    assert b" of 50" in seen
    assert seen.endswith(b"\r\x1b[J")


def test_equal_problems_are_reported_once(source: Directory, dest: Path) -> None:
    for number in range(5):
        source.put(f"{number}.json", b"{")
    source.put("other.json", b"")
    printed = run("sync", source.location, dest).out
    assert f"  5 × quarantined: invalid json\n      e.g. {source.path}/0.json\n" in printed
    assert "  1 × quarantined: empty\n" in printed
    assert f"  each of them: nimble-harvester status {dest} --problems\n" in printed
    assert printed.splitlines()[-1].startswith("6 listed: 0 landed, 0 unchanged, 6 quarantined;")
    again = run("sync", source.location, dest).out
    assert "  5 × quarantined: invalid json (reported before)\n" in again


def test_the_library_does_what_the_command_does(source: Directory, dest: Path, tmp_path: Path) -> None:
    source.put("a.json", result(1))
    source.put("bad.json", b"{")
    report = harvester.sync(source.location, dest)
    by_command = sync_report(source.location, tmp_path / "other", expected=3)
    varying = ("destination", "started_at", "finished_at")
    assert {name: value for name, value in report.as_document().items() if name not in varying} == {
        name: value for name, value in by_command.items() if name not in varying
    }
    assert [row.text for row in harvester.read(dest)] == [result(1)]
    assert harvester.destination_status(dest).totals["landed"] == 1
    assert harvester.evict(dest, older_than=0).objects == 1
    assert [ref.key for ref in harvester.list_objects(harvester.parse_location(source.location))] == [
        str(source.path / "a.json"),
        str(source.path / "bad.json"),
    ]
