"""Locations with dates: what is fixed, and the prefixes of some days."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.errors import UsageError
from harvester.location import Location, parse_location
from harvester.location_template import LocationTemplate, parse_place

NOON = datetime(2026, 3, 1, 12, 30, tzinfo=UTC).timestamp()


def template(text: str, days: int = 2) -> LocationTemplate:
    place = parse_place(text)
    assert isinstance(place, LocationTemplate)
    return place.with_days(days)


@pytest.mark.parametrize("text", ["s3://bucket/results/", "gs://bucket", "s3://bucket/{id}/", "file:///data/{x}/"])
def test_a_location_without_dates_is_one(text: str) -> None:
    assert parse_place(text) == parse_location(text)


@pytest.mark.parametrize(
    ("text", "base", "prefixes"),
    [
        ("s3://bkt/results/{date:%Y/%m/%d}/", "s3://bkt/results/", ["results/2026/02/28/", "results/2026/03/01/"]),
        ("s3://bkt/results/{date:%Y/%m/%d}", "s3://bkt/results/", ["results/2026/02/28/", "results/2026/03/01/"]),
        ("gs://bkt/{date:%Y%m%d}/x/", "gs://bkt/", ["20260228/x/", "20260301/x/"]),
        ("s3://bkt/r/dt={date:%Y-%m-%d}/", "s3://bkt/r/", ["r/dt=2026-02-28/", "r/dt=2026-03-01/"]),
        ("s3://bkt/y={date:%Y}/m={date:%m}/", "s3://bkt/", ["y=2026/m=02/", "y=2026/m=03/"]),
        ("s3://bkt/{date:%Y}/", "s3://bkt/", ["2026/"]),
        ("s3://bkt/{date:%G-W%V}/{date:%j}/", "s3://bkt/", ["2026-W09/059/", "2026-W09/060/"]),
        ("s3://bkt/{date:100%%H-%y}/", "s3://bkt/", ["100%H-26/"]),
        ("file:///data/{date:%Y/%m/%d}/", "file:///data/", ["/data/2026/02/28/", "/data/2026/03/01/"]),
    ],
)
def test_the_prefixes_of_two_days(text: str, base: str, prefixes: list[str]) -> None:
    place = template(text)

    assert place.base == parse_location(base)
    assert list(place.prefixes(NOON)) == prefixes


def test_hours_are_those_of_the_days_until_now() -> None:
    found = template("s3://bkt/{date:%d/%H}/").prefixes(NOON)

    assert found == (*(f"28/{hour:02d}/" for hour in range(24)), *(f"01/{hour:02d}/" for hour in range(13)))


def test_days_are_of_utc() -> None:
    last = datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC).timestamp()

    assert template("s3://bkt/{date:%d}/", 1).prefixes(last) == ("01/",)
    assert template("s3://bkt/{date:%d}/", 1).prefixes(last + 1) == ("02/",)


@pytest.mark.parametrize(
    "text",
    [
        "s3://bkt/{date:%Y/%m/%d/",
        "s3://bkt/{date:%B}/",
        "s3://bkt/{date:%-d}/",
        "s3://bkt/{date:%}/",
        "s3://bkt/{date:%Y}{date:/",
        "file:///data/../{date:%Y}/../",
        "file:///data/{date:%Y}//x",
        "s3://bkt{date:%Y}/",
        "{date:%Y}",
        "s3://bkt/{date:%Y\u00e9}/",
        "s3://bkt/{date:%Y}/\0/",
        f"s3://bkt/{{date:%Y}}/{'x' * 1100}/",
    ],
)
def test_what_is_no_location_with_dates_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_place(text)


@pytest.mark.parametrize("days", [0, -1, 3_661])
def test_days_have_bounds(days: int) -> None:
    with pytest.raises(UsageError):
        template("s3://bkt/{date:%Y}/", days)


@given(st.text(), st.text(), st.text())
def test_any_text_is_a_place_or_refused(before: str, date: str, after: str) -> None:
    try:
        place = parse_place(f"s3://bucket/{before}{{date:{date}}}{after}")
    except UsageError:
        return
    assert isinstance(place, LocationTemplate)
    assert isinstance(place.base, Location)
    assert all(prefix.startswith(place.base.prefix) and prefix.endswith("/") for prefix in place.prefixes(NOON))
