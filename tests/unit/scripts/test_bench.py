"""The benchmark's own machinery: data, listings, what it counts. Nothing here is about speed."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest

from harvester.storage.s3.list_page import parse_page
from scripts.benchmark import input_data, measurement, peer_tools
from scripts.benchmark.floors import native_floor
from scripts.benchmark.input_data import Bucket, Entry, Sizes, make_buckets
from scripts.benchmark.page import benchmark_page
from scripts.benchmark.page.goals import Goal
from scripts.benchmark.run_benchmark import Run
from scripts.benchmark.scenarios import Bench, Series
from scripts.benchmark.sections import ledger
from scripts.benchmark.stores import object_server
from scripts.benchmark.stores.listing_server import Listing
from scripts.servers.memory_s3 import MemoryS3, landed, results


def test_etags_are_those_of_the_files_and_a_second_call_makes_nothing_anew(tmp_path: Path) -> None:
    made = input_data.small(tmp_path, 3)
    bodies = {entry.key: (tmp_path / made.name / entry.key).read_bytes() for entry in made.entries}

    assert {entry.key: entry.etag for entry in made.entries} == {
        key: hashlib.md5(body, usedforsecurity=False).hexdigest() for key, body in bodies.items()
    }
    for path in (tmp_path / made.name).iterdir():
        path.unlink()
    assert input_data.small(tmp_path, 3) == made
    assert not list((tmp_path / made.name).iterdir())


@pytest.mark.parametrize("delimiter", [{}, {"delimiter": "/"}], ids=["flat", "folders"])
@pytest.mark.parametrize("prefix", ["", "a", "7"])
def test_the_pages_hold_every_key_once(prefix: str, delimiter: dict[str, str]) -> None:
    bucket = input_data.names("keys", 2500)
    listing = Listing(bucket)
    found: list[str] = []
    query = {"list-type": "2", "encoding-type": "url", "prefix": prefix, **delimiter}
    while True:
        page = parse_page(listing.page(query))
        found += [ref.key for ref in page.objects]
        if page.token is None:
            break
        query["continuation-token"] = page.token

    assert found == [entry.key for entry in bucket.entries if entry.key.startswith(prefix)]
    after = parse_page(listing.page({"start-after": bucket.entries[9].key})).objects
    assert after[0].key == bucket.entries[10].key


def test_the_pages_of_a_folder_go_on_behind_its_folders() -> None:
    keys = [*(f"{number:04}/result.json" for number in range(1200)), "a.json", "b.json"]
    listing = Listing(Bucket("keys", [Entry(key, 1, "0" * 32) for key in keys]))
    first = listing.page({"delimiter": "/"})
    token = parse_page(first).token
    rest = listing.page({"delimiter": "/", "continuation-token": token or ""})

    assert (first.count(b"<CommonPrefixes>"), rest.count(b"<CommonPrefixes>")) == (1000, 200)
    assert [ref.key for ref in parse_page(rest).objects] == ["a.json", "b.json"]
    assert parse_page(rest).token is None


def test_children_count_and_a_failure_is_reported() -> None:
    program = "import os, sys; os.waitpid(os.posix_spawn(sys.executable, [sys.executable, '-c', %r], os.environ), 0)"
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    taken = measurement.run([sys.executable, "-c", program % burn], os.environ)

    assert taken.cpu >= 0.3
    assert taken.exit_code == 0
    failed = measurement.run([sys.executable, "-c", "raise SystemExit('no such bucket')"], os.environ)
    assert (failed.exit_code, failed.output.strip()) == (1, "no such bucket")


def test_memory_is_that_of_all_processes() -> None:
    hold = "import time; block = bytearray(60_000_000); time.sleep(0.8)"
    code, peak = measurement.peak_memory(
        [
            sys.executable,
            "-c",
            f"import subprocess, sys; {hold.split(';')[0]}; subprocess.run([sys.executable, '-c', {hold!r}])",
        ],
        os.environ,
    )

    assert code == 0
    assert peak > 60_000_000


def test_ratios_are_of_the_same_round() -> None:
    ours = Series("ours", walls=[1.0, 2.0, 10.0], cpus=[1, 1, 1], servers=[0, 0, 0])
    theirs = Series("theirs", walls=[3.0, 6.0, 30.0], cpus=[1, 1, 1], servers=[0, 0, 0])

    assert theirs.times_slower_than(ours) == 3.0
    assert theirs.spread(ours) == 0
    assert Series("once", walls=[1.0]).spread(ours) is None
    assert "3.00 ×" in benchmark_page.copies("t", [ours, theirs], 10)


@pytest.mark.parametrize(
    ("goal", "expected"),
    [
        (Goal("t", 2.0, 2.5, 0.1), "yes"),
        (Goal("t", 2.0, 1.9, 0.1), "**no**"),
        (Goal("t", 2.0, 2.5, 0.11), "withheld: spread above 10 %"),
        (Goal("t", 2.0, 2.5, None), "withheld: one round"),
        (Goal("t", 2.0, 1.5, None, at_most=True, is_noisy=False), "yes"),
        (Goal("t", 2.0, 2.5, 0.0, at_most=True), "**no**"),
    ],
)
def test_a_goal_is_judged_from_rounds_that_agree(goal: Goal, expected: str) -> None:
    assert goal.verdict(quick=False) == expected
    assert goal.verdict(quick=True) == "not judged: --quick"


def test_the_page_is_written_whole() -> None:
    page = benchmark_page.document("scripts/bench --rounds 3", "### Goals")
    assert "scripts/bench --rounds 3" in page
    assert "### Goals" in page
    assert "{" not in page


def test_the_native_floor_lands_every_object(tmp_path: Path) -> None:
    program, reason = native_floor.build(tmp_path)
    if program is None:
        pytest.skip(reason)
    objects = results(30, 1)
    entries = [Entry(key, len(body), hashlib.md5(body).hexdigest()) for key, body in sorted(objects.items())]
    destination = tmp_path / "copy"
    destination.mkdir()
    with MemoryS3(objects) as server:
        bucket = Bucket("bucket", entries)
        command = native_floor.command(program, server.url, bucket, tmp_path / "index", destination)
        ended = measurement.run(command, os.environ)
        assert ended.exit_code == 0, ended.output
        found = {"r/" + path.name.removeprefix("r-"): path.read_bytes() for path in destination.iterdir()}
        assert found == {"r/" + name: body for name, body in landed(objects).items()}
        broken = [entry._replace(etag="0" * 32) for entry in entries]
        command = native_floor.command(program, server.url, Bucket("bucket", broken), tmp_path / "index", destination)
        assert measurement.run(command, os.environ).exit_code == 1


@pytest.mark.parametrize(("files", "gunzips"), [(1, 1), (200, 8), (2000, 31)])
def test_every_core_has_a_gunzip(tmp_path: Path, files: int, gunzips: int) -> None:
    copy = peer_tools.Tool("copy", lambda *_: ["true"])
    tool = peer_tools.with_gunzip(copy, "echo", cores=2)
    for number in range(files):
        (tmp_path / f"{number}.gz").touch()
    ended = measurement.run(tool.command("", "", tmp_path), os.environ)
    assert ended.exit_code == 0, ended.output
    lines = ended.output.splitlines()
    assert len(lines) in (gunzips, gunzips + 1)
    assert sum(len(line.split()) for line in lines) == files


def test_only_a_binary_counts_as_installed(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "s5cmd").write_text("#!/bin/sh\nexit 1\n")

    assert peer_tools.find(tmp_path).get("s5cmd") != str(tmp_path / "bin" / "s5cmd")


@pytest.mark.skipif(object_server.nginx_program() is None, reason="nginx is not installed")
def test_a_whole_run_without_peers(tmp_path: Path) -> None:
    sizes = Sizes(a=20, b=2, c=1, d_megabytes=1, keys=3000, slow_keys=3000, rounds=1)
    buckets = make_buckets(tmp_path, sizes)
    with object_server.nginx(tmp_path, list(buckets.values())) as served:
        sections = Run(Bench(served, tmp_path), buckets, sizes, {}, tmp_path, quick=True).sections(
            ("A", "D", "nothing", "memory", "listing", "ranges", "far", "rows")
        )

    text = "\n".join(sections)
    assert "failed" not in text
    assert "nimble-harvester sync" in text


def test_samples_are_grouped_by_stage() -> None:
    report = ["# Overhead,Object", "  30.00%,[kernel.kallsyms]  ", "50.00% ,libpython3.11.so.1.0", "", "20.00%,x.so"]
    found = ledger.stages(report)
    assert list(found.values()) == [0.5, 0.3, 0.2]
    assert list(found)[2] == "everything else"
    assert ledger.stages(["no samples"]) == {}
    assert "inflating" in ledger.stages(["1.00% ,isal_zlib.cpython-311-x86_64-linux-gnu.so"])
