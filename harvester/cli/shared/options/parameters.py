"""Parameters that several verbs share, and the types of their values."""

from __future__ import annotations

import functools
import math
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias, TypeVar
from urllib.parse import urlsplit

import click

from harvester.cli.shared.options.option_errors import value_invalid
from harvester.error_codes import ErrorCode
from harvester.errors import UsageError
from harvester.location import Location, parse_location
from harvester.location_template import BEGINNING_OF_DATE, DEFAULT_DAYS, MAX_DAYS, LocationTemplate, parse_place
from harvester.retry import RetryPolicy
from harvester.sessions import AnswerLimits, CheckExemption, StoreSettings
from harvester.text import is_utf8

_Place: TypeAlias = Location | LocationTemplate
_Command = TypeVar("_Command", bound=Callable[..., Any])

_DURATION = r"(\d+(?:\.\d+)?)\s*(s|m|h|d|w)\Z"
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_LONGEST_SECONDS = 36_525 * 86400
_SIZE = r"(?i)(\d+(?:\.\d+)?)\s*([KMGT]i?)?B?\Z"
_MOST_BYTES = 2**60
_BYTES = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


class LocationType(click.ParamType[Location]):
    """``s3://bucket/prefix/``, ``gs://…`` or ``file:///…``."""

    name = "location"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Location:  # noqa: ARG002  # click's signature
        """Parse it; a UsageError passes through, it has its own three lines."""
        if isinstance(value, Location):
            return value
        if BEGINNING_OF_DATE in value:
            raise UsageError(
                f"dates are not taken here: {value!r}",
                cause="they name the newest days for ls, sync, watch and verify; this verb is about a whole location",
                code=ErrorCode.LOCATION_WITH_DATES,
                subject=value,
                parameters={"base": value.partition(BEGINNING_OF_DATE)[0].rpartition("/")[0] + "/"},
            )
        return parse_location(value)


class PlaceType(click.ParamType[_Place]):
    """A location, or one with dates in its prefix: ``s3://bucket/results/{date:%Y/%m/%d}/``."""

    name = "location"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> _Place:  # noqa: ARG002  # click's signature
        """Parse it; a UsageError passes through, it has its own three lines."""
        return value if isinstance(value, Location | LocationTemplate) else parse_place(value)


class DestinationType(click.Path):
    """A directory here; a bucket in its place is a mistake."""

    name = "directory"

    def __init__(self) -> None:
        """Take any path."""
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; a UsageError passes through, it has its own three lines."""
        if re.match(r"(?i)(s3|gs|gcs|file)://", str(value)):
            raise UsageError(
                f"not a directory: {value!r}",
                cause="DEST is a directory of this machine",
                code=ErrorCode.DIRECTORY_REQUIRED,
            )
        if str(value) == "":
            # An unset variable of a script; a path it would be the current directory.
            raise UsageError("DEST is empty", code=ErrorCode.DIRECTORY_REQUIRED)
        if not is_utf8(str(value)):
            raise UsageError(
                f"the name of DEST is not UTF-8: {value!r}",
                cause="the state of a destination holds its name as text",
                code=ErrorCode.DIRECTORY_REQUIRED,
            )
        if str(value).endswith(("\r", "\n")):
            raise UsageError(
                f"a line end at the end of DEST: {value!r}",
                cause="a script saved with Windows line ends gives the last argument of each line one",
                code=ErrorCode.DIRECTORY_REQUIRED,
                subject=str(value).rstrip("\r\n"),
            )
        return super().convert(value, param, ctx)


class DurationType(click.ParamType[float]):
    """``90s``, ``15m``, ``24h``, ``7d``, ``2w``: seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        if isinstance(value, float):
            return value
        seconds = _duration(str(value))
        if seconds is None:
            self.fail(f"{value!r} is not a duration; write for example 90s, 15m, 24h or 7d", param, ctx)
        return seconds


def _duration(text: str) -> float | None:
    """Return the seconds of a duration of at most a hundred years; None for any other text."""
    found = re.match(_DURATION, text.strip())
    seconds = float(found[1]) * _SECONDS[found[2]] if found is not None else math.inf
    return seconds if seconds <= _LONGEST_SECONDS else None


class MomentType(click.ParamType[float]):
    """An RFC 3339 time, or a duration before now: seconds since the epoch."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds since the epoch."""
        if isinstance(value, float):
            return value
        text = str(value).strip()
        seconds = _duration(text)
        if seconds is not None:
            return time.time() - seconds
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{value!r} is not a time; write 2026-01-31T12:00:00Z, or 24h for a day ago", param, ctx)
        # A time without a zone is taken as UTC, as the clouds show theirs.
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


