"""The connections that a sync opens over TLS: nginx with a certificate in front of the benchmark's server."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from scripts.benchmark.stores.object_server import free_port, nginx_program

_NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr error;
events {{ worker_connections 4096; }}
http {{
  log_format connection "$connection"; access_log {folder}/connections connection;
  keepalive_requests 100000000; server_tokens off; client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream plain {{ server {plain}; keepalive 256; }}
  server {{
    listen 127.0.0.1:{port} ssl; ssl_certificate {folder}/certificate.pem; ssl_certificate_key {folder}/key.pem;
    location / {{ proxy_pass http://plain; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""


class TlsServer(NamedTuple):
    """A server that speaks TLS."""

    url: str
    """Its endpoint."""
    certificate: Path
    """The certificate to trust."""
    log: Path
    """A line a request: the number of its connection."""

    def environment(self) -> Mapping[str, str]:
        """Return what makes a tool use it."""
        return {"AWS_ENDPOINT_URL": self.url, "AWS_CA_BUNDLE": str(self.certificate)}

    def connections(self) -> tuple[int, int]:
        """Return how many requests were answered, over how many connections."""
        numbers = self.log.read_text().split()
        return len(numbers), len(set(numbers))


@contextmanager
def tls_server(plain: str, work: Path) -> Iterator[TlsServer | str]:
    """Serve what the endpoint ``plain`` serves over TLS; yield why that is not possible where it is not."""
    program, openssl = nginx_program(), shutil.which("openssl")
    if program is None or openssl is None:
        yield f"{'nginx' if program is None else 'openssl'} is absent"
        return
    with tempfile.TemporaryDirectory(dir=work, prefix="tls-") as name:
        folder, port = Path(name), free_port()
        made = subprocess.run(
            [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
             "-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")],
            capture_output=True,
            check=False,
        )  # fmt: skip
        if made.returncode:
            yield "openssl makes no certificate"
            return
        configuration = folder / "nginx.conf"
        configuration.write_text(_NGINX.format(folder=folder, port=port, plain=plain.removeprefix("http://")))
        user = ["-g", "user root;"] if os.geteuid() == 0 else []
        process = subprocess.Popen([program, "-c", str(configuration), "-p", str(folder), "-e", "stderr", *user])
        try:
            time.sleep(1)
            yield TlsServer(f"https://127.0.0.1:{port}", folder / "certificate.pem", folder / "connections")
        finally:
            process.terminate()
            process.wait()
