"""Records: what is landed, how it is described, what a worker process pays for it."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import subprocess
import sys

import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.results.record import ContentReason, ContentTooLargeForMemory, ResultRecord, Shape
from harvester.results.result_options import ResultOptions, Validation
from harvester.results.result_reader import ResultReader
from scripts.inputs.deliveries import Author, Delivery, deliveries, json_bytes

ENVELOPE = json_bytes(Author(5).extract(2000, 500))
READER = ResultReader(ResultOptions())


def test_gzip_lands_inflated_and_is_described_as_landed() -> None:
    decoded = READER.read(gzip.compress(ENVELOPE), "a.json.gz")
    assert decoded.content == ENVELOPE
    assert decoded.record == ResultRecord(
        shape=Shape.EXTRACT,
        encoding="gzip",
        inflated=True,
        size=len(ENVELOPE),
        digest=xxhash.xxh3_128_hexdigest(ENVELOPE),
        task_id=json.loads(ENVELOPE)["task_id"],
        status="success",
    )


@pytest.mark.parametrize("good", [True, False])
def test_gzip_can_be_kept_and_is_described_as_kept(good: bool) -> None:
    body = gzip.compress(ENVELOPE if good else b"{}")
    decoded = ResultReader(ResultOptions(keep_compressed=True)).read(body, "a.json.gz")
    assert decoded.content == body
    record = decoded.record
    assert (record.encoding, record.inflated, record.size) == ("gzip", False, len(body))
    assert record.digest == xxhash.xxh3_128_hexdigest(body)
    assert (record.problem is None) == good


def test_what_is_refused_for_its_content_is_kept_inflated_what_for_its_gzip_as_delivered() -> None:
    bad = gzip.compress(b"{]")
    assert READER.read(bad, "a.json.gz").content == b"{]"
    assert READER.read(bad[:-2], "a.json.gz").content == bad[:-2]
    nested = gzip.compress(bad)
    decoded = READER.read(nested, "a.json.gz")
    assert decoded.content == nested
    # What is quarantined can be judged again from its own bytes, with the same verdict.
    assert READER.read(decoded.content, "a.json.gz") == decoded


def test_options_and_records_travel_between_processes() -> None:
    options = ResultOptions(user_schema="{}", validation=Validation.SHAPE)
    assert pickle.loads(pickle.dumps(options)) == options
    decoded = READER.read(b'{"status":5}', "a.json")
    assert pickle.loads(pickle.dumps(decoded)) == decoded


@pytest.mark.parametrize("slow", [b"", rb',"x":"\ud800"'])
@pytest.mark.parametrize(
    ("metadata", "agent"),
    [
        (rb'{"agent":"amazon\u005fpdp"}', "amazon_pdp"),
        (b'{"agent":null}', None),
        (b'{"agent":{"agent":"x"}}', None),
        (b'{"tag":"x"}', None),
        (b"null", None),
    ],
)
def test_the_agent_is_what_the_metadata_name(metadata: bytes, agent: str | None, slow: bytes) -> None:
    body = b'{"status":"success","agent":"no","data":{"parsing":{"agent":"no"}},"metadata":' + metadata + slow + b"}"
    assert READER.read(body, "a.json").record.agent == agent


@pytest.mark.parametrize("slow", [b"", rb',"x":"\ud800"'])
def test_labels_are_short_text_that_anything_can_hold(slow: bytes) -> None:
    long = READER.read(b'{"status":"' + b"x" * 5000 + b'","task_id":"t"' + slow + b"}", "a.json").record
    assert long.status == "x" * 200
    odd = READER.read(rb'{"status":"\ud800","task_id":"\u00e9\u0000"' + slow + b"}", "a.json").record
    assert odd.status == r"\ud800"
    assert odd.task_id == "é\x00"


@pytest.mark.parametrize(
    ("key", "shape"),
    [("a/b.PNG", Shape.MEDIA), ("a.tar.gz", None), ("b.csv.gz", Shape.CSV), (".jsonl", Shape.JSONL)],
)
def test_extensions_are_read_as_people_write_them(key: str, shape: Shape | None) -> None:
    assert READER.read(b"a,b\n1,2\n" if shape is not Shape.JSONL else b'{"a":1}\n', key).record.shape in (
        shape,
        Shape.CSV,
    )


@settings(max_examples=400)
@given(
    st.binary(max_size=60)
    | st.binary(max_size=60).map(lambda content: b"\x1f\x8b\x08\x00" + content)
    | st.binary(max_size=60).map(gzip.compress)
    | st.sampled_from(["a,b\n", "{}\n{}\n", "[{}", '{"data":']).flatmap(
        lambda start: st.binary(max_size=20).map(lambda end: start.encode() + end)
    ),
    st.sampled_from(["a", "a.json", "a.json.gz", "a.jsonl", "a.csv", "a.png", "", "a/", ".gz", "\udc80"]),
    st.sampled_from(list(Validation)),
    st.booleans(),
)
def test_no_bytes_ever_raise_and_both_ways_agree(body: bytes, key: str, validation: Validation, keep: bool) -> None:
    reader = ResultReader(ResultOptions(validation=validation, keep_compressed=keep))
    decoded = reader.read(body, key)
    sink = io.BytesIO()
    record = reader.read_file(io.BytesIO(body), sink, key)
    assert record == decoded.record
    assert decoded.content == (sink.getvalue() if record.inflated else body)
    assert record.size == len(decoded.content)
    assert record.digest == xxhash.xxh3_128_hexdigest(decoded.content)


@pytest.mark.parametrize("seed", [1, 2])
def test_deliveries_are_what_they_play(seed: int) -> None:
    played = list(deliveries(count=120, seed=seed))
    assert played == list(deliveries(count=120, seed=seed))
    assert len({delivery.key for delivery in played}) == 120
    problems = []
    shapes = set()
    for delivery in played:
        try:
            record = READER.read(delivery.body, delivery.key).record
        except ContentTooLargeForMemory:
            pytest.fail(delivery.key)
        shapes.add(record.shape)
        if record.problem is not None:
            problems.append(record.problem.reason)
    assert sorted(problems) == [ContentReason.EMPTY, ContentReason.TRUNCATED_GZIP]  # the residue, and the one cut short
    assert shapes == {*Shape, None} - {Shape.RUN, Shape.ROWS}


def test_deliveries_come_in_every_clothing() -> None:
    def clothing(delivery: Delivery) -> tuple[str, str | None]:
        return delivery.key.partition(".")[2], delivery.headers.get("Content-Encoding")

    seen = {clothing(delivery) for delivery in deliveries(count=100)}
    assert seen >= {
        ("json", None),
        ("json.gz", None),
        ("json", "gzip"),
        ("jsonl", None),
        ("csv", None),
        ("parquet", None),
        ("png", None),
    }


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = ("jsonschema", "jsonschema_rs", "pyarrow", "orjson", "boto3", "click", "numpy")
    program = f"import sys, harvester.results; print([name for name in {heavy!r} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_reading_ordinary_results_loads_nothing_heavy() -> None:
    heavy = ("jsonschema", "jsonschema_rs", "pyarrow", "orjson", "numpy")
    program = (
        "import sys; from harvester.results import ResultReader, ResultOptions\n"
        "record = ResultReader(ResultOptions()).read(sys.stdin.buffer.read(), 'a.json').record\n"
        f"print(record.problem, [name for name in {heavy!r} if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], input=ENVELOPE, capture_output=True, check=True)
    assert ran.stdout.strip() == b"None []"