class SizeType(click.ParamType[int]):
    """``500``, ``10MB``, ``2GiB``: bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return bytes."""
        if isinstance(value, int):
            return value
        found = re.match(_SIZE, str(value).strip())
        number = float(found[1]) * _BYTES.get((found[2] or "").lower(), 1) if found is not None else math.inf
        if number > _MOST_BYTES:
            self.fail(f"{value!r} is not a size; write for example 500, 10MB or 2GiB", param, ctx)
        return int(number)


class RateType(click.ParamType[float]):
    """``0.1%`` or ``0.001``: a share from 0 to 1."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the share."""
        text = str(value).strip()
        try:
            share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1:
            self.fail(f"{value!r} is not a share; write for example 0.1% or 0.001", param, ctx)
        return share


LOCATION = LocationType()
PLACE = PlaceType()
DURATION = DurationType()
MOMENT = MomentType()
SIZE = SizeType()
RATE = RateType()


def metrics_file_option(command: _Command) -> _Command:
    """Add ``--metrics-file``; the command receives ``metrics_file``."""
    return click.option(
        "--metrics-file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Write metrics here, in Prometheus's text format, for node_exporter's textfile collector.",
    )(command)


def api_option(command: _Command) -> _Command:
    """Add ``--max-api-bytes``; the command receives ``max_api_bytes``."""
    return click.option(
        "--max-api-bytes",
        type=SIZE,
        metavar="SIZE",
        default="256MiB",
        show_default=True,
        help="Limit of one response of Nimble's API.",
    )(command)


DIRECTORY = click.Path(path_type=Path)
DESTINATION = DestinationType()


def store_options(command: _Command) -> _Command:
    """Add the options of how a bucket is reached; the command receives one ``settings``."""

    @functools.wraps(command)
    def with_settings(**values: Any) -> Any:
        settings = StoreSettings(
            endpoint_url=_endpoint(values.pop("endpoint_url")),
            profile=values.pop("profile"),
            region=values.pop("region"),
            request_payer=values.pop("request_payer"),
            expected_bucket_owner=_account(values.pop("expected_bucket_owner")),
            answer_limits=_answer_limits(values.pop("max_list_bytes"), values.pop("max_error_bytes")),
            exemptions=frozenset(map(CheckExemption, values.pop("accept"))),
            retry=_retry_policy(values.pop("retries"), values.pop("stall_timeout")),
        )
        return command(settings=settings, **values)

    for option in (
        click.option(
            "--accept",
            multiple=True,
            type=click.Choice([each.value for each in CheckExemption]),
            help="Leave out a check that the store is known to fail: its ETags look like MD5 digests and are none, or"
            " it sends inflated what it stores with Content-Encoding gzip.",
        ),
        click.option(
            "--max-error-bytes", type=SIZE, metavar="SIZE", help="Limit of an error document.  [default: 256KiB]"
        ),
        click.option("--max-list-bytes", type=SIZE, metavar="SIZE", help="Limit of a list page.  [default: 16MiB]"),
        click.option(
            "--stall-timeout",
            type=DURATION,
            metavar="TIME",
            help="Break off what stands still so long.  [default: 15s]",
        ),
        click.option(
            "--retries", type=click.IntRange(0, 100), metavar="N", help="Further attempts at a request.  [default: 5]"
        ),
        click.option("--expected-bucket-owner", metavar="ACCOUNT", help="Refuse a bucket of any other AWS account."),
        click.option("--request-payer", is_flag=True, help="Pay for requests to a requester-pays bucket."),
        click.option("--region", metavar="REGION", help="AWS region; a wrong one is corrected."),
        click.option("--profile", metavar="NAME", help="AWS profile, instead of AWS_PROFILE."),
        click.option("--endpoint-url", metavar="URL", help="S3-compatible endpoint, instead of AWS_ENDPOINT_URL."),
    ):
        option(with_settings)
    return with_settings  # type: ignore[return-value]  # the same command with further options


def _answer_limits(list_bytes: int | None, error_bytes: int | None) -> AnswerLimits:
    given = {"list_bytes": list_bytes, "error_bytes": error_bytes}
    return AnswerLimits()._replace(**{name: value for name, value in given.items() if value is not None})


