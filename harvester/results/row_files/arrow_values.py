"""Values of Arrow arrays as JSON can hold them, without loss.

pyarrow's own conversion raises for years past 9999 and for nanoseconds, and encoders turn NaN into null. Here every
value of a Parquet file has a representation:

- dates, times, timestamps and durations are ISO 8601 text of any year (``+10000-01-01``, ``-0001-12-31``); units of
  nanoseconds have nine digits, other units six or none;
- a timestamp of a known time zone has the zone's offset; of an unknown one, or where the offset has seconds (before
  standard time) or the year is past 9998, it is UTC with the zone's name behind it (``…Z[Mars/Olympus]``, RFC 9557);
- NaN and infinities are ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``, and counted;
- decimals are numbers to the digit, bytes are base64, a map is an array of key and value pairs.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

_UNITS_A_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DAY_SECONDS: Final = 86_400
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_UTC_NAMES: Final = frozenset({"UTC", "Z", "GMT", "ETC/UTC", "+00:00"})

# Years that `datetime` holds in any time zone; from 1972 on, every zone's offset is of whole minutes.
_FIRST_YEAR_SECONDS: Final = int(dt.datetime(2, 1, 1, tzinfo=dt.UTC).timestamp())
_WHOLE_MINUTES_SECONDS: Final = int(dt.datetime(1972, 1, 2, tzinfo=dt.UTC).timestamp())
_LAST_YEAR_SECONDS: Final = int(dt.datetime(9998, 12, 31, tzinfo=dt.UTC).timestamp())


class ArrowConverter:
    """Converts arrays; counts the numbers that are not finite."""

    def __init__(self) -> None:
        """Start with a count of zero."""
        self.non_finite = 0
        """NaN and infinities converted so far."""

    def convert(self, array: Any) -> list[Any]:
        """Return the values of an array. Raises UnicodeDecodeError for text that is not UTF-8."""
        kind = array.type
        if isinstance(kind, pa.BaseExtensionType):
            return self._extension(array)
        convert = self._converter(kind)
        return list(array.to_pylist()) if convert is None else convert(array)

    def _converter(self, kind: Any) -> Callable[[Any], list[Any]] | None:
        """Return what converts arrays of a type; None where pyarrow's own conversion is lossless."""
        types = pa.types
        for matches, convert in (
            (types.is_floating, self._floats),
            (types.is_timestamp, _timestamps),
            (types.is_date, _dates),
            (types.is_time, _times),
            (types.is_duration, _durations),
            (types.is_dictionary, lambda array: self.convert(array.dictionary_decode())),
            (types.is_struct, self._structs),
            (types.is_map, self._maps),
            (_is_offset_list, self._lists),
            (_is_other_list, self._other_lists),
        ):
            if matches(kind):
                return convert
        return None

    def _extension(self, array: Any) -> list[Any]:
        return list(array.to_pylist()) if isinstance(array.type, pa.UuidType) else self.convert(array.storage)

    def _floats(self, array: Any) -> list[Any]:
        values: list[Any] = array.to_pylist()
        if pc.all(pc.is_finite(array.cast(pa.float64()))).as_py() is not False:
            return values
        return [self._float(value) for value in values]

    def _float(self, value: float | None) -> float | str | None:
        if value is None or value - value == 0:
            return value
        self.non_finite += 1
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"

    def _structs(self, array: Any) -> list[Any]:
        fields = [array.type.field(number) for number in range(array.type.num_fields)]
        names = [field.name for field in fields]
        valid = array.is_valid().to_pylist()
        if not fields:
            return [{} if is_valid else None for is_valid in valid]
        columns = [self.convert(_masked(array.field(number), array)) for number in range(len(fields))]
        return [
            dict(zip(names, values, strict=True)) if is_valid else None
            for is_valid, *values in zip(valid, *columns, strict=True)
        ]

    def _lists(self, array: Any) -> list[Any]:
        offsets, start = _offsets(array)
        values = self.convert(array.values.slice(start, offsets[-1]))
        return _cut(array, offsets, values)

    def _maps(self, array: Any) -> list[Any]:
        offsets, start = _offsets(array)
        keys = self.convert(array.keys.slice(start, offsets[-1]))
        items = self.convert(array.items.slice(start, offsets[-1]))
        return _cut(array, offsets, list(map(list, zip(keys, items, strict=True))))

    def _other_lists(self, array: Any) -> list[Any]:
        return [self.convert(scalar.values) if scalar.is_valid else None for scalar in array]


def _is_offset_list(kind: Any) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _is_other_list(kind: Any) -> bool:
    types = pa.types
    return bool(types.is_fixed_size_list(kind) or types.is_list_view(kind) or types.is_large_list_view(kind))


def _masked(child: Any, parent: Any) -> Any:
    """Return a struct's child with null wherever the struct is null."""
    return pc.if_else(parent.is_valid(), child, pa.scalar(None, child.type)) if parent.null_count else child


def _offsets(array: Any) -> tuple[list[int], int]:
    """Return the offsets of a list array from its first value, and where in the child that value is."""
    offsets: list[int] = array.offsets.to_pylist()
    start = offsets[0]
    return [offset - start for offset in offsets], start


