"""Credentials, profiles, endpoints, proxies and certificates, as boto3 and the environment have them."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harvester.causes import Cause
from harvester.error_codes import ErrorCode
from harvester.errors import ConfigurationError, ConnectionFailed, UsageError
from harvester.location import parse_location
from harvester.queues.sqs import SqsQueue
from harvester.retry import RetryPolicy
from harvester.sessions.aws_session import AwsSession
from harvester.sessions.connections import S3Connection, StoreSettings
from harvester.sessions.google_session import GoogleSession
from harvester.storage.bucket_settings import Unread
from harvester.storage.gcs.iam_settings import GcsSettingsReader
from harvester.storage.gcs.sdk_calls import GcsCalls
from harvester.storage.opening import open_store
from harvester.storage.probe import S3Prober
from harvester.storage.s3.aws_clients import AwsClients, ask
from scripts.servers.fault_proxy import FaultProxy
from scripts.servers.loopback_server import Answer, LoopbackServer, Request
from tests.contract.fetching import fetch_all
from tests.rigs.certificates import make_certificate

QUICK = RetryPolicy(attempts=2, seconds=5, base_delay=0.01, max_delay=0.05, connect_seconds=2, stall_seconds=1)
EMPTY_PAGE = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"


def transport_of(url: str, settings: StoreSettings | None = None) -> S3Connection:
    """Resolve a connection without a network."""
    return AwsSession(parse_location(url).bucket, settings or StoreSettings(retry=QUICK)).connection()


@dataclass(frozen=True)
class Resolved:
    base_url: str
    region: str


@pytest.mark.parametrize(
    ("environment", "bucket", "expected"),
    [
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "buck", Resolved("https://buck.s3.eu-west-1.amazonaws.com", "eu-west-1")),
        ({}, "buck", Resolved("https://buck.s3.amazonaws.com", "us-east-1")),
        ({"AWS_DEFAULT_REGION": ""}, "buck", Resolved("https://buck.s3.amazonaws.com", "us-east-1")),
        ({}, "with.dots", Resolved("https://s3.amazonaws.com/with.dots", "us-east-1")),
        (
            {"AWS_DEFAULT_REGION": "eu-west-1", "AWS_USE_DUALSTACK_ENDPOINT": "true"},
            "buck",
            Resolved("https://buck.s3.dualstack.eu-west-1.amazonaws.com", "eu-west-1"),
        ),
        (
            {"AWS_DEFAULT_REGION": "us-east-2", "AWS_USE_FIPS_ENDPOINT": "true"},
            "buck",
            Resolved("https://buck.s3-fips.us-east-2.amazonaws.com", "us-east-2"),
        ),
        (
            {"AWS_DEFAULT_REGION": "cn-north-1"},
            "buck",
            Resolved("https://buck.s3.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ),
        (
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:9/base"},
            "buck",
            Resolved("http://127.0.0.1:9/base/buck", "us-east-1"),
        ),
        ({"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}, "buck", Resolved("http://127.0.0.1:9/buck", "us-east-1")),
        ({"AWS_ENDPOINT_URL": "https://s3.example.com"}, "buck", Resolved("https://s3.example.com/buck", "us-east-1")),
    ],
)
def test_an_endpoint_is_boto3s(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], bucket: str, expected: Resolved
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    connection = transport_of(f"s3://{bucket}/")

    assert Resolved(connection.base_url, connection.region) == expected
    assert (connection.network.ca_bundle is not None) == connection.base_url.startswith("https")


def test_a_profile_is_boto3s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile one]\nregion = eu-north-1\naws_access_key_id = ONE\naws_secret_access_key = s\n"
        "s3 =\n  addressing_style = path\n"
        f"[profile two]\nregion = eu-west-3\ncredential_process = {sys.executable} {tmp_path}/process.py\n"
    )
    process = {"Version": 1, "AccessKeyId": "TWO", "SecretAccessKey": "s", "SessionToken": "t"}
    (tmp_path / "process.py").write_text(f"print({json.dumps(process)!r})")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    for name in ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)

    one = transport_of("s3://buck/", StoreSettings(profile="one"))
    monkeypatch.setenv("AWS_PROFILE", "two")
    two = transport_of("s3://buck/")

    assert (one.base_url, one.credentials.access_key) == ("https://s3.eu-north-1.amazonaws.com/buck", "ONE")
    assert (two.region, two.credentials.access_key, two.credentials.token) == ("eu-west-3", "TWO", "t")


def test_renewing_asks_the_provider_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = (
        "import json, pathlib\n"
        f"count = pathlib.Path({str(tmp_path / 'count')!r})\n"
        "number = int(count.read_text()) + 1 if count.exists() else 1\n"
        "count.write_text(str(number))\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': f'KEY{number}', 'SecretAccessKey': 's', 'SessionToken': 't',\n"
        "                  'Expiration': '2199-01-01T00:00:00Z'}))\n"
    )
    (tmp_path / "process.py").write_text(program)
    config = tmp_path / "config"
    config.write_text(f"[profile p]\nregion = us-east-1\ncredential_process = {sys.executable} {tmp_path}/process.py\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    session = AwsSession("buck", StoreSettings(profile="p"))

    keys = [session.connection(renew=renew).credentials.access_key for renew in (False, False, True, False, True)]

    assert keys == ["KEY1", "KEY1", "KEY2", "KEY2", "KEY3"]


def test_settings_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")

    connection = transport_of("s3://buck/", StoreSettings(endpoint_url="http://127.0.0.1:8", region="eu-west-2"))

    assert (connection.base_url, connection.region) == ("http://127.0.0.1:8/buck", "eu-west-2")


def test_no_credentials_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    with pytest.raises(ConfigurationError, match="no AWS credentials") as caught:
        list(open_store(parse_location("s3://buck/")).list_pages())

    assert caught.value.code is ErrorCode.NO_AWS_CREDENTIALS


def test_a_credential_process_without_json_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    (tmp_path / "config").write_text("[profile keys]\ncredential_process = echo none\n", encoding="utf-8")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))

    with pytest.raises(ConfigurationError, match="the AWS configuration does not work") as caught:
        transport_of("s3://buck/", StoreSettings(profile="keys"))

    assert "credential_process" in (caught.value.cause or "")
    assert caught.value.code is ErrorCode.AWS_CONFIGURATION_INVALID


@pytest.mark.parametrize(
    "lines", ["credential_process = /missing/keys", "role_arn = arn\nweb_identity_token_file = /missing/keys"]
)
def test_what_the_configuration_names_and_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lines: str
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    (tmp_path / "config").write_text(f"[profile keys]\n{lines}\n", encoding="utf-8")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))

    with pytest.raises(ConfigurationError, match="the AWS configuration does not work") as caught:
        transport_of("s3://buck/", StoreSettings(profile="keys"))

    assert "/missing/keys" in (caught.value.cause or "")


def test_a_setting_that_is_no_number_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "many")
    with pytest.raises(ConfigurationError) as caught:
        transport_of("s3://buck/")
    assert caught.value.code is ErrorCode.AWS_CONFIGURATION_INVALID
    assert "AWS_MAX_ATTEMPTS" in (caught.value.cause or "")


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:99999", "http://[::1", "http://b\u00fccher.test"])
def test_an_endpoint_that_is_no_url_is_named(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    for scheme, variable in (("s3", "AWS_ENDPOINT_URL"), ("gs", "STORAGE_EMULATOR_HOST")):
        monkeypatch.setenv(variable, endpoint)
        with pytest.raises(ConfigurationError) as caught:
            list(open_store(parse_location(f"{scheme}://buck/")).list_pages())
        assert caught.value.code in {ErrorCode.ENDPOINT_INVALID, ErrorCode.AWS_CONFIGURATION_INVALID}


@pytest.mark.parametrize("content", ["[]", "null", '{"type": "external_account", "credential_source": "x"}', None])
def test_a_file_of_google_credentials_that_google_does_not_check_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "key.json").write_text(content, encoding="utf-8")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / ("key.json" if content else "")))
    with pytest.raises(ConfigurationError) as caught:
        GoogleSession("buck", StoreSettings(retry=QUICK)).connection()
    assert caught.value.code is ErrorCode.GOOGLE_CREDENTIALS_INVALID


@pytest.mark.parametrize("project", ["p\n", "p\u00e4"])
def test_a_project_that_no_header_can_hold_is_refused(monkeypatch: pytest.MonkeyPatch, project: str) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    monkeypatch.setenv("GOOGLE_CLOUD_QUOTA_PROJECT", project)
    with pytest.raises(ConfigurationError) as caught:
        GoogleSession("buck", StoreSettings(retry=QUICK)).connection()
    assert caught.value.code is ErrorCode.VARIABLE_INVALID


def test_a_proxy_beyond_ascii_is_unreachable_and_no_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://s3.nowhere.invalid")
    monkeypatch.setenv("HTTP_PROXY", "http://b\u00fccher.invalid:1")
    with pytest.raises(ConnectionFailed):
        list(open_store(parse_location("s3://buck/"), StoreSettings(retry=QUICK)).list_pages())


def test_an_unknown_profile_is_reported() -> None:
    with pytest.raises(ConfigurationError, match="nobody"):
        open_store(parse_location("s3://buck/"), StoreSettings(profile="nobody"))


def test_an_expired_sso_login_names_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile work]\nsso_session = corp\nsso_account_id = 111122223333\n"
        "sso_role_name = Reader\nregion = us-east-1\n"
        "[sso-session corp]\nsso_start_url = https://example.awsapps.com/start\nsso_region = us-east-1\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)

    with pytest.raises(ConfigurationError, match="SSO") as caught:
        list(open_store(parse_location("s3://buck/"), StoreSettings(profile="work")).list_pages())

    assert caught.value.parameters == {"login": "sso", "profile": "work"}


def test_a_second_factor_is_not_asked_for_without_a_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile base]\naws_access_key_id = A\naws_secret_access_key = s\n"
        "[profile strong]\nrole_arn = arn:aws:iam::111122223333:role/r\nsource_profile = base\n"
        "mfa_serial = arn:aws:iam::111122223333:mfa/me\nregion = us-east-1\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    program = (
        "from harvester.location import parse_location\n"
        "from harvester.sessions import StoreSettings\n"
        "from harvester.storage import open_store\n"
        "list(open_store(parse_location('s3://buck/'), StoreSettings(profile='strong')).list_pages())"
    )

    ended = subprocess.run([sys.executable, "-c", program], input="", capture_output=True, text=True)

    assert "needs a second factor, and there is no terminal" in ended.stderr


def test_keys_in_the_environment_need_no_second_factor_of_the_profile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[default]\nrole_arn = arn:aws:iam::111122223333:role/r\nsource_profile = base\n"
        "mfa_serial = arn:aws:iam::111122223333:mfa/me\n"
        "[profile base]\naws_access_key_id = A\naws_secret_access_key = s\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    assert AwsSession("buck", StoreSettings(retry=QUICK)).connection().credentials.access_key == "AKIDEXAMPLE"


def test_a_second_factor_of_the_role_behind_the_role_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile top]\nrole_arn = arn:aws:iam::111122223333:role/t\nsource_profile = middle\nregion = us-east-1\n"
        "[profile middle]\nrole_arn = arn:aws:iam::111122223333:role/m\nsource_profile = base\n"
        "mfa_serial = arn:aws:iam::111122223333:mfa/me\n"
        "[profile base]\naws_access_key_id = A\naws_secret_access_key = s\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    monkeypatch.setattr("sys.stdin", None)

    with pytest.raises(ConfigurationError) as caught:
        AwsSession("buck", StoreSettings(profile="top", retry=QUICK)).connection()
    assert caught.value.code is ErrorCode.SECOND_FACTOR_NEEDED


@pytest.mark.parametrize(
    ("name", "location"),
    [
        ("AWS_ACCESS_KEY_ID", "s3://buck/"),
        ("AWS_SESSION_TOKEN", "s3://buck/"),
        ("AWS_REGION", "s3://buck/"),
        ("AWS_ENDPOINT_URL", "s3://buck/"),
        ("GOOGLE_CLOUD_QUOTA_PROJECT", "gs://buck/"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "gs://buck/"),
        ("STORAGE_EMULATOR_HOST", "gs://buck/"),
    ],
)
@pytest.mark.parametrize("value", ["k\n", "a\rb", "\x1b[2J", "a\x85"])
def test_a_control_character_in_a_variable_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, location: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        open_store(parse_location(location), StoreSettings(retry=QUICK)).connection()
    assert (caught.value.code, caught.value.subject) == (ErrorCode.VARIABLE_INVALID, name)


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"])
@pytest.mark.parametrize("value", ["\u00e9", "k\u00a0", "\udcff"])
def test_what_a_header_cannot_hold_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        open_store(parse_location("s3://buck/"), StoreSettings(retry=QUICK)).connection()
    assert (caught.value.code, caught.value.subject) == (ErrorCode.VARIABLE_INVALID, name)


def test_an_access_points_arn_names_the_alias() -> None:
    with pytest.raises(UsageError) as caught:
        parse_location("s3://arn:aws:s3:us-west-2:111122223333:accesspoint/my-ap/res/")
    assert caught.value.code is ErrorCode.ACCESS_POINT_ARN


def test_a_directory_bucket_is_refused() -> None:
    with pytest.raises(UsageError, match="directory bucket"):
        open_store(parse_location("s3://buck--use1-az4--x-s3/"))


# -- proxies and certificates ------------------------------------------------------------------------------------------


def answer_anything(request: Request) -> Answer:
    return Answer(200, EMPTY_PAGE, {"etag": '"e"'})


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_is_used(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://s3.nowhere.invalid")
    with FaultProxy(answer_anything) as proxy:
        monkeypatch.setenv(name, proxy.url)
        assert list(open_store(parse_location("s3://buck/"), StoreSettings(retry=QUICK)).list_pages()) == []
        assert proxy.log[0].target.startswith("http://s3.nowhere.invalid/buck?")


def test_no_proxy_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultProxy(answer_anything) as endpoint, FaultProxy(answer_anything) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.url)
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert list(open_store(parse_location("s3://buck/"), StoreSettings(retry=QUICK)).list_pages()) == []
        assert len(endpoint.log) == 1
        assert proxy.log == []


def test_a_proxy_that_is_dead_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://s3.nowhere.invalid")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    with pytest.raises(ConnectionFailed):
        list(open_store(parse_location("s3://buck/"), StoreSettings(retry=QUICK)).list_pages())


EXPIRATION = (
    "<LifecycleConfiguration><Rule><Status>Enabled</Status><Expiration>{}</Expiration></Rule></LifecycleConfiguration>"
)


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("get_bucket_location", "no XML"),
        ("get_bucket_versioning", "<a>"),
        ("get_bucket_lifecycle_configuration", EXPIRATION.format("<Days>ten</Days>")),
        ("get_bucket_lifecycle_configuration", EXPIRATION.format("<Date>99999-01-01</Date>")),
    ],
)
def test_an_answer_that_cannot_be_read_is_the_services_error(operation: str, body: str) -> None:
    with LoopbackServer(lambda _: Answer(200, body.encode())) as server:
        clients = AwsClients(StoreSettings(endpoint_url=server.url))
        error = ask(getattr(clients.s3, operation), Bucket="buck").error

    assert error is not None
    assert (error.cause, error.retryable) == (Cause.SERVER_ERROR, True)


@pytest.mark.parametrize("answer", [b"[" * 100_000, b"[]", b'{"Attributes":[]}'], ids=["endless", "array", "field"])
def test_unusable_json_of_a_queue_is_the_services_error(answer: bytes) -> None:
    with LoopbackServer(lambda _: Answer(200, answer)) as server, pytest.raises(ConnectionFailed):
        SqsQueue(f"{server.url}/111122223333/q", StoreSettings()).settings()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 and its key, in one file, signed by itself; its path is not all ASCII."""
    path = tmp_path_factory.mktemp("tl\u00e4s") / "both.pem"
    make_certificate(path)
    return path


