"""``backfill plan``: cut a location into shards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from harvester import text
from harvester.api import plan_shards
from harvester.backfill import (
    ARCHIVED_CLASSES,
    INFLATION,
    UPLOAD_HOURS,
    BackfillOptions,
    BackfillPlan,
    PlannedUploads,
    estimate,
    refuse_planned,
    write_plan,
)
from harvester.cli.shared.consent import require_consent
from harvester.cli.shared.next_steps.cloud_commands import list_uploads, restore_archived
from harvester.cli.shared.options.parameters import LOCATION, MOMENT, format_option, keys_option, store_options
from harvester.cli.shared.options.sync_options import Landing, shard_options
from harvester.cli.shared.options.table_options import table_options
from harvester.cli.shared.reports.json_documents import json_text
from harvester.location import Location
from harvester.sessions import StoreSettings
from harvester.storage import read_key_list
from harvester.tables import ExportOptions, open_output

_REQUESTS = {
    "list": "LIST, 1,000 keys each",
    "head": "HEAD",
    "get": "GET",
    "put": "PUT, to OUT",
    "copy": "COPY, within OUT",
    "delete": "DELETE, of staged files",
    "kms_decrypt": "KMS Decrypt, at most",
}


@click.command(
    "plan",
    epilog="""\b
Examples:
  nimble-harvester backfill plan s3://my-bucket/results/ --to s3://warehouse/nimble --shards 100
  nimble-harvester backfill plan s3://my-bucket/results/ --to ./tables --shards 8 --drop html,markdown --yes
  nimble-harvester backfill plan s3://my-bucket/results/ --to ./tables --shards 8 --cutoff 2026-11-01T00:00:00Z
""",
)
@click.argument("location", type=LOCATION)
@click.option(
    "--to", "out", required=True, metavar="OUT", help="A directory, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX."
)
@click.option(
    "--shards", type=click.IntRange(1), metavar="N", help="How many shards, at most.  [default: of 20,000 objects each]"
)
@keys_option
@click.option(
    "--cutoff",
    type=MOMENT,
    metavar="TIME",
    help="Leave objects modified after to daily runs, e.g. 1h or 2026-01-31T00:00:00Z; at most the store's present"
    " time.  [default: the store's present time, on S3 before the uploads in progress]",
)
@click.option(
    "--parallelism",
    type=click.IntRange(1),
    metavar="N",
    help="Shards at work at once, at most; --max-rps and --kms-max-rps are divided by it.  [default: all]",
)
@click.option("--max-rps", type=click.FloatRange(0, min_open=True), metavar="N", help="GET requests a second, in all.")
@click.option(
    "--kms-max-rps",
    type=click.FloatRange(0, min_open=True),
    metavar="N",
    help="Requests a second that KMS has to decrypt for, in all.",
)
@table_options
@shard_options
@click.option("--yes", is_flag=True, help="Write the plan without asking.")
@format_option("table", "json")
@store_options
def plan_command(
    *,
    location: Location,
    out: str,
    shards: int | None,
    keys_from: str | None,
    tables: ExportOptions,
    landing: Landing,
    yes: bool,
    output: str,
    settings: StoreSettings,
    parallelism: int | None,
    **limits: Any,
) -> None:
    """Cut LOCATION into shards and write the plan to OUT.

    Lists LOCATION once, prints what the backfill will fetch and cost, and asks. Shards are key ranges, or with
    --keys-from lists of keys. The plan holds no credentials and is never changed.
    """
    options = BackfillOptions(sync=landing(), export=tables, parallelism=parallelism or 0, **limits)
    keys = None if keys_from is None else read_key_list(keys_from, location, settings)
    with open_output(out, settings) as store:
        refuse_planned(store)
        plan = plan_shards(location, shards, options, keys_from=keys, settings=settings)
        if output == "json":
            print(json_text({**plan.as_document(), "estimate": estimate(plan).as_document()}, indent=2))
        else:
            print(_render(plan))
            if keys is not None and keys.begun_at is not None:
                print(f"the inventory was begun {text.rfc3339(keys.begun_at)}; daily runs take all after the cutoff")
        require_consent(f"Write this plan to {store.url}?", store.url, yes=yes)
        write_plan(plan, store)
    if output != "json":
        print(f"written: {text.printable(store.url)}/plan.json")


def _render(plan: BackfillPlan) -> str:
    costs = estimate(plan)
    shards, until = text.count(len(plan.spans), "shard"), text.rfc3339(plan.backfill.cutoff)
    lines = [f"{shards} of {text.printable(plan.backfill.location.url)}, objects modified until {until}", ""]
    classes = [
        (name, total.objects, text.size(total.bytes), "archived: restore first" if name in ARCHIVED_CLASSES else "")
        for name, total in plan.storage_classes.items()
    ]
    unlisted = plan.objects - sum(total.objects for total in plan.storage_classes.values())
    if unlisted:
        classes.append(("not known", unlisted, "", "the list of keys states no more"))
    lines += text.table(("storage class", "objects", "stored", ""), classes)
    lines += [f"{count:,} more are not part of it: {reason}" for reason, count in plan.ignored.items()]
    if plan.uploads is not None:
        lines += _upload_lines(plan.uploads, plan.backfill.location)
    lines += ["", *text.table(("requests", "count"), [(_REQUESTS[kind], n) for kind, n in costs.requests.items()])]
    hours, largest = costs.core_seconds / 3600, costs.largest_core_seconds / 3600
    lines += [
        "",
        f"scratch space of the largest shard: about {text.size(costs.scratch_bytes)}, {INFLATION} times what is stored",
        f"core hours: about {hours:,.2f}, of the largest shard {largest:,.2f}",
    ]
    if costs.archived:
        restore = f"{text.count(costs.archived, 'object')} must be restored before the shards run; each of them with:"
        lines += ["", restore, *restore_archived(plan.backfill.location)]
    return "\n".join(lines)


def _upload_lines(uploads: PlannedUploads, location: Location) -> Iterator[str]:
    """Yield what the plan has to state about uploads in progress."""
    if uploads.unread is not None:
        found = uploads.unread
        details = ", ".join(filter(None, (found.code, found.request_id and f"request id {found.request_id}")))
        yield ""
        yield text.printable(f"uploads in progress are not known: {found.reason}{details and f' ({details})'}")
        yield f"  grant {found.permission}, or plan with --cutoff, longer ago than an upload takes"
        return
    if not uploads.is_complete:
        yield f"the cutoff is {UPLOAD_HOURS} hours earlier: there are more uploads in progress than were listed"
    elif uploads.in_progress:
        begun = text.count(uploads.in_progress, "upload")
        yield f"the cutoff is before {begun} in progress, which daily runs take"
    if uploads.abandoned:
        abandoned = text.count(uploads.abandoned, "upload")
        yield ""
        yield (
            f"{abandoned} in progress for over {UPLOAD_HOURS} hours; "
            "if completed later, in no shard and in no daily run:"
        )
        yield from (f"  {text.printable(key)}" for key in uploads.abandoned_keys)
        if uploads.abandoned > len(uploads.abandoned_keys):
            yield f"  and {uploads.abandoned - len(uploads.abandoned_keys):,} more"
        yield f"  abort them, or plan with an earlier --cutoff; their ids: {list_uploads(location)}"
