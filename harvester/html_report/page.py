"""The page: templates, style and script, whose hashes are all that its policy allows."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Callable, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

from harvester import __version__, text
from harvester.errors import EXIT_MEANINGS, ExitCode
from harvester.html_report.destination_report import DestinationReport

if TYPE_CHECKING:
    from jinja2 import Environment

_LONGEST_TEXT = 400


def render_page(reports: Sequence[DestinationReport], *, since: float, now: float) -> str:
    """Return the page about destinations; times are seconds since the epoch."""
    style, script = _file("report.css"), _file("report.js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}';"
        " base-uri 'none'; form-action 'none'"
    )
    from markupsafe import Markup

    # The two of our own files that are no text of the page.
    sources = {"style": Markup(style), "script": Markup(script)}  # noqa: S704
    page = _environment().get_template("report.html")
    return page.render(reports=reports, since=since, now=now, policy=policy, version=__version__, **sources)


def _environment() -> Environment:
    # Loaded by a report alone.
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_file),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    filters: dict[str, Callable[..., object]] = {
        "moment": text.moment,
        "duration": text.duration,
        "age": age,
        "outcomes": lambda counts: [(name.replace("_", " "), number) for name, number in counts.items()],
        "size": lambda number: text.size(int(number)),
        "words": lambda code: str(code).replace("_", " "),
        "exit_meaning": _exit_meaning,
        "ceiling": ceiling,
    }
    environment.filters.update(filters)
    return environment


def _shown(value: Any) -> Any:
    """Return every value of the templates as one printable line of bounded length; markup of ours stays as it is."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    shown = text.printable(value)
    return shown if len(shown) <= _LONGEST_TEXT else f"{shown[: _LONGEST_TEXT - 1]}…"


def age(seconds: float) -> str:
    """Return a time span in its largest unit alone: ``24 min``, ``5 days``."""
    for unit, name in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{int(seconds // unit)} {name}"
    return f"{max(0, int(seconds))} s"


def ceiling(number: float) -> float:
    """Return the next of 1, 2, 5, 10, 20, 50 … that is not below a number: the top of a chart."""
    if number <= 1:
        return 1
    power: int = 10 ** math.floor(math.log10(number))
    return next(step * power for step in (1, 2, 5, 10, 20) if step * power >= number)


def _exit_meaning(code: int) -> str:
    try:
        return EXIT_MEANINGS[ExitCode(code)].meaning
    except ValueError:
        return ""


def _file(name: str) -> str:
    return resources.files(__package__).joinpath("templates", name).read_text(encoding="utf-8")


def _hash(source: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}"
