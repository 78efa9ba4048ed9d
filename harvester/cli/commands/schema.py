"""``schema``: the form of the outputs and the results, as JSON Schema."""

from __future__ import annotations

from importlib import resources

import click

from harvester.error_codes import ErrorCode
from harvester.errors import UsageError
from harvester.results import SHAPES_WITH_SCHEMA, shape_schema_text


def schema_names() -> list[str]:
    """Return the names of every schema that can be printed."""
    files = resources.files("harvester.cli").joinpath("schemas").iterdir()
    outputs = [entry.name.removesuffix(".json") for entry in files if entry.name.endswith(".json")]
    return sorted([*outputs, *(shape.value for shape in SHAPES_WITH_SCHEMA)])


@click.command(
    "schema",
    epilog="""\b
Examples:
  nimble-harvester schema
  nimble-harvester schema sync-report
  nimble-harvester schema extract > extract.schema.json
""",
)
@click.argument("name", required=False)
def schema_command(*, name: str | None) -> None:
    """Print the JSON Schema of an output or a result shape.

    Without NAME: the names there are.
    """
    names = schema_names()
    if name is None:
        print("\n".join(names))
        return
    if name not in names:
        raise UsageError(
            f"there is no schema {name!r}",
            cause=f"there are {', '.join(names)}",
            code=ErrorCode.NO_SUCH_SCHEMA,
            subject=name,
        )
    shape = next((shape for shape in SHAPES_WITH_SCHEMA if shape.value == name), None)
    if shape is not None:
        print(shape_schema_text(shape).rstrip("\n"))
    else:
        print(
            resources.files("harvester.cli")
            .joinpath("schemas", f"{name}.json")
            .read_text(encoding="utf-8")
            .rstrip("\n")
        )
