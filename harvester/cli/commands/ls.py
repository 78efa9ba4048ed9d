"""``ls``: what lies under a location."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import click

from harvester import text
from harvester.cli.shared.next_steps.result_steps import NO_WILDCARDS, list_wider
from harvester.cli.shared.options.parameters import (
    MOMENT,
    PLACE,
    days_option,
    format_option,
    keys_option,
    store_options,
)
from harvester.destination import CompiledSelection, Selection
from harvester.errors import ExitCode
from harvester.location import Location
from harvester.location_template import LocationTemplate
from harvester.sessions import StoreSettings
from harvester.storage import (
    KeyPrefixes,
    ObjectRef,
    RefusedObject,
    list_keys,
    list_pages,
    read_key_list,
    similar_folder,
    similar_key,
)


@click.command(
    "ls",
    epilog="""\b
Examples:
  nimble-harvester ls s3://my-bucket/nimble-results/
  nimble-harvester ls gs://my-bucket/results/ --summary
  nimble-harvester ls s3://my-bucket/results/ --format jsonl | jq -r .key
""",
)
@click.argument("location", type=PLACE)
@click.option("--summary", is_flag=True, help="Only the number of objects, their size, the oldest and the newest.")
@click.option(
    "--include", multiple=True, metavar="GLOB", help="Only keys (below the prefix) that match; may be repeated."
)
@click.option("--exclude", multiple=True, metavar="GLOB", help="No keys that match; may be repeated.")
@click.option("--since", type=MOMENT, help="Only objects modified since, e.g. 24h or 2026-01-31T00:00:00Z.")
@click.option("--until", type=MOMENT, help="Only objects modified before.")
@days_option
@keys_option
@format_option("table", "json", "jsonl")
@store_options
def ls_command(
    *,
    location: Location | LocationTemplate,
    summary: bool,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    since: float | None,
    until: float | None,
    keys_from: str | None,
    settings: StoreSettings,
    output: str,
) -> int:
    """List the objects under LOCATION.

    Size in bytes, time of modification, and the key below the prefix; keys that hold control characters are shown
    as JSON strings. Exits 3 when an entry of the listing, or a key of --keys-from, is no object.
    """
    source = _Source(location, settings, Selection(include, exclude, since, until), keys_from)
    if summary:
        _print_summary(source, output)
    elif output == "json":
        documents = [_document(*ref[:4]) for ref in source.objects()]
        print(
            json.dumps({"schema": "urn:nimble-harvester:ls:v1", "location": source.url, "objects": documents}, indent=2)
        )
        if not documents:
            source.print_empty()
    else:
        _print_objects(source, output)
    return int(source.exit_code)


class _Source:
    """What is listed, and the entries and given keys that are no objects."""

    def __init__(
        self, place: Location | LocationTemplate, settings: StoreSettings, wanted: Selection, keys_from: str | None
    ) -> None:
        self.base = place if isinstance(place, Location) else place.base
        self.url = place.url
        self._settings = settings
        self._chosen = CompiledSelection(wanted)
        self._prefixes = None if isinstance(place, Location) else KeyPrefixes(place.prefixes(time.time()))
        self._given = None if keys_from is None else read_key_list(keys_from, self.base, settings)
        self.exit_code = ExitCode.OK

    def objects(self) -> Iterator[ObjectRef]:
        """Yield the wanted objects; what else is listed or given is printed to standard error."""
        chosen, base = self._chosen, self.base
        for ref in self._listed():
            if chosen.selects_all or not chosen.refusal(base.relative(ref.key), ref.last_modified):
                yield ref

    def _listed(self) -> Iterator[ObjectRef]:
        if self._given is None:
            for page in list_pages(self.base, self._settings, self._prefixes):
                yield from page.objects
                self._print_refused(page.refused)
            return
        for listed in list_keys(self.base, self._given, self._settings):
            yield from listed.refs
            self._print_refused(listed.refused)
            for failure in listed.failed:
                self._print_unlisted(failure.key, failure.reason)

    def _print_refused(self, refused: list[RefusedObject]) -> None:
        for entry in refused:
            self._print_unlisted(entry.key, f"refused: {entry.reason}")

    def _print_unlisted(self, key: str, reason: str) -> None:
        self.exit_code = ExitCode.PARTIAL
        click.echo(f"{text.printable(key)}: {reason}", err=True)

    def print_empty(self) -> None:
        """Print to standard error that there is no object, and where there may be some."""
        if self._given is not None:
            return
        click.echo(f"There is no object under {self.url}", err=True)
        if self._prefixes is not None:
            return
        similar, (folder, glob) = similar_key(self.base, self._settings), self.base.split_glob()
        if similar is not None:
            wider = self.base.above()
            click.echo(f"there are keys such as {text.printable(similar)}: {list_wider(str(wider))}", err=True)
        elif glob:
            click.echo(f"{NO_WILDCARDS}: {list_wider(str(folder), glob)}", err=True)
        elif (beside := similar_folder(self.base, self._settings)) is not None:
            click.echo(f"{text.printable(str(beside))} exists: {list_wider(str(beside))}", err=True)


def _print_objects(source: _Source, output: str) -> None:
    found = False
    for ref in source.objects():
        found = True
        if output == "jsonl":
            print(json.dumps(_document(*ref[:4])))
        else:
            key = source.base.relative(ref.key)
            print(f"{ref.size:>14,}  {text.moment(ref.last_modified)}  {text.printable(key)}")
    if not found:
        source.print_empty()


def _document(key: str, size: int, etag: str, last_modified: float) -> dict[str, object]:
    return {"key": key, "size": size, "etag": etag, "last_modified": text.rfc3339(last_modified)}


def _print_summary(source: _Source, output: str) -> None:
    objects = size = 0
    oldest, newest = float("inf"), 0.0
    for ref in source.objects():
        objects += 1
        size += ref.size
        oldest = min(oldest, ref.last_modified)
        newest = max(newest, ref.last_modified)
    if output != "table":
        document = {
            "schema": "urn:nimble-harvester:ls-summary:v1",
            "location": source.url,
            "objects": objects,
            "bytes": size,
            "oldest": text.rfc3339(oldest) if objects else None,
            "newest": text.rfc3339(newest) if objects else None,
        }
        print(json.dumps(document))
        return
    print(f"{text.count(objects, 'object')}, {text.size(size)}")
    if not objects:
        source.print_empty()
    else:
        print(f"oldest {text.moment(oldest)}, newest {text.moment(newest)}")
