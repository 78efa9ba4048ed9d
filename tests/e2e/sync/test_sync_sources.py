"""The same objects in ``s3://``, ``gs://`` and ``file://`` make the same tree."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.commands.installed_command import run, sync_report, tree
from scripts.inputs.deliveries import deliveries
from scripts.servers.fake_gcs import FakeGcs
from tests.e2e.sources import Directory, landed, result

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def test_three_sources_one_tree(s3: S3Client, s3_bucket: str, fake_gcs: FakeGcs, tmp_path: Path) -> None:
    fake_gcs.create_bucket("results")
    directory = Directory(tmp_path / "copy")
    for delivery in deliveries(60, seed=3):
        encoding = delivery.headers.get("Content-Encoding", "")
        s3.put_object(Bucket=s3_bucket, Key=f"p/{delivery.key}", Body=delivery.body, ContentEncoding=encoding)
        fake_gcs.put("results", f"p/{delivery.key}", delivery.body, content_encoding=encoding)
        directory.put(delivery.key, delivery.body)
    reports = {}
    for name, location in (
        ("s3", f"s3://{s3_bucket}/p/"),
        ("gs", "gs://results/p/"),
        ("file", directory.location),
    ):
        reports[name] = sync_report(location, tmp_path / name, expected=3)
        assert run("verify", tmp_path / name, "--remote").code == 0
    trees = [tree(tmp_path / name) for name in reports]
    assert trees[0] == trees[1] == trees[2]
    assert len(trees[0]) == 58
    assert len({str(report["counts"]) for report in reports.values()}) == 1
    assert len({report["bytes_written"] for report in reports.values()}) == 1
    for location, name in ((f"s3://{s3_bucket}/p/", "s3"), ("gs://results/p/", "gs")):
        # The one problem was reported before.
        again = sync_report(location, tmp_path / name)
        assert (again["bytes_fetched"], again["counts"]["unchanged"]) == (0, 58)


def test_hostile_keys_make_one_tree_too(s3: S3Client, s3_bucket: str, fake_gcs: FakeGcs, tmp_path: Path) -> None:
    keys = (
        "../x.json", "/abs.json", "a//b.json", "./x.json", "s/../x.json", "a", "a/b", "x.json", "x.json.gz",
        "Case.json", "case.json", "caf\u00e9.json", "cafe\u0301.json", "n" * 250 + ".json", "n" * 260 + ".json",
        "line\nbreak.json", "tab\t.json", "back\\slash.json", "%2e%2e%2fx.json", "q?#+.json", " sp ace .json", "*.json",
        "-rf.json", "\U0001f600.json", "CON", ".nimble-harvester/manifest.sqlite", "_keys/x.json", "empty/",
    )  # fmt: skip
    fake_gcs.create_bucket("results")
    for number, key in enumerate(keys):
        body = b"" if key.endswith("/") else result(number)
        s3.put_object(Bucket=s3_bucket, Key=f"p/{key}", Body=body)
        fake_gcs.put("results", f"p/{key}", body)
    for location, name in ((f"s3://{s3_bucket}/p/", "s3"), ("gs://results/p/", "gs")):
        report = sync_report(location, tmp_path / "around" / name)
        assert landed(report) == len(keys) - 1
        assert report["ignored_by_reason"] == {"directory_marker": 1}
    trees = [tree(tmp_path / "around" / name) for name in ("s3", "gs")]
    assert trees[0] == trees[1]
    assert sorted(trees[0].values()) == sorted(result(number) for number in range(len(keys) - 1))
    assert sorted(path.name for path in (tmp_path / "around").iterdir()) == ["gs", "s3"]
    for name in ("s3", "gs"):
        assert run("verify", tmp_path / "around" / name).code == 0


def test_a_copied_tree_is_distinguished_from_its_source(source: Directory, dest: Path, tmp_path: Path) -> None:
    source.put("a.json", result(1))
    sync_report(source.location, dest)
    for inside in (source.path, source.path / "below", tmp_path):
        refused = run("sync", source.location, inside)
        assert refused.code == 2
        assert "choose a destination outside the source" in refused.err
    shutil.copytree(source.path, tmp_path / "copy")
    assert run("sync", f"file://{tmp_path}/copy/", dest).code == 2


def test_ls(s3: S3Client, s3_bucket: str, source: Directory, tmp_path: Path) -> None:
    for number in range(3):
        s3.put_object(Bucket=s3_bucket, Key=f"p/{number}.json", Body=b"x" * 1500)
    s3.put_object(Bucket=s3_bucket, Key="p/new\nline", Body=b"")
    printed = run("ls", f"s3://{s3_bucket}/p/")
    assert printed.code == 0
    assert [line.split("  ")[-1] for line in printed.out.splitlines()] == ["0.json", "1.json", "2.json", "new\\nline"]
    assert printed.out.splitlines()[0].startswith("         1,500  20")
    assert run("ls", f"s3://{s3_bucket}/p/", "--summary").out.startswith("4 objects, 4.5 kB\noldest 20")
    # The last segment of a prefix is a folder, never the begin of a name.
    for options in ((), ("--summary",), ("--format", "json")):
        mistyped = run("ls", f"s3://{s3_bucket}/p/0.js", *options)
        assert mistyped.code == 0
        assert mistyped.err.splitlines() == [
            f"There is no object under s3://{s3_bucket}/p/0.js/",
            f"there are keys such as p/0.json: nimble-harvester ls s3://{s3_bucket}/p/",
        ]
    # A glob in the place of a folder.
    wildcard, folder = f"s3://{s3_bucket}/p/*.json", f"s3://{s3_bucket}/p/"
    listed = f"nimble-harvester ls {folder} --include '*.json'"
    assert run("ls", wildcard).err.splitlines()[1] == f"a location has no wildcards: {listed}"
    globbed = run("sync", wildcard, tmp_path / "globbed").err.splitlines()
    assert globbed[-1] == f"  nimble-harvester sync {folder} {tmp_path / 'globbed'} --include '*.json'"
    # A folder with almost the same name.
    s3.put_object(Bucket=s3_bucket, Key="deep/results/0.json", Body=b"{}")
    misspelt, meant = f"s3://{s3_bucket}/deep/Resutls/", f"s3://{s3_bucket}/deep/results/"
    assert run("ls", misspelt).err.splitlines()[1] == f"{meant} exists: nimble-harvester ls {meant}"
    synced = run("sync", misspelt, tmp_path / "dest")
    assert synced.code == 0
    assert f"nimble-harvester sync {meant} {tmp_path / 'dest'}" in synced.err
    nothing = run("ls", source.location)
    assert (nothing.code, nothing.out) == (0, "")
    assert nothing.err == f"There is no object under {source.location}\n"
