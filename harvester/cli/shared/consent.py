"""Ask before something is changed for good."""

from __future__ import annotations

import sys

import click

from harvester.errors import ConsentNeeded


def require_consent(question: str, subject: str, *, yes: bool) -> None:
    """Raise ConsentNeeded unless ``yes``, or the person at the terminal agrees."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConsentNeeded(
            f"nothing was changed in {subject}",
            cause="consent is needed, and there is no terminal to ask at",
        )
    try:
        agreed = click.confirm(question, default=False, err=True)
    except click.Abort:
        click.echo(err=True)
        agreed = False
    if not agreed:
        raise ConsentNeeded(
            f"nothing was changed in {subject}", cause="it was not agreed to", parameters={"refused": True}
        )
