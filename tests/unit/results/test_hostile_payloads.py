"""Every hostile payload has the outcome its table states, read from memory and from a file alike."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from harvester.results.record import ContentReason, ContentTooLargeForMemory, ResultRecord
from harvester.results.result_options import ResultOptions, Validation
from harvester.results.result_reader import ResultReader
from tests.hostile.payload_cases import HOSTILE_PAYLOADS, HostilePayload
from tests.unit.results.rows_of_files import rows

READER = ResultReader(ResultOptions())
each_payload = pytest.mark.parametrize("payload", HOSTILE_PAYLOADS, ids=lambda payload: payload.name)


def read_file(reader: ResultReader, body: bytes, key: str) -> tuple[bytes, ResultRecord]:
    source, sink = io.BytesIO(body), io.BytesIO()
    record = reader.read_file(source, sink, key)
    return (sink.getvalue() if record.inflated else body), record


def read(reader: ResultReader, body: bytes, key: str) -> tuple[bytes, ResultRecord]:
    """Read both ways; they must agree wherever memory allows both."""
    content, record = read_file(reader, body, key)
    try:
        decoded = reader.read(body, key)
    except ContentTooLargeForMemory:
        return content, record
    assert decoded.record == record
    assert decoded.content == content
    return content, record


@each_payload
def test_it_has_the_stated_outcome(payload: HostilePayload, tmp_path: Path) -> None:
    body = payload.make()
    content, record = read(READER, body, payload.key)

    problem = record.problem
    assert (problem.reason if problem else None) == payload.reason
    assert (record.shape if problem is None or not problem.quarantine else None) == payload.shape
    outcome = "landed" if problem is None else "quarantined" if problem.quarantine else "landed, rows reported"
    assert outcome == payload.outcome
    assert payload.detail in (problem.detail if problem else "")
    assert record.size == len(content)
    if outcome != "quarantined":
        landed = tmp_path / "landed"
        landed.write_bytes(content)
        results = list(rows(landed, record.shape))
        assert all(b"\n" not in row for row in results)
        if record.rows is not None:
            assert len(results) == record.rows - record.broken_rows


@each_payload
def test_without_validation_only_the_delivery_is_checked(payload: HostilePayload) -> None:
    _, record = read(ResultReader(ResultOptions(validation=Validation.OFF)), payload.make(), payload.key)

    delivery_faults = {
        ContentReason.EMPTY,
        ContentReason.TRUNCATED_GZIP,
        ContentReason.CORRUPT_GZIP,
        ContentReason.GZIP_TRAILING_BYTES,
        ContentReason.NESTED_GZIP,
        ContentReason.GZIP_BOMB,
        ContentReason.TOO_LARGE,
    }
    expected = payload.reason if payload.reason in delivery_faults else None
    assert (record.problem.reason if record.problem else None) == expected
    assert record.shape is None


@each_payload
def test_shape_validation_leaves_out_the_schemas_alone(payload: HostilePayload) -> None:
    _, record = read(ResultReader(ResultOptions(validation=Validation.SHAPE)), payload.make(), payload.key)

    expected = None if payload.reason is ContentReason.SCHEMA else payload.reason
    assert (record.problem.reason if record.problem else None) == expected


@each_payload
def test_kept_compressed_it_is_judged_by_its_content_all_the_same(payload: HostilePayload) -> None:
    body = payload.make()
    content, record = read(ResultReader(ResultOptions(keep_compressed=True)), body, payload.key)

    assert content == body
    assert not record.inflated
    assert (record.problem.reason if record.problem else None) == payload.reason


def test_every_reason_is_in_the_table() -> None:
    # These depend on options and on what is installed.
    elsewhere = {ContentReason.USER_SCHEMA, ContentReason.TOO_LARGE, ContentReason.PARQUET_EXTRA_MISSING}
    assert {payload.reason for payload in HOSTILE_PAYLOADS} == {*ContentReason, None} - elsewhere
