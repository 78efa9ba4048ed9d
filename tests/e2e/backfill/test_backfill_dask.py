"""``backfill run --engine dask`` on a scheduler and workers on loopback, which are killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from harvester.tables import open_output
from scripts.commands.background_command import Running, wait_until
from scripts.commands.installed_command import run, start_group
from scripts.servers.dask_cluster import DaskCluster
from tests.e2e.backfill.backfills import bucket_of, fill, plan, status, visible_rows
from tests.e2e.sources import Directory


def committed(out: Path) -> int:
    return len(list((out / "shards").glob("*.json"))) if (out / "shards").exists() else 0


def test_killed_workers_and_a_lost_scheduler_leave_every_row_once(source: Directory, tmp_path: Path) -> None:
    rows, out = fill(source, 48), tmp_path / "out"
    plan(source.location, out, shards=8)
    with DaskCluster(tmp_path / "cluster") as cluster:
        running = Running(
            tmp_path / "run",
            *("backfill", "run", out, "--engine", "dask", "--scheduler", cluster.address),
            *("--scratch", tmp_path / "scratch"),
        ).start()
        wait_until(lambda: committed(out) >= 1, running.err)
        cluster.kill_worker()
        wait_until(lambda: committed(out) >= 3, running.err)
        cluster.kill_worker()
        wait_until(lambda: committed(out) >= 4, running.err)
        beside = start_group("backfill", "run", out, "--scratch", tmp_path / "scratch")
        cluster.restart_scheduler()
        assert running.process is not None
        assert running.process.wait() == 0, running.err
        assert beside.wait() == 0
    assert visible_rows(out) == rows
    document = status(out, "--clean")
    assert (document["committed"], document["counts"]["landed"]) == (8, 48)
    assert not [path for path in (out / "staging").rglob("*") if path.is_file()]


@pytest.mark.parametrize("kind", ["s3", "gcs"])
def test_killed_workers_leave_every_row_once_in_a_bucket(
    kind: str, source: Directory, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rows = fill(source, 8)
    out = bucket_of(kind, request)
    plan(source.location, out, shards=2)
    with DaskCluster(tmp_path / "cluster", workers=1) as cluster, open_output(out) as store:
        arguments = ("backfill", "run", out, "--engine", "dask", "--scheduler", cluster.address)
        running = start_group(*arguments, "--scratch", tmp_path / "scratch")
        wait_until(lambda: any(store.names("shards/")), "a commit")
        cluster.kill_worker()
        assert running.wait() == 0
    assert visible_rows(out) == rows
    assert status(out)["counts"]["landed"] == 8


def test_without_a_scheduler_the_error_names_where_it_was_expected(source: Directory, tmp_path: Path) -> None:
    fill(source, 2)
    plan(source.location, tmp_path / "out", shards=1)
    ended = run("backfill", "run", tmp_path / "out", "--engine", "dask", "--scheduler", "tcp://127.0.0.1:1")
    assert ended.code == 6
    assert "no scheduler of Dask answers at tcp://127.0.0.1:1" in ended.err


def test_without_an_address_a_cluster_is_started_here(source: Directory, tmp_path: Path) -> None:
    rows, out = fill(source, 4), tmp_path / "out"
    plan(source.location, out, shards=2)
    ended = run("backfill", "run", out, "--engine", "dask")
    assert ended.code == 0, ended.err
    assert "all 2 shards are committed" in ended.err
    assert visible_rows(out) == rows
