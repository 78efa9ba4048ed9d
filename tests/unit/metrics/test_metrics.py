"""Metrics as Prometheus reads them, and the file that the textfile collector reads."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from harvester.errors import DestinationUnusable
from harvester.metrics.metric import Metric, metrics_text
from harvester.metrics.metrics_file import last_success, write_metrics_file

LABELS = {"destination": "/data/results"}


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_text_is_the_format_of_prometheus() -> None:
    metrics = [
        Metric("objects", "counter", "Objects by outcome.", {"landed": 2, "failed": 0}, "outcome"),
        Metric("up", "gauge", "Whether it works.", {"": 1}),
    ]
    assert metrics_text(metrics).splitlines() == [
        "# HELP nimble_harvester_objects_total Objects by outcome.",
        "# TYPE nimble_harvester_objects_total counter",
        'nimble_harvester_objects_total{outcome="failed"} 0.0',
        'nimble_harvester_objects_total{outcome="landed"} 2.0',
        "# HELP nimble_harvester_up Whether it works.",
        "# TYPE nimble_harvester_up gauge",
        "nimble_harvester_up 1.0",
    ]
    labelled = 'nimble_harvester_up{destination="/data/results"} 1.0'
    assert labelled in metrics_text(metrics, LABELS)


@given(st.dictionaries(st.text(st.characters(), max_size=10), st.integers(0, 2**53), max_size=5))
def test_what_a_label_holds_is_escaped(values: dict[str, int]) -> None:
    expected = {value.encode("utf-8", "replace").decode(): number for value, number in sorted(values.items())}
    found = samples(metrics_text([Metric("x", "gauge", "Help.", values, "reason")], LABELS))
    destination = ("destination", "/data/results")
    assert found == {
        ("nimble_harvester_x", tuple(sorted((destination, ("reason", value))))): number
        for value, number in expected.items()
    }


def test_the_file_is_replaced_as_a_whole_and_keeps_the_last_success(tmp_path: Path) -> None:
    path = tmp_path / "harvester.prom"
    metric = Metric("run_exit_code", "gauge", "Exit code.", {"": 0})
    key = ("nimble_harvester_last_success_timestamp_seconds", (("destination", "/data/results"),))
    write_metrics_file(path, [metric], LABELS)
    assert key not in samples(path.read_text())
    write_metrics_file(path, [metric, last_success(1234.5)], LABELS)
    write_metrics_file(path, [metric._replace(values={"": 3})], LABELS)
    found = samples(path.read_text())
    assert found[key] == 1234.5
    assert found["nimble_harvester_run_exit_code", key[1]] == 3
    write_metrics_file(path, [metric], {"destination": "/another"})
    assert len(samples(path.read_text())) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [each.name for each in tmp_path.iterdir()] == ["harvester.prom"]


@pytest.mark.parametrize("content", [b"\xff\xfe", b"no metrics {", b"", b"nimble_harvester_last_success{"])
def test_a_file_that_is_not_ours_is_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "harvester.prom"
    path.write_bytes(content)
    write_metrics_file(path, [Metric("up", "gauge", "Help.", {"": 1})], {})
    assert samples(path.read_text()) == {("nimble_harvester_up", ()): 1.0}


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DestinationUnusable):
        write_metrics_file(tmp_path / "missing" / "x.prom", [], {})
    assert list(tmp_path.iterdir()) == []
