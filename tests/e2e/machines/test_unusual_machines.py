"""Machines that differ: other locales, mounts inside DEST, no home, a current directory that was removed."""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.commands.installed_command import COMMAND, environment, run, sync_report
from tests.e2e.sources import Directory, result
from tests.rigs.file_systems import limited


@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"LC_ALL": "POSIX"}, {"LC_ALL": "no_SUCH.ISO-8859-1"}])
def test_names_are_utf8_in_every_locale(source: Directory, dest: Path, locale: dict[str, str]) -> None:
    names = ["a.json", "\u00fcn\u00efcode.json", "\u4e2d\u6587.json", "\U0001f600.json"]
    for number, name in enumerate(names):
        source.put(name, result(number))
    other = {**locale, "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}

    report = run("sync", source.location, dest, "--format", "json", **other).document

    assert report["counts"]["landed"] == 4
    assert sorted(path.name for path in dest.glob("*.json")) == sorted(names)
    assert run("verify", dest).code == 0
    assert run("verify", dest, **other).code == 0


def test_a_program_is_warned_that_its_names_would_not_be_utf8(source: Directory, dest: Path) -> None:
    program = "import harvester, sys; harvester.sync(sys.argv[1], sys.argv[2])"
    ended = subprocess.run(
        [sys.executable, "-c", program, source.location, dest],
        env=environment(LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0"),
        capture_output=True,
        text=True,
        check=False,
    )

    assert "file names are not written in UTF-8 here" in ended.stderr
    assert not dest.exists()


def test_state_is_kept_where_no_memory_can_be_shared(source: Directory, dest: Path, tmp_path: Path) -> None:
    source.put("a.json", result(1))
    without = {**limited(tmp_path), "WITHOUT_SHARED_MEMORY": str(dest)}

    # Begun where a log could be shared, and moved.
    assert run("sync", source.location, dest).code == 0
    assert run("consumers", "create", dest, "one").code == 0
    for verb in ("cat", "status", "verify"):
        assert run(verb, dest, **without).code == 0
    assert len(run("cat", dest, "--meta", **without).lines) == 1

    source.put("b.json", result(2))
    assert run("sync", source.location, dest, **without).code == 0
    position = run("cat", dest, "--meta", **without).lines[-1]["position"]
    assert run("consumers", "ack", dest, "one", position, **without).code == 0
    assert run("evict", dest, "--consumed", **without).out.startswith("2 files")
    assert run("sync", source.location, dest).code == 0
    assert not (dest / ".nimble-harvester" / "manifest.sqlite-wal").exists()


def test_where_there_are_no_locks_the_state_is_locked_alone(source: Directory, dest: Path, tmp_path: Path) -> None:
    source.put("a.json", result(1))
    without = {**limited(tmp_path), "WITHOUT_LOCKS": str(dest)}
    state = tmp_path / "state"

    refused = run("sync", source.location, dest, **without)
    assert refused.code == 12
    assert "without locks" in refused.err
    assert "--state-dir" in refused.err
    shutil.rmtree(dest)

    landed = run("sync", source.location, dest, "--state-dir", state, **without)
    assert landed.code == 0
    assert "only its state" in landed.err
    for verb in ("cat", "status", "verify"):
        assert run(verb, dest, "--state-dir", state, **without).code == 0
    with (state / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        held = run("sync", source.location, dest, "--state-dir", state, **without)
    assert (held.code, f"{state} is in use by another run" in held.err) == (11, True)
    shutil.rmtree(dest)
    both = {**without, "WITHOUT_LOCKS": str(tmp_path)}
    assert run("sync", source.location, dest, "--state-dir", tmp_path / "new", **both).code == 12


@contextlib.contextmanager
def mounted(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True)
    made = subprocess.run(["mount", "-t", "tmpfs", "none", folder], capture_output=True, check=False)
    if made.returncode != 0:
        pytest.skip("mounting a file system takes rights that this user does not have")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def test_objects_of_a_folder_that_is_another_file_system_land_under_their_safe_names(
    source: Directory, dest: Path
) -> None:
    for name in ("a.json", "sub/b.json", "sub/deep/c.json"):
        source.put(name, result(len(name)))
    with mounted(dest / "sub"):
        first = sync_report(source.location, dest)
        second = sync_report(source.location, dest)

        assert (first["counts"]["landed"], first["renamed"]) == (3, 2)
        assert second["counts"]["unchanged"] == 3
        assert run("verify", dest).code == 0
        assert len(list((dest / "_keys").iterdir())) == 2


@pytest.mark.parametrize(
    "arguments", [("sync", "file:///tmp/", "rel"), ("status", "rel"), ("verify", "rel"), ("cat", "rel")]
)
def test_a_current_directory_that_was_removed_is_one_clear_error(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = 'cd "$1" && rmdir "$1" && shift && exec "$@"'
    ended = subprocess.run(
        ["sh", "-c", script, "sh", gone, COMMAND, *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 12
    assert ended.stderr == "error: the current directory does not exist\n  cd to a directory that exists\n"


@pytest.mark.parametrize("umask", [0o022, 0o027])
def test_files_of_every_size_have_the_permissions_that_umask_leaves(source: Directory, dest: Path, umask: int) -> None:
    sizes = {"small.json": 10, "medium.json": 100_000, "large.json": 6_000_000}
    for name, length in sizes.items():
        source.put(name, result(1).replace(b'"data": {', b'"data": {"html": "' + b"x" * length + b'", ', 1))
    source.put("large.json.gz", gzip.compress(result(2).ljust(6_000_000)))
    before = os.umask(umask)
    try:
        report = sync_report(source.location, dest)
    finally:
        os.umask(before)
    assert report["counts"]["landed"] == 4
    assert {path.stat().st_mode & 0o777 for path in dest.glob("*.json")} == {0o666 & ~umask}


def test_what_a_killed_run_left_among_temporary_files_is_removed(source: Directory, dest: Path) -> None:
    source.put("a.json", result(1))
    sync_report(source.location, dest)
    temporary = dest / ".nimble-harvester" / "tmp"
    (temporary / "reserve").write_bytes(bytes(4096))
    (temporary / "folder" / "deep").mkdir(parents=True)
    (temporary / "folder" / "deep" / "file").write_text("x")
    source.put("b.json", result(2))

    assert sync_report(source.location, dest)["counts"]["landed"] == 1
    assert list(temporary.iterdir()) == []


def test_a_path_with_two_slashes_at_its_start_is_that_with_one(source: Directory, dest: Path) -> None:
    source.put("a.json", result(1))
    doubled = f"/{dest}"
    assert run("sync", source.location, doubled).code == 0
    for verb in ("status", "verify", "cat"):
        assert run(verb, doubled).code == 0
    assert run("verify", dest).code == 0
    state = f"/{dest.parent}/state"
    assert run("sync", source.location, dest.parent / "other", "--state-dir", state).code == 0
    assert run("status", dest.parent / "other", "--state-dir", state).code == 0


def test_without_a_home_a_bucket_is_reached() -> None:
    keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    plain = {**keys, "PATH": os.environ["PATH"]}
    ended = subprocess.run(
        [COMMAND, "ls", "s3://bucket/p/", "--retries", "0"], env=plain, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 6
    assert "a bug" not in ended.stderr


@pytest.mark.parametrize("ignored", [False, True])
def test_the_end_of_a_terminal_ends_a_run_in_order_unless_it_is_to_be_ignored(ignored: bool) -> None:
    program = (
        "import os, signal\n"
        f"signal.signal(signal.SIGHUP, signal.{'SIG_IGN' if ignored else 'SIG_DFL'})\n"
        "from harvester.cli.shared.signals import stop_signals\n"
        "with stop_signals() as received:\n"
        "    os.kill(os.getpid(), signal.SIGHUP)\n"
        "    print(received())\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == ("None" if ignored else "1")