@pytest.fixture
def tls_server(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with LoopbackServer(answer_anything, tls=context) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        yield server


@pytest.mark.parametrize("name", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_a_private_authority_is_trusted_when_named(
    tls_server: LoopbackServer, certificate: Path, monkeypatch: pytest.MonkeyPatch, name: str, spool_directory: Path
) -> None:
    monkeypatch.setenv(name, str(certificate))
    store = open_store(parse_location("s3://buck/"), StoreSettings(retry=QUICK))

    assert list(store.list_pages()) == []
    head = store.head("k")
    assert head is not None
    assert fetch_all(store, [head], spool_directory)["k"].failure is None


def test_a_self_signed_certificate_is_refused_at_once(tls_server: LoopbackServer) -> None:
    with pytest.raises(ConfigurationError) as caught:
        list(open_store(parse_location("s3://buck/"), StoreSettings(retry=QUICK)).list_pages())

    assert caught.value.code is ErrorCode.CERTIFICATE_REFUSED


@pytest.mark.parametrize("hashed", [True, False])
def test_a_directory_of_certificates_is_trusted_by_every_client(
    tls_server: LoopbackServer,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    spool_directory: Path,
    *,
    hashed: bool,
) -> None:
    folder = tmp_path / "authorities"
    folder.mkdir()
    shutil.copy(certificate, folder / ("5ed36f99.0" if hashed else "authority.pem"))
    (folder / "README").write_text("no certificate")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(folder))
    store = open_store(parse_location("s3://buck/"), StoreSettings(retry=QUICK))
    head = store.head("k")
    assert head is not None
    assert fetch_all(store, [head], spool_directory)["k"].failure is None
    # Answers about settings come through boto3 and requests.
    answer = ask(AwsClients(StoreSettings(retry=QUICK)).s3.head_bucket, Bucket="buck")
    assert answer.error is None
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folder))
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", tls_server.url)
    calls = GcsCalls("buck", GoogleSession("buck", StoreSettings(retry=QUICK)), QUICK)
    found = calls.call("buckets.get", lambda bucket: bucket.exists(retry=None))
    assert found.error is None or found.error.code == "NotJson"


