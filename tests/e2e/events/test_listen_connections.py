"""``listen`` among clients that keep connections open, and with its own certificate."""

from __future__ import annotations

import contextlib
import resource
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from scripts.commands.background_command import Running, wait_until
from scripts.commands.installed_command import run

CONNECTIONS = 1000


@contextlib.contextmanager
def receiver(folder: Path, *options: str | Path) -> Iterator[Running]:
    # Neither the API nor the bucket is reached: no id is looked up before the test ends.
    environment = {
        "NIMBLE_API_KEY": "k",
        "NIMBLE_BASE_URL": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "none",
    }
    arguments = ("listen", folder / "results", "--location", "s3://bucket/r/", "--port", "0", "--retries", "0")
    with Running(folder / "receiver", *arguments, *options, **environment) as running:
        yield running
        running.stop()


@pytest.fixture
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize(
    "sent",
    [b"", b"POST / HTTP/1.1\r\nHost: h\r\n", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n{"],
    ids=["idle", "part of a head", "part of a body"],
)
def test_a_thousand_idle_or_half_open_connections_keep_no_webhook_out(tmp_path: Path, sent: bytes) -> None:
    with receiver(tmp_path) as running, contextlib.ExitStack() as stack:
        url = running.listening_url()
        parts = urlsplit(url)
        for number in range(CONNECTIONS):
            connection = stack.enter_context(socket.create_connection((parts.hostname, parts.port)))
            connection.sendall(sent)
            if number % 250 == 0:
                answer = httpx.post(url, json={"task": {"id": f"task-{number}"}})
                assert (answer.status_code, answer.json()) == (200, {"status": "accepted"})
        assert httpx.post(url, json={"task": {"id": "last"}}).status_code == 200
        assert httpx.get(f"{url}/healthz").status_code in {200, 503}


def test_a_certificate_serves_https(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    new = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost")
    names = ("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate))
    subprocess.run([*new, *names], check=True, capture_output=True)
    with receiver(tmp_path, "--tls-cert", certificate, "--tls-key", key) as running:
        url = running.listening_url()
        assert url.startswith("https://")
        trust = ssl.create_default_context(cafile=str(certificate))
        assert httpx.post(url, json={"task": {"id": "t1"}}, verify=trust).json() == {"status": "accepted"}
        with pytest.raises(httpx.HTTPError):
            httpx.get(url.replace("https", "http"))


def test_a_secret_that_others_may_read_is_warned_about(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a-long-secret\n")
    secret.chmod(0o644)
    with receiver(tmp_path / "open", "--secret-file", secret) as running:
        wait_until(lambda: "other users of this machine may read it" in running.err, "the warning is printed")
        assert "a-long-secret" not in running.err
    secret.chmod(0o600)
    with receiver(tmp_path / "private", "--secret-file", secret) as running:
        running.listening_url()
        assert "other users" not in running.err


def test_a_certificate_that_is_none_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("nothing")
    arguments: tuple[Any, ...] = ("listen", tmp_path / "d", "--location", "s3://bucket/r/", "--port", "0")
    for files in (("--tls-cert", tmp_path / "none.pem"), ("--tls-cert", tmp_path / "missing.pem")):
        ended = run(*arguments, *files, NIMBLE_API_KEY="k")
        assert ended.code == 8
        assert "--tls-key" in ended.err
    assert run(*arguments, "--tls-key", tmp_path / "none.pem", NIMBLE_API_KEY="k").code == 2


def test_a_public_address_without_a_secret_is_warned_about(tmp_path: Path) -> None:
    with receiver(tmp_path / "open", "--host", "0.0.0.0") as running:  # the point
        wait_until(lambda: "any client can send task ids" in running.err, "the warning is printed")
    with receiver(tmp_path / "secret", "--host", "0.0.0.0", "--secret", "a-long-secret") as running:
        running.listening_url()
        assert "any client" not in running.err
    with receiver(tmp_path / "loopback") as running:
        running.listening_url()
        assert "any client" not in running.err
