"""The JSON Schema of the configuration file, made from the options of the verbs that its steps run.

``python -m scripts.documents.config_schema`` writes harvester/cli/schemas/config.json.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

import harvester.cli
from harvester.cli.application import program
from harvester.cli.shared.options.config_file import STEPS
from harvester.cli.shared.options.pipelines import step_command

PAGE = Path(harvester.cli.__file__).parent / "schemas" / "config.json"


def config_schema() -> str:
    """Return the text of the schema."""
    root = click.Context(program, info_name="nimble-harvester")
    steps = {step: _step(step_command(root, step), checked=step == "access") for step in STEPS}
    pipeline = {
        "type": "object",
        "properties": {
            "location": {"type": "string", "description": "Where the results are: s3://, gs:// or file://"},
            "destination": {"type": "string", "description": "The directory that they land in"},
            **steps,
        },
        "required": ["location", "destination"],
        "anyOf": [{"required": [step]} for step in steps],
        "additionalProperties": False,
    }
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:nimble-harvester:config:v1",
        "title": "The configuration file, read as TOML",
        "type": "object",
        "properties": {"pipeline": {"type": "object", "additionalProperties": pipeline, "minProperties": 1}},
        "required": ["pipeline"],
        "additionalProperties": False,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _step(command: click.Command, *, checked: bool) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    if checked:
        properties["check"] = {"const": "every-run", "description": "When access is explained"}
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            flag = max(parameter.opts, key=len).removeprefix("--")
            properties[flag] = _option(parameter)
    summary = (command.help or "").split("\n\n")[0].replace("\n", " ")
    step = {"type": "object", "description": summary, "properties": properties, "additionalProperties": False}
    return {**step, "required": ["check"]} if checked else step


def _option(option: click.Option) -> dict[str, Any]:
    described = {"description": option.help or ""}
    if option.is_flag:
        return {"type": "boolean", **described}
    if isinstance(option.type, click.Choice):
        value: dict[str, Any] = {"enum": [str(choice) for choice in option.type.choices]}
    else:
        value = {"type": ["string", "number"]}
    if option.multiple:
        return {"anyOf": [value, {"type": "array", "items": value}], **described}
    return {**value, **described}


def main() -> None:
    """Write the schema."""
    PAGE.write_text(config_schema(), encoding="utf-8")


if __name__ == "__main__":
    main()
