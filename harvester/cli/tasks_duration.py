"""A length of time as an option: ``90``, ``90s``, ``15m``, ``2h``, ``1d``."""

from __future__ import annotations

import re

import click

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_WRITTEN = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)([smhd]?)\Z", re.ASCII)


def duration(text: str) -> float:
    """Return the seconds in ``text``, as the type of an option; anything else is a usage error."""
    written = _WRITTEN.match(text)
    if written is None:
        raise click.BadParameter(f"{text!r} is no length of time; write 90s, 15m or 2h")
    return float(written[1]) * _UNITS[written[2]]
