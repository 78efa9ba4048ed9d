"""``policy show --for events``: what makes a bucket announce its results to a queue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from harvester.cli.shared.next_steps.cloud_commands import save_notifications
from harvester.cli.shared.options.option_errors import option_inapplicable, option_required
from harvester.cli.shared.options.policy_options import print_note, read_text

if TYPE_CHECKING:
    from policies import Target


_FOREIGN = (
    "input_prefix",
    "kms_key",
    "principal",
    "document",
    "as_documented",
    "whole_key_policy",
    "whole",
    "no_condition",
    "can",
    "reader",
)


def refuse_foreign_options() -> None:
    """Raise UsageError for an option of ``policy show`` that has no meaning for events."""
    context = click.get_current_context()
    for parameter in context.command.params:
        given = context.get_parameter_source(parameter.name or "") is click.core.ParameterSource.COMMANDLINE
        if given and parameter.name in _FOREIGN:
            flag = parameter.opts[0]
            raise option_inapplicable(f"{flag} has no meaning for events", flag)


def events_text(resolved: Target, account: str | None, options: Mapping[str, Any]) -> str:
    """Return the documents as JSON, or as a shell script that puts them.

    Raises UsageError without a queue, PolicyError for a merge that cannot be.
    """
    from policies import dump_json, events_documents, events_script, parse_json, results_prefix

    queue, current, form = options["queue"], options["current"], options["form"]
    if form not in ("json", "cli") or (form == "cli" and resolved.cloud == "gs"):
        raise option_inapplicable(
            f"what announces results cannot be printed as {form}",
            "--as",
            cause="it is printed as JSON, and on S3 also as commands",
        )
    if not queue:
        named = "projects/PROJECT/subscriptions/NAME" if resolved.cloud == "gs" else "arn:aws:sqs:REGION:ACCOUNT:NAME"
        raise option_required("--for events needs the queue", f"--queue {named}")
    if current is not None and resolved.cloud == "gs":
        raise option_inapplicable(
            "--current is for S3", "--current", cause="notifications of a GCS bucket are added one by one"
        )
    known: Any = None
    if current is not None:
        text = read_text(current, options["max_policy_bytes"])
        # The AWS command line prints nothing where there is no configuration.
        known = parse_json(text, source=current) if text.strip() else {}
    documents = events_documents(resolved, queue, current=known, account=account)
    where = f"{resolved.bucket}/{results_prefix(resolved)}"
    print_note(f"what arrives under {where} is announced to {queue}")
    if resolved.cloud == "gs":
        print_note("  notifications of a bucket add up: none that is there is touched")
        print_note("  to fill in: PROJECT_NUMBER (gcloud projects describe), TOPIC, READER")
    elif current is None and form == "json":
        print_note("  note: a put replaces the bucket's whole notification configuration; merge with what is there:")
        print_note(f"  {save_notifications(resolved.bucket)}")
        print_note("  and add --current current.json")
    elif documents["NotificationConfiguration"] == known:
        print_note("  the bucket announces it already: nothing to put")
    if form == "cli":
        print_note("  the reader's own policy is not part of the commands: without --as cli it is printed too")
        return events_script(resolved, queue, documents, merged=known is not None)
    return dump_json(documents)