def test_a_directory_without_certificates_is_one_clear_error(
    tls_server: LoopbackServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path))
    with pytest.raises(ConfigurationError) as caught:
        open_store(parse_location("s3://buck/"), StoreSettings(retry=QUICK)).head("k")
    assert caught.value.subject == str(tmp_path)


def test_entries_without_a_key_are_no_bug_of_a_probe() -> None:
    listed = b"<ListBucketResult><Contents/><CommonPrefixes/></ListBucketResult>"
    with LoopbackServer(lambda _: Answer(200, listed)) as server:
        prober = S3Prober("buck", StoreSettings(endpoint_url=server.url))
        assert prober.list_objects("", 1).keys == ("",)
        assert prober.list_prefixes("").keys == ("",)
        assert len(prober.begin_and_abort_upload("k")) == 1


@pytest.mark.parametrize("resource", [b'{"retentionPolicy": {"retentionPeriod": "x"}}', b'{"iamConfiguration": "x"}'])
def test_settings_of_other_types_than_documented_are_unread(monkeypatch: pytest.MonkeyPatch, resource: bytes) -> None:
    with LoopbackServer(lambda _: Answer(200, resource)) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        settings = GcsSettingsReader("buck", StoreSettings(retry=QUICK)).read()
    assert isinstance(settings.versioning, Unread)
