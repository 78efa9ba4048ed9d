"""Values of options: what each type accepts, what it refuses, and what the commands receive."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import pytest

from harvester.cli.shared.options.freshness_options import freshness_options
from harvester.cli.shared.options.given_files import read_at_most
from harvester.cli.shared.options.parameters import (
    DESTINATION,
    DURATION,
    LOCATION,
    MOMENT,
    RATE,
    SIZE,
    store_options,
)
from harvester.cli.shared.options.policy_options import policy_bytes_option, read_text
from harvester.cli.shared.options.sync_options import landing_options, read_schema
from harvester.error_codes import ErrorCode
from harvester.errors import HarvesterError, UsageError
from harvester.retry import RetryPolicy
from harvester.sessions import AnswerLimits, CheckExemption


@pytest.mark.parametrize(
    ("kind", "written", "value"),
    [
        (DURATION, "90s", 90.0),
        (DURATION, " 1.5 m", 90.0),
        (DURATION, "24h", 86400.0),
        (DURATION, "7d", 604800.0),
        (DURATION, "2w", 1209600.0),
        (DURATION, 3.0, 3.0),
        (SIZE, "500", 500),
        (SIZE, "500B", 500),
        (SIZE, "10MB", 10_000_000),
        (SIZE, "10mb", 10_000_000),
        (SIZE, "2GiB", 2 << 30),
        (SIZE, "1.5K", 1500),
        (SIZE, "1T", 10**12),
        (SIZE, 7, 7),
        (RATE, "0.1%", 0.001),
        (RATE, "100%", 1.0),
        (RATE, "0", 0.0),
        (MOMENT, "1970-01-01T00:00:10Z", 10.0),
        (MOMENT, "1970-01-01T00:00:10", 10.0),
        (MOMENT, "1970-01-01T01:00:10+01:00", 10.0),
        (MOMENT, 5.0, 5.0),
    ],
)
def test_a_value_is_converted(kind: click.ParamType[Any], written: Any, value: object) -> None:
    assert kind.convert(written, None, None) == value


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        (DURATION, "90"),
        (DURATION, "-5s"),
        (DURATION, "5 years"),
        (DURATION, "36526d"),
        (DURATION, f"{10**400}d"),
        (MOMENT, "36526d"),
        (SIZE, "1048577TiB"),
        (SIZE, f"{10**400}"),
        (SIZE, "10X"),
        (SIZE, "-1"),
        (SIZE, "MB"),
        (RATE, "1.1"),
        (RATE, "101%"),
        (RATE, "-1%"),
        (RATE, "nan"),
        (RATE, "few"),
        (MOMENT, "yesterday"),
        (MOMENT, "2026-13-01"),
    ],
)
def test_another_value_is_refused(kind: click.ParamType[Any], written: str) -> None:
    with pytest.raises(click.BadParameter, match="write"):
        kind.convert(written, None, None)


def test_a_duration_is_a_time_before_now() -> None:
    before = time.time()
    assert before - 3600 <= MOMENT.convert("1h", None, None) <= time.time() - 3600


@pytest.mark.parametrize("written", ["s3://bucket/x", "GS://bucket", "file:///x", ""])
def test_a_destination_is_a_directory(written: str) -> None:
    with pytest.raises(UsageError):
        DESTINATION.convert(written, None, None)


def test_the_longest_duration_and_the_largest_size_are_taken() -> None:
    assert DURATION.convert("36525d", None, None) == 36_525 * 86400
    assert SIZE.convert("1048576TiB", None, None) == 2**60


@pytest.mark.parametrize(("content", "read"), [(b"abc", b"abc"), (b"abcd", b"abcd"), (b"abcde", b"abcd"), (b"", b"")])
def test_a_stream_is_read_to_one_byte_beyond_a_limit(content: bytes, read: bytes) -> None:
    assert read_at_most(io.BytesIO(content), 3) == read
    assert read_at_most(io.BytesIO(content), 2**60) == content


def test_a_destination_is_text() -> None:
    assert DESTINATION.convert("./ré", None, None) == Path("ré")
    with pytest.raises(UsageError, match="not UTF-8"):
        DESTINATION.convert("./r\udcff", None, None)


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_a_line_end_is_no_part_of_a_destination(end: str) -> None:
    with pytest.raises(UsageError) as raised:
        DESTINATION.convert(f"./results{end}", None, None)
    assert raised.value.subject == "./results"


def test_a_location_passes_its_own_error_on() -> None:
    assert LOCATION.convert("s3://bucket/p/", None, None).bucket == "bucket"
    with pytest.raises(HarvesterError):
        LOCATION.convert("bucket", None, None)


def parsed(options: Any, arguments: Sequence[str]) -> dict[str, Any]:
    """Return what a command with these options receives."""
    received: dict[str, Any] = {}

    def command(**values: Any) -> None:
        received.update(values)

    click.command()(options(command)).main(list(arguments), standalone_mode=False)
    return received


def test_a_store_is_reached_as_the_options_state() -> None:
    settings = parsed(
        store_options,
        [
            "--endpoint-url",
            "http://127.0.0.1:9",
            "--profile",
            "p",
            "--region",
            "r",
            "--request-payer",
            "--expected-bucket-owner",
            "1",
            "--max-list-bytes",
            "1KiB",
            "--accept",
            "etag-not-md5",
            "--retries",
            "11",
            "--stall-timeout",
            "1.5s",
        ],
    )["settings"]

    assert (settings.endpoint_url, settings.profile, settings.region) == ("http://127.0.0.1:9", "p", "r")
    assert (settings.request_payer, settings.expected_bucket_owner) == (True, "1")
    assert settings.answer_limits == AnswerLimits()._replace(list_bytes=1024)
    assert settings.exemptions == {CheckExemption.ETAG_NOT_MD5}
    default = RetryPolicy()
    assert settings.retry.attempts == 12
    assert settings.retry.seconds == default.seconds * 12 / default.attempts
    assert (settings.retry.connect_seconds, settings.retry.stall_seconds) == (2, 2)


def test_without_options_a_store_has_the_defaults() -> None:
    settings = parsed(store_options, ())["settings"]
    assert settings.retry == RetryPolicy()
    assert settings.answer_limits == AnswerLimits()
    assert settings.exemptions == frozenset()


def test_fewer_attempts_have_the_same_time() -> None:
    assert parsed(store_options, ("--retries", "0"))["settings"].retry.seconds == RetryPolicy().seconds


@pytest.mark.parametrize(
    "url",
    [
        *("127.0.0.1:9000", "ftp://host", "http:///path", "http://host\r", "https://host ", "http://a b"),
        *("http://host:65536", "http://[::1", "http://b\u00fccher.test"),
    ],
)
def test_an_endpoint_is_a_url(url: str) -> None:
    with pytest.raises(UsageError, match="not an endpoint"):
        parsed(store_options, ("--endpoint-url", url))


@pytest.mark.parametrize("account", ["1111-2222-3333", "111122223333\r", "", "١١١١", "me"])
def test_an_account_is_its_digits(account: str) -> None:
    with pytest.raises(UsageError, match="not an AWS account"):
        parsed(store_options, ("--expected-bucket-owner", account))


FRESHNESS = "--max-age 2h --min-landed 3 --window 30m --max-problem-rate 1%"


def test_limits_of_freshness() -> None:
    limits = parsed(freshness_options, FRESHNESS.split())["limits"]
    assert (limits.max_age, limits.min_landed, limits.window, limits.max_problem_rate) == (7200.0, 3, 1800.0, 0.01)


def landing(*arguments: str) -> Any:
    return parsed(landing_options, arguments)["landing"]()


def test_landing_options_reach_the_sync() -> None:
    options = landing("--include", "a*", "--exclude", "b*", "--max-object-bytes", "1MB", "--decode-timeout", "60s")
    assert (options.selection.include, options.selection.exclude) == (("a*",), ("b*",))
    assert options.max_object_bytes == options.result.max_content_bytes == 1_000_000
    assert options.worker_limits.cpu_seconds == 60.0
    assert options.worker_limits.silent_seconds >= 60.0


def test_a_decode_timeout_has_a_lower_bound() -> None:
    with pytest.raises(UsageError, match="--decode-timeout"):
        landing("--decode-timeout", "0.5s")


def test_a_schema_is_read_when_it_is_needed(tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "object"}')
    assert landing("--schema", str(schema)).result.user_schema == '{"type": "object"}'
    assert read_schema(None, 100) is None
    with pytest.raises(UsageError, match="cannot read the schema"):
        read_schema(tmp_path / "missing.json", 100)
    schema.write_bytes(b"\xff")
    with pytest.raises(UsageError, match="cannot read the schema"):
        read_schema(schema, 100)
    schema.write_text('{"type": 5}')
    with pytest.raises(HarvesterError, match=r"schema\.json"):
        read_schema(schema, 100)


def test_a_schema_just_below_the_limit_is_read_and_one_above_is_not(tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "object"}' + " " * (4 * 1024**2 - 18))
    assert landing("--schema", str(schema)).result.user_schema is not None
    schema.write_text('{"type": "object"}' + " " * (4 * 1024**2 - 17))
    with pytest.raises(UsageError, match="longer than 4,194,304 bytes") as caught:
        landing("--schema", str(schema))
    assert (caught.value.code, caught.value.parameters["limit"]) == (ErrorCode.FILE_TOO_LONG, "max_schema_bytes")
    assert landing("--schema", str(schema), "--max-schema-bytes", "5MiB").result.user_schema is not None
    with pytest.raises(UsageError, match="longer than"):
        landing("--schema", "/dev/zero", "--max-schema-bytes", "64KiB")


def test_a_policy_just_below_the_limit_is_read_and_one_above_is_not(tmp_path: Path) -> None:
    @click.command()
    @policy_bytes_option
    def limit(max_policy_bytes: int) -> int:
        return max_policy_bytes

    file = tmp_path / "policy.json"
    for arguments, size in (([], 1024**2), (["--max-policy-bytes", "30KiB"], 30 * 1024)):
        allowed = limit.main(arguments, standalone_mode=False)
        file.write_bytes(b" " * size)
        assert len(read_text(str(file), allowed)) == size
        file.write_bytes(b" " * (size + 1))
        with pytest.raises(UsageError, match=f"longer than {size:,} bytes") as caught:
            read_text(str(file), allowed)
        assert caught.value.code is ErrorCode.FILE_TOO_LONG


def test_dates_are_refused_where_a_whole_location_is_meant() -> None:
    with pytest.raises(UsageError, match="dates are not taken here") as refused:
        LOCATION.convert("s3://bucket/results/x-{date:%Y}/", None, None)
    assert refused.value.parameters["base"] == "s3://bucket/results/"
