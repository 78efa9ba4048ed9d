"""Faults of one object are that object's alone, and bounded."""

from __future__ import annotations

import base64
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from awscrt import checksums

from scripts.commands import installed_command
from scripts.servers.fake_gcs import FakeGcs
from scripts.servers.fault_proxy import Call, Fault, FaultProxy, FlippedByte, Headers, Rule, ShortBody, Status, Upstream
from scripts.servers.loopback_server import Answer, Request
from tests.hostile.fault_cases import BODY, FAULTS, OPTIONS, REPLACED, FaultCase, changing

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def test_a_fault_on_one_object_is_its_own(
    tmp_path: Path, s3: S3Client, s3_bucket: str, fault_proxy: FaultProxy
) -> None:
    destination = tmp_path / "destination"
    for case in FAULTS:
        s3.put_object(Bucket=s3_bucket, Key=f"faults/{case.key}", Body=BODY)
        for rule in case.rules():
            fault_proxy.add(rule)

    ended = installed_command.sync(f"s3://{s3_bucket}/faults/", destination, *OPTIONS)

    assert ended.code == 3, ended
    landing = [case for case in FAULTS if case.outcome == "landed"]
    failing = [case for case in FAULTS if case.outcome == "failed"]
    assert ended.problems == {f"faults/{case.key}": ("failed", case.reason) for case in failing}
    assert ended.nonzero == {"landed": len(landing), "failed": len(failing)}
    assert installed_command.tree(destination) == {case.key: BODY for case in landing}
    assert installed_command.leftovers(destination) == []
    asked = {case.name: fault_proxy.count(f"/{case.key}$", "GET") for case in FAULTS}
    assert {name: count for name, count in asked.items() if count > _case(name).gets} == {}

    fault_proxy.clear()
    again = installed_command.sync(f"s3://{s3_bucket}/faults/", destination, *OPTIONS)
    assert again.code == 0, again
    assert again.nonzero == {"landed": len(failing), "unchanged": len(landing)}
    assert installed_command.verify(destination).code == 0


def _case(name: str) -> FaultCase:
    return next(case for case in FAULTS if case.name == name)


def test_an_object_of_another_account_is_distinguished(
    tmp_path: Path, s3: S3Client, s3_bucket: str, fault_proxy: FaultProxy
) -> None:
    s3.put_object(Bucket=s3_bucket, Key="theirs.json", Body=BODY)
    s3.put_object(Bucket=s3_bucket, Key="ours.json", Body=BODY)

    def by_another_account(request: Request, upstream: Upstream) -> Answer:
        answer = upstream(request)
        return Answer(answer.status, re.sub(rb"<ID>[^<]*</ID>", b"<ID>somebodyelse</ID>", answer.body), answer.headers)

    fault_proxy.add(Rule(Status(403, "AccessDenied"), path="/theirs.json$"))
    fault_proxy.add(Rule(Call(by_another_account), query="fetch-owner=true.*theirs"))

    ended = installed_command.sync(f"s3://{s3_bucket}/", tmp_path / "destination")

    assert ended.code == 3, ended
    assert ended.problems == {"theirs.json": ("failed", "other_owner")}
    assert "somebodyelse" in ended.document["problems"][0]["detail"]
    assert installed_command.tree(tmp_path / "destination") == {"ours.json": BODY}


def test_what_changes_between_listing_and_fetch(
    tmp_path: Path, s3: S3Client, s3_bucket: str, fault_proxy: FaultProxy
) -> None:
    for key in ("deleted.json", "replaced.json"):
        s3.put_object(Bucket=s3_bucket, Key=key, Body=BODY)
    time.sleep(1.1)  # a store's times are whole seconds

    def delete(key: str) -> None:
        s3.delete_object(Bucket=s3_bucket, Key=key)

    def replace(key: str) -> None:
        s3.put_object(Bucket=s3_bucket, Key=key, Body=REPLACED)

    fault_proxy.add(Rule(changing(delete, "deleted.json"), path="/deleted.json$", method="GET", times=1))
    fault_proxy.add(Rule(changing(replace, "replaced.json"), path="/replaced.json$", method="GET", times=1))

    ended = installed_command.sync(f"s3://{s3_bucket}/", tmp_path / "destination", *OPTIONS)

    assert ended.code == 3, ended
    assert ended.problems == {"deleted.json": ("failed", "gone")}
    assert installed_command.tree(tmp_path / "destination") == {"replaced.json": REPLACED}
    again = installed_command.sync(f"s3://{s3_bucket}/", tmp_path / "destination")
    assert again.code == 0, again
    assert again.nonzero == {"unchanged": 1}


_CRC32C_OF_BODY = f"crc32c={base64.b64encode(checksums.crc32c(BODY).to_bytes(4, 'big')).decode()}"


def test_what_google_states_of_an_object_is_verified(
    tmp_path: Path, fake_gcs: FakeGcs, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults: dict[str, Fault] = {
        "wrong-crc32c.json": Headers(set={"x-goog-hash": "crc32c=AAAAAA=="}),
        "wrong-md5.json": Headers(set={"x-goog-hash": "md5=AAAAAAAAAAAAAAAAAAAAAA=="}),
        "wrong-md5-beside.json": Headers(set={"x-goog-hash": f"{_CRC32C_OF_BODY},md5=AAAAAAAAAAAAAAAAAAAAAA=="}),
        "flipped.json": FlippedByte(at=30),
        "short.json": ShortBody(),
        "nothing-stated.json": Headers(remove=("x-goog-hash",)),
        "right.json": Headers(set={"x-goog-hash": _CRC32C_OF_BODY}),
    }
    fake_gcs.create_bucket("hostile-faults")
    with FaultProxy(fake_gcs.respond) as proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
        for name, fault in faults.items():
            fake_gcs.put("hostile-faults", name, BODY)
            proxy.add(Rule(fault, path=f"/o/{name}$"))

        ended = installed_command.sync("gs://hostile-faults/", tmp_path / "destination", *OPTIONS)

    assert ended.code == 3, ended
    damaged = [name for name in faults if name not in ("nothing-stated.json", "right.json")]
    assert ended.problems == dict.fromkeys(damaged, ("failed", "integrity"))
    assert installed_command.tree(tmp_path / "destination") == {"nothing-stated.json": BODY, "right.json": BODY}
