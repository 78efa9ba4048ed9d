"""The configuration file: pipelines, their steps, and what is refused."""

from __future__ import annotations

import fcntl
import tomllib
from pathlib import Path

import pytest

from scripts.commands.installed_command import Ended, run, tree
from scripts.commands.output_schemas import validate
from tests.e2e.sources import Directory, result


@pytest.fixture
def config(tmp_path: Path, source: Directory, dest: Path) -> Path:
    source.put("good.json", result(1))
    path = tmp_path / "harvest.toml"
    path.write_text(f"""\
[pipeline.acme]
location = "{source.location}"
destination = "{dest}"
sync = {{ workers = 1, include = ["*.json"] }}
freshness = {{ max-age = "2h" }}
""")
    return path


def configured(config: Path, *arguments: str, **variables: str) -> Ended:
    return run("--config", config, *arguments, **variables)


def test_a_run_takes_the_steps_in_order(config: Path, dest: Path) -> None:
    ended = configured(config, "run", "--format", "json")
    validate("pipeline-run", ended.document)
    assert (ended.code, ended.err) == (0, "")
    assert [(each["step"], each["exit_code"]) for each in ended.document["steps"]] == [("sync", 0), ("freshness", 0)]
    assert tree(dest) == {"good.json": result(1)}
    assert configured(config, "run", "-q") == Ended(0, "", "")


def test_the_file_fits_its_schema(config: Path) -> None:
    validate("config", tomllib.loads(config.read_text()))


def test_one_value_of_an_option_that_may_be_repeated_needs_no_list(config: Path, source: Directory, dest: Path) -> None:
    source.put("other.txt", result(2))
    config.write_text(config.read_text().replace('include = ["*.json"]', 'include = "*.json"'))
    validate("config", tomllib.loads(config.read_text()))
    assert configured(config, "run").code == 0
    assert tree(dest) == {"good.json": result(1)}


def test_the_file_may_be_named_behind_the_verb(config: Path, tmp_path: Path) -> None:
    assert run("run", "--config", config).code == 0
    assert run("config", "check", "--config", config).out.startswith("acme: ")
    missing = run("config", "check", "--config", tmp_path / "none.toml")
    assert (missing.code, missing.err.startswith("error: there is no configuration file ")) == (8, True)


def test_the_variable_names_the_file(config: Path) -> None:
    assert run("run", NIMBLE_HARVESTER_CONFIG=str(config)).code == 0


def test_the_users_file_is_found(config: Path, tmp_path: Path) -> None:
    place = tmp_path / "xdg" / "nimble-harvester" / "config.toml"
    place.parent.mkdir(parents=True)
    place.write_text(config.read_text())
    assert run("config", "check", XDG_CONFIG_HOME=str(tmp_path / "xdg")).out.startswith("acme: file://")
    missing = run("config", "check", XDG_CONFIG_HOME=str(tmp_path / "none"))
    assert (missing.code, "there is no configuration file" in missing.err) == (8, True)


def test_variables_go_before_the_file_and_are_expanded(config: Path, source: Directory, dest: Path) -> None:
    source.put("other.txt", result(2))
    assert configured(config, "run", NIMBLE_HARVESTER_SYNC_INCLUDE="other*").code == 0
    assert tree(dest) == {"other.txt": result(2)}
    config.write_text(config.read_text().replace(f'"{dest}"', '"${PLACE}/x"'))
    assert configured(config, "run", PLACE=str(dest.parent)).code == 0
    assert (dest.parent / "x" / "good.json").exists()
    unset = configured(config, "run")
    assert (unset.code, "the variable PLACE is not set" in unset.err) == (8, True)


def test_a_failing_pipeline_does_not_stop_the_others(config: Path, dest: Path, tmp_path: Path) -> None:
    config.write_text(
        f'[pipeline.broken]\nlocation = "file://{tmp_path}/nowhere/"\ndestination = "{tmp_path}/broken"\n'
        'sync = {}\nfreshness = { max-age = "1h" }\n' + config.read_text()
    )
    ended = configured(config, "run", "--format", "json")
    assert ended.code == 5
    assert [(each["pipeline"], each["step"], each["exit_code"]) for each in ended.document["steps"]] == [
        ("broken", "sync", 5),
        ("broken", "freshness", None),
        ("acme", "sync", 0),
        ("acme", "freshness", 0),
    ]
    assert "no such directory" in ended.err
    assert "broken: sync ended with exit 5" in ended.err
    assert configured(config, "run", "acme", "--only", "sync").code == 0
    assert configured(config, "run", "nothing").code == 2


def test_a_run_may_end_better_later_where_a_failed_step_may(config: Path, dest: Path, tmp_path: Path) -> None:
    configured(config, "run", "-q")
    config.write_text(
        f'[pipeline.broken]\nlocation = "file://{tmp_path}/nowhere/"\ndestination = "{tmp_path}/broken"\nsync = {{}}\n'
        + config.read_text()
    )
    with (dest / ".nimble-harvester" / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ended = configured(config, "run", "--only", "sync", "--format", "json", "--log-format", "json")
    validate("pipeline-run", ended.document)
    assert (ended.code, ended.document["retryable"]) == (3, True)
    assert [(each["exit_code"], each["retryable"]) for each in ended.document["steps"]] == [(5, False), (11, True)]
    alone = configured(config, "run", "broken", "--format", "json")
    assert (alone.code, alone.document["retryable"]) == (5, False)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("[pipeline.acme]", "[pipelin.acme]", "unknown key pipelin; the nearest is pipeline"),
        ("location =", "locaton =", "unknown key pipeline.acme.locaton; the nearest is location"),
        ("workers", "worker", "unknown key pipeline.acme.sync.worker; the nearest is workers"),
        ("workers = 1", 'aws_secret_access_key = "x"', "credentials do not belong into this file"),
        ("workers = 1", 'workers = "many"', "is invalid"),
        ("[pipeline.acme]", "[pipeline.acme", "is no valid configuration"),
        ("freshness = {", "access = { x = 1,", 'needs check = "every-run"'),
        ('location = "file://', 'location = "', "pipeline.acme.sync of"),
        ('location = "', "location = “", "strings are in straight quotes, and some are curly"),
        ("sync =", "[pipeline.b]\nlocation = 's3://b1x'\ndestination = 'd'\n#", "pipeline.acme has no step: access, "),
    ],
)
def test_mistakes_are_named(config: Path, before: str, after: str, expected: str) -> None:
    config.write_text(config.read_text().replace(before, after))
    for verb in (("config", "check"), ("run",)):
        refused = configured(config, *verb)
        assert (refused.code, refused.out) == (8, "")
        assert expected in refused.err


@pytest.mark.parametrize("mode", [0o622, 0o620, 0o602])
def test_a_file_that_others_may_write_is_refused(config: Path, mode: int) -> None:
    config.chmod(mode)
    refused = configured(config, "run")
    assert (refused.code, "may be written by others" in refused.err) == (8, True)
    assert f"chmod go-w {config}" in refused.err


def test_a_byte_order_mark_before_the_file_is_passed_over(config: Path) -> None:
    config.write_text("\ufeff" + config.read_text().replace("\n", "\r\n"), newline="")
    assert configured(config, "config", "check").code == 0


def test_a_step_that_no_pipeline_has_is_named(config: Path) -> None:
    refused = configured(config, "run", "--only", "evict", "--only", "profile")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err == (
        f"error: no pipeline of {config} has the step evict or profile\n  their steps: sync, freshness\n"
    )
    assert configured(config, "run", "--only", "evict", "--only", "sync").code == 0