def _cut(array: Any, offsets: list[int], values: list[Any]) -> list[Any]:
    lists = [values[start:end] for start, end in pairwise(offsets)]
    if not array.null_count:
        return lists
    return [part if is_valid else None for part, is_valid in zip(lists, array.is_valid().to_pylist(), strict=True)]


# -- dates and times


def _integers(array: Any) -> list[int | None]:
    width = pa.int32() if array.type.bit_width == 32 else pa.int64()
    values: list[int | None] = array.view(width).to_pylist()
    return values


def _range(array: Any) -> tuple[int, int]:
    """Return the smallest and the largest integer of a temporal array; 0 and 0 without values."""
    found = pc.min_max(array.view(pa.int32() if array.type.bit_width == 32 else pa.int64())).as_py()
    return (found["min"] or 0, found["max"] or 0)


def _dates(array: Any) -> list[Any]:
    a_day = 1 if pa.types.is_date32(array.type) else _DAY_SECONDS * 1000
    low, high = (number // a_day * _DAY_SECONDS for number in _range(array))
    if low >= _FIRST_YEAR_SECONDS and high <= _LAST_YEAR_SECONDS:
        values: list[Any] = array.to_pylist()
        return values
    return [None if value is None else date_text(value // a_day) for value in _integers(array)]


def _timestamps(array: Any) -> list[Any]:
    unit, zone = array.type.unit, array.type.tz
    a_second = _UNITS_A_SECOND[unit]
    known: dt.tzinfo | None
    if zone is not None and zone.upper() in _UTC_NAMES:
        array, zone, known = array.cast(pa.timestamp(unit, "UTC")), "", dt.UTC
    else:
        known = _known_zone(zone)
    low, high = (number // a_second for number in _range(array))
    is_usual = high <= _LAST_YEAR_SECONDS and low >= (_WHOLE_MINUTES_SECONDS if zone else _FIRST_YEAR_SECONDS)
    if unit != "ns" and is_usual and (known is not None or zone is None):
        values: list[Any] = array.to_pylist()
        return values
    return [None if value is None else _timestamp(value, unit, zone, known) for value in _integers(array)]


def _known_zone(name: str | None) -> dt.tzinfo | None:
    """Return the time zone of a name, or None if this machine does not know it."""
    if name is None:
        return None
    try:
        zone: dt.tzinfo = pa.lib.string_to_tzinfo(name)
    except (ValueError, LookupError, OSError):
        return None
    return zone


def _timestamp(value: int, unit: str, zone: str | None, known: dt.tzinfo | None) -> str:
    """Write a timestamp; ``zone`` is None without a zone, and empty for UTC."""
    seconds, fraction = divmod(value, _UNITS_A_SECOND[unit])
    suffix = "" if zone is None else "Z" if not zone else f"Z[{zone}]"
    if zone and known is not None and _FIRST_YEAR_SECONDS <= seconds <= _LAST_YEAR_SECONDS:
        offset = (_EPOCH + dt.timedelta(seconds=seconds)).astimezone(known).utcoffset() or dt.timedelta()
        minutes, odd_seconds = divmod(int(offset.total_seconds()), 60)
        if not odd_seconds:
            seconds += minutes * 60
            sign = "-" if minutes < 0 else "+"
            suffix = f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}" if minutes else "Z"
    days, seconds = divmod(seconds, _DAY_SECONDS)
    return f"{date_text(days)}T{_clock(seconds)}{_fraction(fraction, unit)}{suffix}"


def _times(array: Any) -> list[Any]:
    unit = array.type.unit
    return [None if value is None else _time(value, unit) for value in _integers(array)]


def _time(value: int, unit: str) -> str:
    seconds, fraction = divmod(abs(value), _UNITS_A_SECOND[unit])
    return f"{'-' if value < 0 else ''}{_clock(seconds)}{_fraction(fraction, unit)}"


def _durations(array: Any) -> list[Any]:
    unit = array.type.unit
    return [None if value is None else _duration(value, unit) for value in _integers(array)]


def _duration(value: int, unit: str) -> str:
    """Write a duration as ISO 8601 does: ``P1DT5.000007S``, ``-PT0.000000005S``, ``P0D``."""
    whole, fraction = divmod(abs(value), _UNITS_A_SECOND[unit])
    days, seconds = divmod(whole, _DAY_SECONDS)
    digits = _fraction(fraction, unit)
    if unit != "ns":
        digits = digits.rstrip("0")
    time = f"T{seconds}{digits}S" if seconds or digits else ""
    return f"{'-' if value < 0 else ''}P{f'{days}D' if days or not time else ''}{time}"


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _fraction(value: int, unit: str) -> str:
    """Write the fraction of a second: nine digits of nanoseconds, else six or none."""
    if unit == "ns":
        return f".{value:09d}"
    return f".{value * 10**6 // _UNITS_A_SECOND[unit]:06d}" if value else ""


def date_text(days: int) -> str:
    """Write the date that is ``days`` after 1970-01-01 in the proleptic Gregorian calendar, of any year."""
    # Years of 400 repeat; within one, counted from 1 March, a leap day is the last day of its year.
    era, day_of_era = divmod(days + 719_468, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted_month + 2) // 5 + 1
    month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9
    year = year_of_era + era * 400 + (month <= 2)
    sign = "-" if year < 0 else "+" if year > 9999 else ""
    return f"{sign}{abs(year):04d}-{month:02d}-{day:02d}"
