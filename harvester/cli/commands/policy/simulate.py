"""``policy simulate``: decide one request, or many, by resource policies."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from harvester.cli.shared.options.given_files import unreadable_file
from harvester.cli.shared.options.option_errors import option_inapplicable, option_required, value_invalid
from harvester.cli.shared.options.policy_options import (
    STANDARD_INPUT,
    parse_document,
    policy_bytes_option,
    policy_errors,
    print_note,
    read_text,
)
from harvester.errors import ExitCode

_SINGLE = ("principal", "action", "resource")


@click.command(short_help="Decide requests by resource policies.")
@click.argument("files", metavar="[FILE|-]...", nargs=-1)
@click.option("--requests", metavar="FILE|-", help="Many requests, one JSON object a line, each with its policy.")
@click.option("--principal", metavar="ARN", help="The requester: an ARN, account, * (anonymous) or NAME.amazonaws.com.")
@click.option("--action", metavar="ACTION", help="What is asked for, such as s3:PutObject.")
@click.option("--resource", metavar="ARN", help="On what.")
@click.option(
    "--context", multiple=True, metavar="KEY=VALUE", help="A condition key's value; again for several values."
)
@click.option(
    "--unknown",
    multiple=True,
    metavar="KEY",
    help="A condition key whose value is not known; * for all others.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "jsonl"]),
    help="Default: table for one, jsonl for many.",
)
@policy_bytes_option
def simulate(files: tuple[str, ...], requests: str | None, **options: Any) -> int:
    """Decide one request by the policies in FILES, or with --requests many, each by its own policy.

    The verdict is the resource's side alone. The context is taken literally: what it does not hold is not
    there, unless its key is named unknown. Exits 3 when a line of --requests was broken: its answer holds
    the error.

    \b
    A line of --requests:
      {"id": 1, "policy": {...}, "principal": "arn:...", "action": "s3:PutObject",
       "resource": "arn:aws:s3:::bucket/key", "context": {}, "unknown": []}
    \b
    Examples:
      nimble-harvester policy simulate policy.json --principal arn:aws:iam::744254827463:user/webit-uploader
        --action s3:PutObject --resource arn:aws:s3:::my-bucket/nimble/1.json --unknown '*'
      nimble-harvester policy simulate --requests requests.jsonl
    """  # \b is click's
    if requests is not None:
        given = [name for name in (*_SINGLE, "context", "unknown") if options[name]]
        if files or given:
            extra = f"--{given[0]}" if given else files[0]
            raise option_inapplicable(
                f"{extra} beside --requests", extra, cause="each line names its own policy and request"
            )
        if options["form"] in ("table", "json"):
            raise option_inapplicable(
                f"--format {options['form']} with --requests", "--format", cause="many answers are printed as jsonl"
            )
        return _many(requests)
    if not files:
        raise option_required("no policy", "FILE", "--requests FILE")
    for name in _SINGLE:
        if not options[name]:
            raise option_required(f"--{name} is missing", f"--{name}", "--requests FILE")
    if ":" not in options["action"]:
        raise value_invalid(f"no action: {options['action']!r}", f"--action {shlex.quote('s3:' + options['action'])}")
    if not options["resource"].startswith("arn:") and options["resource"] != "*":
        raise value_invalid(
            f"no ARN: {options['resource']!r}", f"--resource {shlex.quote('arn:aws:s3:::' + options['resource'])}"
        )
    return _one(files, options)


def _one(files: tuple[str, ...], options: dict[str, Any]) -> int:
    from policies import Request, evaluate

    documents = [parse_document(read_text(file, options["max_policy_bytes"]), file, None) for file in files]
    request = Request(
        options["principal"],
        options["action"],
        options["resource"],
        _context(options["context"]),
        options["unknown"],
    )
    with policy_errors():
        decision = evaluate(documents, request)
    statements = [{"index": each.index, "sid": each.sid} for each in decision.statements]
    if options["form"] in (None, "table"):
        click.echo(decision.effect)
        for each in decision.statements:
            click.echo(f"  statement {each.index + 1}" + (f" ({each.sid})" if each.sid else ""))
        for key in decision.depends_on:
            click.echo(f"  decided by {key}")
        if decision.reason:
            click.echo(f"  {decision.reason}")
    else:
        answer: dict[str, Any] = {
            "effect": decision.effect,
            "statements": statements,
            "depends_on": decision.depends_on,
        }
        if decision.reason:
            answer["reason"] = decision.reason
        click.echo(json.dumps(answer, indent=2 if options["form"] == "json" else None, ensure_ascii=False))
    return ExitCode.OK


def _context(pairs: Iterable[str]) -> dict[str, list[str]]:
    context: dict[str, list[str]] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise value_invalid(f"not KEY=VALUE: {pair!r}", "--context aws:SourceIp=192.0.2.1")
        context.setdefault(key, []).append(value)
    return context


def _many(source: str) -> int:
    from policies import simulate_lines

    broken = 0
    output = sys.stdout.buffer
    with _lines(source) as lines:
        for answer, answered in simulate_lines(lines):
            broken += not answered
            output.write(answer + b"\n")
    output.flush()
    if broken:
        print_note(f'{broken} line{"s" if broken > 1 else ""} could not be answered; see "error" in the output')
    return ExitCode.PARTIAL if broken else ExitCode.OK


def _lines(source: str) -> Any:
    if source == STANDARD_INPUT:
        return sys.stdin.buffer
    try:
        return Path(source).open("rb")
    except OSError as error:
        raise unreadable_file(f"cannot read {source}", source, error) from error