def _retry_policy(retries: int | None, timeout: float | None) -> RetryPolicy:
    policy = RetryPolicy()
    if retries is not None:
        attempts = retries + 1
        # More attempts need more time, or the limit in seconds would void them.
        seconds = policy.seconds * max(1.0, attempts / policy.attempts)
        policy = policy._replace(attempts=attempts, seconds=seconds)
    if timeout is not None:
        seconds = max(1, math.ceil(timeout))
        policy = policy._replace(connect_seconds=seconds, stall_seconds=seconds)
    return policy


def _endpoint(url: str | None) -> str | None:
    if url is not None and not (re.match(r"https?://[^/\s]\S*\Z", url) and _is_ascii_url(url)):
        raise value_invalid(
            f"not an endpoint: {url!r}",
            "--endpoint-url http://127.0.0.1:9000",
            cause="it starts with http:// or https://, and is ASCII without white space; its port is at most 65535",
        )
    return url


def _is_ascii_url(text: str) -> bool:
    try:
        urlsplit(text).port  # noqa: B018  # read to be checked
    except ValueError:
        return False
    return text.isascii()


def _account(account: str | None) -> str | None:
    if account is not None and not re.match(r"[0-9]+\Z", account):
        raise value_invalid(
            f"not an AWS account: {account!r}",
            "--expected-bucket-owner 111122223333",
            cause="an account is named by its twelve digits, without hyphens",
        )
    return account


def keys_option(command: _Command) -> _Command:
    """Add ``--keys-from``; the command receives ``keys_from``."""
    return click.option(
        "--keys-from",
        metavar="FILE",
        help="Only these keys, instead of a listing: a file, local or in a bucket, with one whole key a line, or as `ls"
        " --format jsonl` prints it (.jsonl); or the manifest.json of an S3 Inventory, s3://BUCKET/…/manifest.json.",
    )(command)


def days_option(command: _Command) -> _Command:
    """Add ``--days``, which the command's location takes; the command receives it within ``location``."""

    @functools.wraps(command)
    def with_days(**values: Any) -> Any:
        days = values.pop("days")
        if days is not None:
            place = values["location"]
            if not isinstance(place, LocationTemplate):
                raise UsageError(
                    f"--days needs a date in the location {place or ''}".rstrip(),
                    code=ErrorCode.LOCATION_WITHOUT_DATE,
                    subject=str(place or "s3://BUCKET/PREFIX/"),
                )
            values["location"] = place.with_days(days)
        return command(**values)

    option = click.option(
        "--days",
        type=click.IntRange(1, MAX_DAYS),
        metavar="N",
        help="Of a LOCATION with {date:%Y/%m/%d} in its prefix, list the prefixes of the last N days, in UTC, and no"
        f" other.  [default: {DEFAULT_DAYS}]",
    )
    return option(with_days)  # type: ignore[return-value]  # the same command with a further option


def start_option(command: _Command) -> _Command:
    """Add ``--start-after-backfill``; the command receives ``start_after_backfill``."""
    return click.option(
        "--start-after-backfill",
        metavar="OUT",
        help="Record in DEST where the backfill in OUT ends: objects not modified after it are ignored"
        " (before_start), now and by later runs.",
    )(command)


def cutoff_of(out: str | None, place: Location | LocationTemplate, settings: StoreSettings) -> float | None:
    """Return where the backfill in ``out`` ends; None without one. Raises what `backfill_cutoff` raises."""
    if out is None:
        return None
    # Loaded by the runs that follow a backfill.
    from harvester.backfill import backfill_cutoff

    return backfill_cutoff(out, place if isinstance(place, Location) else place.base, settings)


def state_option(command: _Command) -> _Command:
    """Add ``--state-dir``."""
    return click.option(
        "--state-dir", type=DIRECTORY, metavar="DIR", help="Where the manifest lies, instead of DEST/.nimble-harvester."
    )(command)


def row_filter_options(command: _Command) -> _Command:
    """Add the options that choose rows, and that a consumer's filter may have."""
    for option in (
        click.option("--agent", "agents", multiple=True, metavar="NAME", help="Only envelopes of this agent."),
        click.option("--status", "statuses", multiple=True, metavar="STATE", help="Only envelopes with this status."),
        click.option("--shape", "shapes", multiple=True, metavar="SHAPE", help="Only results of this shape."),
        click.option(
            "--include", multiple=True, metavar="GLOB", help="Only keys (below the prefix) that match; may be repeated."
        ),
    ):
        command = option(command)
    return command


def format_option(*formats: str) -> Callable[[_Command], _Command]:
    """Add ``--format``, the first of ``formats`` being the default."""
    return click.option(
        "--format", "output", type=click.Choice(formats), default=formats[0], show_default=True, help="How to print."
    )
