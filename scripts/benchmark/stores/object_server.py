"""The stores the benchmark reads from: nginx over static files, or ``rclone serve s3``, which checks signatures."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmark.input_data import Bucket
from scripts.benchmark.stores.listing_server import Setting

ACCESS_KEY = "BENCHMARKACCESSKEY"
SECRET_KEY = "benchmark-secret-key"
PAGE_DELAY = 0.020
"""Seconds before each list page of ``Served.slow_pages``."""
ANSWER_DELAY = 0.030
"""Seconds before every answer of ``Served.far``."""

_NGINX = """
daemon off; worker_processes {cores}; pid {folder}/nginx.pid; error_log stderr error;
events {{ worker_connections 8192; }}
http {{
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 100000000; server_tokens off;
  default_type application/gzip; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  map_hash_max_size 200000; map_hash_bucket_size 512;
  map $uri $object_etag {{ {etags} }}
  upstream listing {{ server 127.0.0.1:{prompt}; keepalive 64; }}
  upstream delay {{ server 127.0.0.1:{prompt}; keepalive 1024; }}
  server {{ listen 127.0.0.1:{near} backlog=4096; {locations} }}
  server {{
    listen 127.0.0.1:{far} backlog=4096;
    auth_request /delay;
    location = /delay {{
      internal; auth_request off; proxy_pass http://delay/delay; proxy_http_version 1.1; proxy_method GET;
      proxy_set_header Connection ""; proxy_pass_request_body off; proxy_pass_request_headers off;
      proxy_set_header Content-Length "";
    }}
    {locations}
  }}
}}
"""
_WITH_MD5 = ("bench-a", "bench-b", "bench-c")
_LISTED = """
  location = /{name} {{ {proxied} }}
  location = /{name}/ {{ {proxied} }}
"""
_PROXIED = 'proxy_pass http://listing; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffers 64 64k;'
_STATIC = '  location /{name}/ {{ root {root}; etag off; add_header ETag "\\"$object_etag\\""; }}'
_WITH_OWN_ETAGS = "  location /{name}/ {{ root {root}; }}"
_CLONED = """
  location /bench-big/ {{
    rewrite "^/bench-big/(.+)-[0-9]\\.json\\.gz$" /bench-a/$1.json.gz break;
    root {root}; etag off; add_header ETag "\\"$object_etag\\"";
  }}
"""


@dataclass(frozen=True)
class Served:
    """A running store."""

    name: str
    """What serves."""
    near: str
    """Endpoint that answers at once."""
    far: str
    """Endpoint that answers after ``ANSWER_DELAY``; empty where there is none."""
    pages: str
    """Endpoint for listings alone, at once."""
    slow_pages: str
    """Endpoint for listings alone, ``PAGE_DELAY`` a page."""
    signed: bool
    """Whether it refuses requests that are not signed."""
    processes: Sequence[int]
    """Process ids, children not included."""

    def cpu_seconds(self) -> float:
        """Return the CPU time its processes have used so far."""
        return sum(_cpu_seconds(process) for parent in self.processes for process in (parent, *_children(parent)))


def nginx_program() -> str | None:
    """Return where nginx is, None when it is not installed."""
    return shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")


@contextmanager
def nginx(root: Path, buckets: Sequence[Bucket]) -> Iterator[Served]:
    """Serve the folders below ``root`` with nginx; listings come from a small server behind it."""
    program = nginx_program()
    if program is None:
        raise SystemExit("nginx is not installed: apt-get install nginx-light, or --server rclone")
    folder = root / "nginx"
    folder.mkdir(exist_ok=True)
    with _listing_server(folder, buckets) as (listing, ports):
        near, far = free_port(), free_port()
        etags = folder / "etags.map"
        etags.write_text(
            "\n".join(f"/{b.name}/{e.key} {e.etag};" for b in buckets if b.name in _WITH_MD5 for e in b.entries)
        )
        configuration = folder / "nginx.conf"
        configuration.write_text(
            _NGINX.format(
                cores=os.cpu_count() or 1,
                folder=folder,
                etags=f"include {etags};",
                prompt=ports["prompt"],
                near=near,
                far=far,
                locations="".join(_locations(root, bucket) for bucket in buckets),
            )
        )
        command = [program, "-c", str(configuration), "-p", str(folder), "-e", "stderr"]
        if os.geteuid() == 0:
            command += ["-g", "user root;"]
        process = subprocess.Popen(command)
        try:
            _await(near, process)
            yield Served(
                f"{_version([program, '-v'])} over static files",
                f"http://127.0.0.1:{near}",
                f"http://127.0.0.1:{far}",
                f"http://127.0.0.1:{ports['prompt']}",
                f"http://127.0.0.1:{ports['delayed']}",
                signed=False,
                processes=(process.pid, listing.pid),
            )
        finally:
            _end(process)


@contextmanager
def rclone(program: str, root: Path, buckets: Sequence[Bucket]) -> Iterator[Served]:
    """Serve the folders below ``root`` with ``rclone serve s3``, which checks every signature."""
    folder = root / "rclone"
    folder.mkdir(exist_ok=True)
    with _listing_server(folder, buckets) as (listing, ports):
        port = free_port()
        data = folder / "data"
        data.mkdir(exist_ok=True)
        for bucket in buckets:
            source, link = root / bucket.name, data / bucket.name
            if source.is_dir() and not link.exists():
                shutil.copytree(source, link, copy_function=os.link)
        keys = f"--auth-key={ACCESS_KEY},{SECRET_KEY}"
        options = ["--config=", "--vfs-cache-mode=off", "--read-only", "--dir-cache-time=24h", "--log-level=ERROR"]
        process = subprocess.Popen([program, "serve", "s3", str(data), f"--addr=127.0.0.1:{port}", keys, *options])
        try:
            _await(port, process)
            endpoint = f"http://127.0.0.1:{port}"
            yield Served(
                f"{_version([program, 'version'])} serve s3, signatures checked",
                endpoint,
                "",
                f"http://127.0.0.1:{ports['prompt']}",
                f"http://127.0.0.1:{ports['delayed']}",
                signed=True,
                processes=(process.pid, listing.pid),
            )
        finally:
            _end(process)


def _locations(root: Path, bucket: Bucket) -> str:
    listed = _LISTED.format(name=bucket.name, proxied=_PROXIED)
    template = {"bench-big": _CLONED, "bench-keys": "", "bench-slow-keys": "", "bench-d": _WITH_OWN_ETAGS}.get(
        bucket.name, _STATIC
    )
    return listed + template.format(name=bucket.name, root=root)


@contextmanager
def _listing_server(folder: Path, buckets: Sequence[Bucket]) -> Iterator[tuple[subprocess.Popen[str], dict[str, int]]]:
    state = folder / "listing.pickle"
    state.write_bytes(pickle.dumps(Setting(list(buckets), PAGE_DELAY, ANSWER_DELAY)))
    process = subprocess.Popen(
        [sys.executable, "-m", "scripts.benchmark.stores.listing_server", str(state)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[3],
    )
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
    finally:
        _end(process)


def _end(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.communicate()


def free_port() -> int:
    """Return a port that no program listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"{process.args!r} does not serve")


def _version(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).splitlines()[0].replace("nginx version: ", "")


def _children(parent: int) -> list[int]:
    found = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    return [int(child) for child in found.split()]


def _cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
