"""The options of what Nimble is to be given access for, for the verbs that read a live bucket."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])
_NAMES = ("mode", "inputs", "outputs", "prefix", "principal")


def delivery_options(command: _Command) -> _Command:
    """Add the options; the command receives one ``delivery``, the keywords that targets are found by."""

    @functools.wraps(command)
    def with_delivery(**values: Any) -> Any:
        return command(delivery={name: values.pop(name) for name in _NAMES}, **values)

    for option in (
        click.option("--principal", metavar="ARN", help="Another principal than the one Nimble documents."),
        click.option("--prefix", metavar="PREFIX", help="async: where results are delivered, if LOCATION is a bucket."),
        click.option(
            "--output", "outputs", multiple=True, metavar="PREFIX", help="jobs: the output's prefix, or location."
        ),
        click.option(
            "--input", "inputs", multiple=True, metavar="PREFIX", help="jobs: the input's prefix, or its location."
        ),
        click.option("--mode", type=click.Choice(["async", "jobs"]), required=True, help="The delivery mode."),
    ):
        option(with_delivery)
    return with_delivery  # type: ignore[return-value]  # the same command with further options
