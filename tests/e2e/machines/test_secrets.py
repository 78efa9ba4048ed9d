"""No secret of the environment, an endpoint or an argument is printed, logged or stored."""

from __future__ import annotations

from pathlib import Path

from scripts.commands.installed_command import run
from scripts.servers.memory_s3 import MemoryS3
from tests.e2e.sources import result

SECRETS = ("ZQACCESS", "ZQSECRET", "ZQTOKEN", "ZQPASSWORD", "ZQAPIKEY", "ZQWEBHOOK", "ZQSIGNATURE")
VARIABLES = {
    "AWS_ACCESS_KEY_ID": "AKIAZQACCESS00000001",
    "AWS_SECRET_ACCESS_KEY": "ZQSECRETZQSECRET",
    "AWS_SESSION_TOKEN": "ZQTOKENZQTOKEN",
    "NIMBLE_API_KEY": "nk-ZQAPIKEY",
    "NIMBLE_BASE_URL": "http://user:ZQPASSWORD@127.0.0.1:9",
    "NIMBLE_HARVESTER_DEBUG": "1",
}


def test_no_secret_is_printed_or_stored(store: MemoryS3, dest: Path, tmp_path: Path) -> None:
    store.put("r/a.json", result(1))
    store.put("r/b.json", b"{")
    endpoint = store.url.replace("://", "://user:ZQPASSWORD@")
    dead = "http://user:ZQPASSWORD@127.0.0.1:9"
    commands = (
        (3, "sync", "s3://bucket/r/", dest, "--format", "json", "--log-format", "json"),
        (6, "sync", "s3://bucket/r/", dest, "--endpoint-url", dead, "--retries", "0", "--log-format", "json"),
        (6, "ls", "s3://bucket/r/?X-Amz-Signature=ZQSIGNATURE", "--endpoint-url", dead, "--retries", "0"),
        (2, "ls", "https://bucket.s3.amazonaws.com/r/a?X-Amz-Signature=ZQSIGNATURE"),
        (2, "sync", "s3://user:ZQPASSWORD@bucket/r/", dest),
        (2, "sync", "s3://bucket/r/", tmp_path / "other", "--keys-from", "s3://user:ZQPASSWORD@bucket/keys"),
        (0, "status", dest, "--format", "json"),
        (0, "report", dest, "--out", tmp_path / "report.html"),
        (0, "export", dest, "--to", tmp_path / "tables"),
        (8, "listen", dest, "--secret", "ZQWEBHOOK", "--host", "192.0.2.1"),
    )
    for code, *arguments in commands:
        ended = run(*arguments, AWS_ENDPOINT_URL=endpoint, **VARIABLES)
        assert ended.code == code, (arguments, ended)
        assert not [each for each in SECRETS if each in ended.out + ended.err], arguments
    written = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert [path for path, body in written.items() if any(each.encode() in body for each in SECRETS)] == []
