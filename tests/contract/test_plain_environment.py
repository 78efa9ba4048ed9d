"""What is read from a plain environment is what botocore resolves, or is left to botocore."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harvester.errors import HarvesterError
from harvester.retry import RetryPolicy
from harvester.sessions.aws_environment import connection_from_environment
from harvester.sessions.aws_session import AwsSession
from harvester.sessions.connections import S3Connection, StoreSettings

RETRY = RetryPolicy(attempts=1, seconds=1, base_delay=0.01, max_delay=0.01, connect_seconds=1, stall_seconds=1)
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}

buckets = st.one_of(
    st.sampled_from(["buck", "my-bucket", "a.b", "x--y", "b-s3alias", "UPPER", "1234", "127.0.0.1", "b--x-s3"]),
    st.from_regex(r"[a-z0-9][a-z0-9.-]{1,20}[a-z0-9]", fullmatch=True),
)
regions = st.sampled_from(
    ["us-east-1", "us-east-2", "eu-west-1", "ap-southeast-5", "us-gov-west-1", "cn-north-1", "aws-global", "mars", ""]
)
endpoints = st.sampled_from(
    [
        "http://127.0.0.1:9000",
        "http://localhost:9000/",
        "https://minio.example.com",
        "https://minio.example.com/base",
        "https://s3.eu-central-1.amazonaws.com",
        "https://s3-accelerate.amazonaws.com",
        "http://[::1]:9000",
        "https://user@host",
        "",
    ]
)
environments = st.fixed_dictionaries(
    {},
    optional={
        "AWS_ACCESS_KEY_ID": st.sampled_from(["AKIDEXAMPLE", ""]),
        "AWS_SECRET_ACCESS_KEY": st.sampled_from(["secret", ""]),
        "AWS_SESSION_TOKEN": st.sampled_from(["token", ""]),
        "AWS_DEFAULT_REGION": regions,
        "AWS_REGION": regions,
        "AWS_ENDPOINT_URL": endpoints,
        "AWS_ENDPOINT_URL_S3": endpoints,
        "AWS_CA_BUNDLE": st.sampled_from(["/nowhere/bundle.pem", ""]),
        "AWS_USE_FIPS_ENDPOINT": st.sampled_from(["true", "false", ""]),
        "AWS_USE_DUALSTACK_ENDPOINT": st.just("true"),
        "AWS_S3_US_EAST_1_REGIONAL_ENDPOINT": st.sampled_from(["regional", "legacy"]),
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": st.just("true"),
        "AWS_EC2_METADATA_DISABLED": st.just("true"),
        "AWS_PROFILE": st.sampled_from(["other", ""]),
        "AWS_CONFIG_FILE": st.sampled_from(["/nowhere/config", ""]),
        "AWS_SHARED_CREDENTIALS_FILE": st.just("/nowhere/credentials"),
        "AWS_WEB_IDENTITY_TOKEN_FILE": st.just("/nowhere/token"),
        "AWS_ROLE_ARN": st.just("arn:aws:iam::111122223333:role/r"),
        "AWS_SECURITY_TOKEN": st.just("old"),
    },
)


@contextmanager
def in_environment(environment: dict[str, str], home: Path) -> Iterator[None]:
    """Let this, and nothing else, be the environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            patch.delenv(name)
        for name, value in {"HOME": str(home), **environment}.items():
            patch.setenv(name, value)
        yield


files = st.sampled_from(
    [
        "[default]\nregion = eu-west-3\n",
        "[default]\naws_access_key_id = OTHER\naws_secret_access_key = other\n",
        "[default]\nendpoint_url = http://127.0.0.1:9\n",
        "[default]\ns3 =\n    addressing_style = path\n",
        "[default]\nrole_arn = arn:aws:iam::111122223333:role/r\nsource_profile = base\n",
        "[profile other]\nregion = eu-west-3\n",
        "",
    ]
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(["config", "credentials"]), content=files, environment=environments)
def test_with_a_file_it_equals_botocore_or_declines(
    tmp_path: Path, name: str, content: str, environment: dict[str, str]
) -> None:
    folder = tmp_path / ".aws"
    folder.mkdir(exist_ok=True)
    for other in folder.iterdir():
        other.unlink()
    (folder / name).write_text(content)
    with in_environment(KEYS | environment, tmp_path):
        wanted = StoreSettings(retry=RETRY)
        plain = connection_from_environment("buck", wanted, os.environ)
        if plain is not None:
            assert plain == AwsSession("buck", wanted).connection()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bucket=buckets, environment=environments, given_region=st.one_of(st.none(), regions), payer=st.booleans())
def test_it_decides_as_botocore_does(
    tmp_path: Path, bucket: str, environment: dict[str, str], given_region: str | None, payer: bool
) -> None:
    wanted = StoreSettings(region=given_region, retry=RETRY, request_payer=payer)
    # Most of the strategy's environments have no keys, and are of no use here.
    with in_environment(KEYS | environment, tmp_path):
        plain = connection_from_environment(bucket, wanted, os.environ)
        if plain is not None:
            assert plain == AwsSession(bucket, wanted).connection()


@pytest.mark.parametrize(
    ("environment", "base_url", "region"),
    [
        ({}, "https://buck.s3.amazonaws.com", "us-east-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "https://buck.s3.eu-west-1.amazonaws.com", "eu-west-1"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9000/"}, "http://127.0.0.1:9000/buck", "us-east-1"),
        (
            {"AWS_ENDPOINT_URL": "http://other:1", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9000"},
            "http://127.0.0.1:9000/buck",
            "us-east-1",
        ),
    ],
)
def test_it_answers_for_itself_where_everything_is_plain(
    tmp_path: Path, environment: dict[str, str], base_url: str, region: str
) -> None:
    with in_environment(KEYS | environment, tmp_path):
        plain = connection_from_environment("buck", StoreSettings(retry=RETRY), os.environ)
        assert isinstance(plain, S3Connection)
        assert (plain.base_url, plain.region) == (base_url, region)
        assert plain == AwsSession("buck", StoreSettings(retry=RETRY)).connection()


@pytest.mark.parametrize("name", ["config", "credentials"])
def test_a_configuration_file_is_left_to_botocore(tmp_path: Path, name: str) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / name).write_text("[default]\nregion = eu-west-3\n")
    with in_environment(KEYS, tmp_path):
        assert connection_from_environment("buck", StoreSettings(retry=RETRY), os.environ) is None


def test_a_profile_is_left_to_botocore(tmp_path: Path) -> None:
    with in_environment(KEYS, tmp_path):
        assert connection_from_environment("buck", StoreSettings(profile="p", retry=RETRY), os.environ) is None
    with in_environment(KEYS | {"AWS_PROFILE": "p"}, tmp_path):
        assert connection_from_environment("buck", StoreSettings(retry=RETRY), os.environ) is None
        with pytest.raises(HarvesterError):
            AwsSession("buck", StoreSettings(retry=RETRY))
