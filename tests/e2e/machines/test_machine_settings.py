"""What users, environments and networks of machines differ in, each met by the installed command."""

from __future__ import annotations

import os
import shutil
import signal
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from scripts.commands.background_command import wait_until
from scripts.commands.installed_command import COMMAND, Ended, environment, run
from scripts.servers.loopback_server import LoopbackServer
from scripts.servers.memory_s3 import MemoryS3
from tests.e2e.sources import Directory, result
from tests.rigs.certificates import make_certificate

WITHOUT_ENTRY = "54321"
"""A user id that no password file has."""


def as_unknown_user(*arguments: str | Path, **variables: str) -> Ended:
    """Run the command as a user without an entry in the password file, without HOME; it may read all files."""
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can become a user without an entry in the password file, by setpriv")
    rights = "+dac_override,+dac_read_search"
    user = ["--reuid", WITHOUT_ENTRY, "--regid", WITHOUT_ENTRY, "--clear-groups"]
    kept = {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "PATH", "NO_GCE"))}
    ended = subprocess.run(
        ["setpriv", *user, "--inh-caps", rights, "--ambient-caps", rights, COMMAND, *arguments],
        env={**kept, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    if "setpriv:" in ended.stderr:
        pytest.skip(f"rights cannot be kept here: {ended.stderr.strip()}")
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def test_a_user_without_an_entry_lands_and_reads() -> None:
    # The folders of pytest are those of the user who runs it.
    with tempfile.TemporaryDirectory() as shared:
        folder = Path(shared)
        folder.chmod(0o777)
        source = Directory(folder / "source")
        source.put("a.json", result(1))
        for verb in (["sync", source.location], ["status"], ["verify"], ["cat"]):
            ended = as_unknown_user(*verb, folder / "dest")
            assert (ended.code, ended.err) == (0, "")


def test_a_user_without_an_entry_has_to_name_the_directory_of_backups(s3_bucket: str, tmp_path: Path) -> None:
    apply = ("policy", "apply", f"s3://{s3_bucket}/res/", "--mode", "async", "--yes")

    refused = as_unknown_user(*apply)
    assert refused.code == 8
    assert "this user has no home directory" in refused.err
    assert "--backup-dir" in refused.err

    assert as_unknown_user(*apply, "--backup-dir", tmp_path / "backups").code == 0


@pytest.mark.parametrize("entry", ["127.0.0.1", "127.0.0.0/8", "{port}", "localhost, 127.0.0.1", "*"])
def test_what_no_proxy_names_is_reached_directly(store: MemoryS3, entry: str) -> None:
    store.put("r/a.json", result(1))
    port = f"127.0.0.1:{urlsplit(store.url).port}"
    ended = run(
        "ls",
        "s3://bucket/r/",
        "--retries",
        "0",
        AWS_ENDPOINT_URL=store.url,
        HTTP_PROXY="http://127.0.0.1:9",
        NO_PROXY=entry.format(port=port),
    )
    assert ended.code == 0, ended.err


def test_keys_in_the_environment_go_before_a_profile_with_a_second_factor(store: MemoryS3, tmp_path: Path) -> None:
    store.put("r/a.json", result(1))
    config = tmp_path / "config"
    config.write_text(
        "[default]\nrole_arn = arn:aws:iam::111122223333:role/r\nsource_profile = base\n"
        "mfa_serial = arn:aws:iam::111122223333:mfa/m\n[profile base]\nregion = us-east-1\n"
    )
    ended = run("ls", "s3://bucket/r/", AWS_ENDPOINT_URL=store.url, AWS_CONFIG_FILE=str(config))
    assert (ended.code, "a.json" in ended.out) == (0, True)


def test_an_access_points_arn_is_answered_with_its_alias() -> None:
    ended = run("ls", "s3://arn:aws:s3:us-west-2:111122223333:accesspoint/my-ap/res/")
    assert ended.code == 2
    assert "aws s3control list-access-points" in ended.err
    assert "s3://ALIAS/" in ended.err


@pytest.fixture
def encrypted(tmp_path: Path) -> Iterator[LoopbackServer]:
    make_certificate(tmp_path / "both.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    objects = MemoryS3({"r/a.json": result(1)})
    with LoopbackServer(objects.respond, tls=context) as server:
        yield server


@pytest.mark.parametrize("name", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_a_directory_of_certificates_is_trusted(encrypted: LoopbackServer, tmp_path: Path, name: str) -> None:
    place = ("s3://bucket/r/", "--endpoint-url", encrypted.url)
    for verb in (["ls"], ["test", "--access", "read"]):
        refused = run(*verb, *place)
        assert refused.code == 8
        assert "certificate" in refused.err
        assert "AWS_CA_BUNDLE" in refused.err

    (tmp_path / "authorities").mkdir()
    shutil.copy(tmp_path / "both.pem", tmp_path / "authorities" / "5ed36f99.0")
    trusted = run("ls", *place, **{name: str(tmp_path / "authorities")})
    assert (trusted.code, "a.json" in trusted.out) == (0, True)


def test_the_end_of_a_terminal_is_ignored_under_nohup(source: Directory, dest: Path) -> None:
    source.put("a.json", result(1))
    script = 'trap "" HUP; exec "$@"'
    watching = subprocess.Popen(
        ["sh", "-c", script, "sh", COMMAND, "watch", source.location, dest, "--every", "1s"],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until((dest / "a.json").exists)
        watching.send_signal(signal.SIGHUP)
        source.put("b.json", result(2))
        wait_until((dest / "b.json").exists)
    finally:
        watching.terminate()
        assert watching.wait() == 143
