"""Locations with dates in them: ``s3://bucket/results/{date:%Y/%m/%d}/`` and a number of days."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from harvester.error_codes import ErrorCode
from harvester.errors import UsageError
from harvester.location import Location, parse_location

DEFAULT_DAYS = 2
"""Today and yesterday: what is delivered around midnight is listed by the next run, too."""
MAX_DAYS = 3_660
_FIELD = r"\{date:([^{}]*)\}"
BEGINNING_OF_DATE = "{date:"
"""What a date in a prefix begins with."""
_DIRECTIVE = r"(?s)%(.?)"
# Digits only: names of days and months depend on a locale.
_DIRECTIVES = frozenset("YymdHjGV%")


@dataclass(frozen=True, slots=True)
class LocationTemplate:
    """The prefixes of some days below one location; dates are in UTC."""

    base: Location
    """What comes before the first date: destinations are bound to it, and paths are the same as without dates."""
    pattern: str
    """What follows in the prefix, with fields such as ``{date:%Y/%m/%d}``; ends in ``/``."""
    days: int = DEFAULT_DAYS
    """How many days are listed, today being the last."""

    def __post_init__(self) -> None:
        """Raise UsageError for a number of days that is not listed."""
        if not 1 <= self.days <= MAX_DAYS:
            raise UsageError(f"{self.days:,} days cannot be listed", cause=f"1 to {MAX_DAYS:,} can")

    @property
    def url(self) -> str:
        """The template as a person writes it."""
        return self.base.url + self.pattern

    def with_days(self, days: int) -> LocationTemplate:
        """Return the same for another number of days. Raises UsageError for none that is listed."""
        return replace(self, days=days)

    def prefixes(self, now: float) -> tuple[str, ...]:
        """Return the whole prefixes of the days up to ``now``, seconds since the epoch, in the order of the days.

        With hours (``%H``) each hour of them up to the present one.
        """
        end = datetime.fromtimestamp(now, UTC)
        moment = end.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=self.days - 1)
        step = timedelta(hours=1) if "%H" in self.pattern.replace("%%", "") else timedelta(days=1)
        found: dict[str, None] = {}
        while moment <= end:
            found[self._prefix(moment)] = None
            moment += step
        return tuple(found)

    def _prefix(self, moment: datetime) -> str:
        return self.base.prefix + re.sub(_FIELD, lambda field: moment.strftime(field[1]), self.pattern)

    def __str__(self) -> str:
        """Return the URL."""
        return self.url


def parse_place(text: str) -> Location | LocationTemplate:
    """Parse a location, or one with ``{date:…}`` in its prefix. Raises UsageError for an invalid one."""
    start = text.find(BEGINNING_OF_DATE)
    if start < 0:
        return parse_location(text)
    folder, separator, rest = text[:start].rpartition("/")
    base = parse_location(folder + separator)
    pattern = rest + text[start:]
    if not pattern.endswith("/"):
        pattern += "/"
    _check(pattern, text, base)
    return LocationTemplate(base, pattern)


def _check(pattern: str, text: str, base: Location) -> None:
    if BEGINNING_OF_DATE in re.sub(_FIELD, "", pattern):
        raise _invalid(text, "a date begins with {date: and ends with }, e.g. {date:%Y/%m/%d}")
    fields = re.findall(_FIELD, pattern)
    if "\0" in pattern or not all(field.isascii() and field.isprintable() for field in fields):
        raise _invalid(text, "a date is written in ASCII, and no key can hold a NUL character")
    for directive in (found for field in fields for found in re.findall(_DIRECTIVE, field)):
        if directive not in _DIRECTIVES:
            known = " ".join(f"%{each}" for each in sorted(_DIRECTIVES))
            raise _invalid(text, f"%{directive} is not known; known are {known}")
    if base.scheme == "file" and any(part in {"", ".", ".."} for part in pattern[:-1].split("/")):
        raise _invalid(text, "a directory has no empty name, . or .. in it")
    if len((base.prefix + pattern).encode("utf-8", "surrogatepass")) > 1024 and base.scheme != "file":
        raise _invalid(text, "keys hold at most 1,024 bytes")


def _invalid(text: str, cause: str) -> UsageError:
    return UsageError(
        f"not a location with dates: {text!r}", cause=cause, code=ErrorCode.LOCATION_TEMPLATE_INVALID, subject=text
    )
