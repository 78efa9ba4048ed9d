"""``ls``: what lies under a location."""

from __future__ import annotations

import json
from collections.abc import Iterator

import click

from harvester import text
from harvester.cli.shared.options.parameters import LOCATION, MOMENT, format_option, store_options
from harvester.destination import CompiledSelection, Selection
from harvester.location import Location
from harvester.sessions import StoreSettings
from harvester.storage import ObjectRef, list_objects, similar_key


@click.command(
    "ls",
    epilog="""\b
Examples:
  nimble-harvester ls s3://my-bucket/nimble-results/
  nimble-harvester ls gs://my-bucket/results/ --summary
  nimble-harvester ls s3://my-bucket/results/ --format jsonl | jq -r .key
""",
)
@click.argument("location", type=LOCATION)
@click.option("--summary", is_flag=True, help="Only the number of objects, their size, the oldest and the newest.")
@click.option(
    "--include", multiple=True, metavar="GLOB", help="Only keys (below the prefix) that match; may be repeated."
)
@click.option("--exclude", multiple=True, metavar="GLOB", help="No keys that match; may be repeated.")
@click.option("--since", type=MOMENT, help="Only objects modified since, e.g. 24h or 2026-01-31T00:00:00Z.")
@click.option("--until", type=MOMENT, help="Only objects modified before.")
@format_option("table", "json", "jsonl")
@store_options
def ls_command(
    *,
    location: Location,
    summary: bool,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    since: float | None,
    until: float | None,
    settings: StoreSettings,
    output: str,
) -> None:
    """List the objects under LOCATION.

    Size in bytes, time of modification, and the key below the prefix; keys that hold control characters are shown
    as JSON strings.
    """
    wanted = Selection(include, exclude, since, until)
    if summary:
        _print_summary(location, settings, wanted, output)
        return
    if output == "json":
        documents = [_document(*ref[:4]) for ref in _listed(location, settings, wanted)]
        print(
            json.dumps(
                {"schema": "urn:nimble-harvester:ls:v1", "location": location.url, "objects": documents}, indent=2
            )
        )
        if not documents:
            _say_empty(location, settings)
        return
    found = False
    for ref in _listed(location, settings, wanted):
        found = True
        if output == "jsonl":
            print(json.dumps(_document(*ref[:4])))
        else:
            key = location.relative(ref.key)
            print(f"{ref.size:>14,}  {text.moment(ref.last_modified)}  {text.printable(key)}")
    if not found:
        _say_empty(location, settings)


def _listed(location: Location, settings: StoreSettings, wanted: Selection) -> Iterator[ObjectRef]:
    chosen = CompiledSelection(wanted)
    for ref in list_objects(location, settings):
        if chosen.selects_all or not chosen.refusal(location.relative(ref.key), ref.last_modified):
            yield ref


def _say_empty(location: Location, settings: StoreSettings) -> None:
    click.echo(f"There is no object under {location.url}", err=True)
    similar = similar_key(location, settings)
    if similar is not None:
        wider = location.above()
        click.echo(f"there are keys such as {text.printable(similar)}: nimble-harvester ls {wider}", err=True)


def _document(key: str, size: int, etag: str, last_modified: float) -> dict[str, object]:
    return {"key": key, "size": size, "etag": etag, "last_modified": text.rfc3339(last_modified)}


def _print_summary(location: Location, settings: StoreSettings, wanted: Selection, output: str) -> None:
    objects = size = 0
    oldest, newest = float("inf"), 0.0
    for ref in _listed(location, settings, wanted):
        objects += 1
        size += ref.size
        oldest = min(oldest, ref.last_modified)
        newest = max(newest, ref.last_modified)
    if output != "table":
        document = {
            "schema": "urn:nimble-harvester:ls-summary:v1",
            "location": location.url,
            "objects": objects,
            "bytes": size,
            "oldest": text.rfc3339(oldest) if objects else None,
            "newest": text.rfc3339(newest) if objects else None,
        }
        print(json.dumps(document))
        return
    print(f"{text.count(objects, 'object')}, {text.size(size)}")
    if not objects:
        _say_empty(location, settings)
    else:
        print(f"oldest {text.moment(oldest)}, newest {text.moment(newest)}")
