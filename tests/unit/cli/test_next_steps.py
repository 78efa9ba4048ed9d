"""Every error code has its next step, worded in one place only."""

from __future__ import annotations

import ast
import dataclasses
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import harvester
from harvester.cli.shared.next_steps.api_steps import remedy_step
from harvester.cli.shared.next_steps.error_steps import NEXT_STEPS, TABLES, WITHOUT_NEXT_STEP, next_step, step_for
from harvester.cli.shared.next_steps.fix_texts import fix_text
from harvester.cli.shared.next_steps.policy_steps import policy_step
from harvester.cli.shared.next_steps.problem_steps import problem_step
from harvester.cli.shared.next_steps.store_steps import fetch_step
from harvester.cli.shared.reports.json_documents import json_text, published
from harvester.error_codes import ErrorCode
from harvester.errors import HarvesterError, IntegrityError, Interrupted, UsageError
from harvester.reconciliation.remedies import Remedy
from policies import Finding, Fix, FixAction
from policies.policy_errors import MergeError, PolicyError, PolicyErrorCode

PACKAGE = Path(harvester.__file__).parent
SPELLS_A_COMMAND = re.compile(r"nimble-harvester (?=[a-z-]+ )|(?:^|[\s`'\"])--(?![a-z]+-s3$)[a-z][a-z-]+")

SPELLED_COMMAND = re.compile(r"nimble-harvester (?=[a-z-]+ )|\baws [a-z0-9]+ [a-z0-9-]+ --|\bgcloud [a-z]+ [a-z]+ ")
EXAMPLES_OF_HELP = re.compile(r"^Examples?:", re.MULTILINE)


def test_every_code_has_a_next_step_or_a_reason_for_none() -> None:
    assert set(NEXT_STEPS) | set(WITHOUT_NEXT_STEP) == set(ErrorCode)
    assert not set(NEXT_STEPS) & set(WITHOUT_NEXT_STEP)
    assert sum(map(len, TABLES)) == len(NEXT_STEPS)
    assert all(WITHOUT_NEXT_STEP.values())


@pytest.mark.parametrize("code", NEXT_STEPS)
def test_a_step_needs_no_parameter(code: ErrorCode) -> None:
    step_for(code, "", {})


@pytest.mark.parametrize(
    ("code", "subject", "parameters", "step"),
    [
        (ErrorCode.NEVER_SYNCED, "my results", {}, "nimble-harvester sync LOCATION 'my results'"),
        (ErrorCode.NEVER_SYNCED, "", {}, "nimble-harvester sync LOCATION SUBJECT"),
        (ErrorCode.LOGIN_EXPIRED, "", {"login": "sso", "profile": "work"}, "aws sso login --profile work"),
        (ErrorCode.LOGIN_EXPIRED, "", {"login": "sso", "profile": None}, "aws sso login"),
        (ErrorCode.LOGIN_EXPIRED, "", {"login": "google"}, "gcloud auth application-default login"),
        (
            ErrorCode.LOGIN_EXPIRED,
            "",
            {"profile": "work"},
            "aws sso login --profile work   (or renew the credentials as you got them)",
        ),
        (
            ErrorCode.STORE_DENIED,
            "s3://b/p/",
            {"login": "sso", "profile": "a b"},
            "nimble-harvester test s3://b/p/ --access read --profile 'a b'",
        ),
        (ErrorCode.STORE_DENIED, "gs://b/", {"profile": None}, "nimble-harvester test gs://b/ --access read"),
        (ErrorCode.CREDENTIALS_REJECTED, "", {"login": "check"}, "aws sts get-caller-identity"),
        (
            ErrorCode.LOCATION_WITHOUT_SCHEME,
            "b",
            {"bucket": "s3://b", "directory": "file:///b"},
            "for a bucket write s3://b, for a directory write file:///b",
        ),
        (ErrorCode.LOCATION_WITHOUT_SCHEME, "./b", {"directory": "file:///b"}, "for a directory write file:///b"),
        (ErrorCode.LOCATION_WITHOUT_SCHEME, "s3:/b", {"meant": "s3://b"}, "use s3://b"),
        (ErrorCode.SCHEME_UNKNOWN, "gcs://b", {"meant": "gs://b"}, "use gs://b"),
        (ErrorCode.SCHEME_UNKNOWN, "ftp://b", {}, "nimble-harvester ls s3://BUCKET/PREFIX/"),
        (ErrorCode.BUCKET_REQUIRED, "", {"mode": "jobs"}, "nimble-harvester explain s3://BUCKET/PREFIX/ --mode jobs"),
        (ErrorCode.BUCKET_REQUIRED, "", {}, "name a bucket: s3://BUCKET/PREFIX/"),
        (ErrorCode.BATCHES_NOT_COMPLETED, "", {"batches": ["b1", "b2"]}, "nimble-harvester batches wait b1 b2"),
        (ErrorCode.API_NOT_FOUND, "", {"noun": "results of task", "id": "t1"}, "nimble-harvester tasks get t1"),
        (ErrorCode.API_NOT_FOUND, "", {"noun": "list of tasks", "id": ""}, "check NIMBLE_BASE_URL"),
        (ErrorCode.NOT_AN_ID, "", {"noun": "batch"}, "nimble-harvester batches list"),
        (ErrorCode.NOT_AN_ID, "", {"noun": "job"}, "nimble-harvester runs list"),
        (ErrorCode.COMPRESSION_DIFFERS, "d", {"keep_compressed": True}, "run with --keep-compressed, or use another"),
        (ErrorCode.COMPRESSION_DIFFERS, "d", {"keep_compressed": False}, "run without --keep-compressed, or use"),
        (ErrorCode.QUEUE_OF_ANOTHER_CLOUD, "q", {"scheme": "file"}, "leave --queue out and use --every"),
        (ErrorCode.QUEUE_OF_ANOTHER_CLOUD, "q", {"scheme": "gs"}, "compare the two"),
        (ErrorCode.NOT_A_STORE, "", {"speaks": "gs"}, "check that the endpoint serves the JSON API of Cloud Storage"),
        (ErrorCode.NOT_A_STORE, "", {"speaks": "s3"}, "check that the endpoint serves S3"),
        (ErrorCode.EVERY_FETCH_FAILS, "k", {"reason": "archived"}, "restore the objects from their archive class"),
        (ErrorCode.EVERY_FETCH_FAILS, "k", {"reason": "throttled"}, "run the same command again to continue"),
        (ErrorCode.PREFIX_OF_ANOTHER_MODE, "x", {"known": ["input", "output"]}, "use --input and --output"),
        (
            ErrorCode.PREFIX_ROLE_UNKNOWN,
            "s3://b/p/",
            {"roles": ["input", "output"]},
            "write --input s3://b/p/, or --output s3://b/p/",
        ),
        (ErrorCode.PREFIX_WITHOUT_BUCKET, "/in/", {"role": "input"}, "write --input s3://BUCKET/in/"),
        (
            ErrorCode.SEVERAL_BUCKETS,
            "",
            {"locations": ["s3://a/", "s3://b/"], "mode": "jobs"},
            "apply s3://a/ --mode jobs && nimble-harvester policy apply s3://b/ --mode jobs",
        ),
        (ErrorCode.POLICY_REJECTED, "", {"backup": "f.json"}, "(the policies as they were: f.json)"),
        (ErrorCode.FILES_DAMAGED, "", {}, "nimble-harvester verify DEST   (then sync again)"),
        (ErrorCode.DIRECTORY_NOT_ABSOLUTE, "", {"meant": ["file:///a", "file:///b"]}, "use file:///a, or file:///b"),
        (ErrorCode.AWS_LOGIN_REFUSED, "", {"profile": "p q"}, "aws sts get-caller-identity --profile 'p q'"),
        (
            ErrorCode.OPTION_REQUIRED,
            "",
            {"options": ["--mode async", "--mode jobs"]},
            "add --mode async or --mode jobs",
        ),
        (ErrorCode.OPTIONS_EXCLUSIVE, "", {"options": ("--key K", "--url U")}, "give one alone: --key K or --url U"),
        (ErrorCode.OPTION_INAPPLICABLE, "", {"option": "--as"}, "leave out --as"),
        (
            ErrorCode.OPTION_INAPPLICABLE,
            "",
            {"option": "--lease", "needs": "--queue QUEUE", "instead": ""},
            "add --queue QUEUE, or leave out --lease",
        ),
        (
            ErrorCode.OPTION_INAPPLICABLE,
            "",
            {"option": "--every", "needs": "", "instead": "--full-listing-every 24h"},
            "use --full-listing-every 24h instead of --every",
        ),
        (ErrorCode.OPTION_REPEATED, "", {"option": "--to"}, "run the command once for each --to"),
        (ErrorCode.OPTION_VALUE_INVALID, "", {"example": "--action s3:GetObject"}, "for example --action s3:GetObject"),
        (ErrorCode.FOLDER_MISSING, "x/y.json", {"folder": "a b"}, "mkdir -p 'a b'"),
        (ErrorCode.LOCATION_WITHOUT_DATE, "s3://b/", {}, "write for example s3://b/{date:%Y/%m/%d}/"),
        (
            ErrorCode.OUTPUT_NEEDS_A_QUEUE,
            "s3://b/",
            {"output": "s3://out/"},
            "nimble-harvester sync s3://b/ --export-to s3://out/",
        ),
        (ErrorCode.POLICY_FILE_REQUIRED, "s3://b/p/", {}, "aws s3api get-bucket-policy --bucket b --query Policy"),
        (ErrorCode.POLICY_FILE_REQUIRED, "gs://b", {}, "gcloud storage buckets get-iam-policy gs://b --format json"),
        (ErrorCode.POLICY_FILE_REQUIRED, "s3://", {}, "--bucket BUCKET "),
        (ErrorCode.FILE_UNREADABLE, "my file", {}, "ls -l 'my file'"),
        (ErrorCode.FILE_UNREADABLE, "s3://b/keys", {}, "check the file's name"),
        (ErrorCode.FILE_NOT_UTF8, "s.json", {}, "save s.json as UTF-8"),
        (ErrorCode.SECRET_UNUSABLE, "my secret", {}, "openssl rand -hex 24 > 'my secret'"),
        (ErrorCode.RESULT_NOT_JSON, "t1", {}, "nimble-harvester tasks results t1 --raw > FILE"),
        (ErrorCode.CONSENT_NEEDED, "", {}, "run the same command with --yes"),
        (
            ErrorCode.POLICY_REJECTED,
            "",
            {"backup": "my f", "written": True, "location": "s3://b/a b/"},
            "policy revert 's3://b/a b/' --backup 'my f')",
        ),
    ],
)
def test_steps_take_their_parameters(code: ErrorCode, subject: str, parameters: dict[str, object], step: str) -> None:
    assert step in step_for(code, subject, parameters)


@given(st.sampled_from(sorted(NEXT_STEPS)), st.text())
def test_a_subject_cannot_leave_its_quotes(code: ErrorCode, subject: str) -> None:
    import shlex

    words = NEXT_STEPS[code]
    if isinstance(words, str) and words.startswith("nimble-harvester ") and words.endswith("{subject}") and subject:
        assert shlex.split(step_for(code, subject, {}))[-1] == subject


def test_only_a_failure_of_one_object_has_a_step_of_its_own() -> None:
    assert "kms:Decrypt" in fetch_step("kms_denied")
    assert fetch_step("throttled") == ""


def test_an_error_in_a_document_gets_its_next_step() -> None:
    error = UsageError("x", code=ErrorCode.NO_BUCKET_NAMED, subject="gs://", parameters={"scheme": "gs"})
    document = published({"reports": [{"error": error.as_document()}], "error": None})
    assert document == {
        "reports": [
            {
                "error": {
                    "code": "no_bucket_named",
                    "what": "x",
                    "subject": "gs://",
                    "cause": "",
                    "request_id": "",
                    "next_step": "write gs://BUCKET/PREFIX/",
                }
            }
        ],
        "error": None,
    }


def test_a_document_without_a_code_has_no_step() -> None:
    assert published({"code": None, "parameters": {"url": "s3://b"}}) == {"code": None, "next_step": ""}


def test_json_keeps_values_as_they_are() -> None:
    assert json_text({"key": "a\x1bü"}) == '{"key": "a\\u001bü"}'


def test_parameters_can_be_added_to_a_raised_error() -> None:
    error = UsageError("x", code=ErrorCode.POLICY_CHANGED, subject="s", cause="c", parameters={"a": 1})
    again = error.with_parameters(backup="f")
    assert type(again) is UsageError
    assert (again.what, again.code, again.subject, again.cause) == ("x", error.code, "s", "c")
    assert again.parameters == {"a": 1, "backup": "f"}
    assert error.parameters == {"a": 1}
    assert Interrupted(2).with_parameters(a=1).exit_code == 130


def test_a_class_has_a_code_of_its_own() -> None:
    for kind in HarvesterError.__subclasses__():
        if kind.__module__ == "harvester.errors":
            assert kind.code is not ErrorCode.BUG
            assert kind.exit_code.name != "BUG" or kind is Interrupted


def test_an_error_in_python_names_no_command() -> None:
    error = UsageError("x", code=ErrorCode.NEVER_SYNCED, subject="d", cause="c", request_id="r")
    assert str(error) == "x\nc (request id r)"
    assert error.one_line() == "x; c (request id r)"
    assert "sync" in next_step(error)
    assert str(UsageError("x", request_id="r")) == "x\nrequest id r"


def _strings(path: Path) -> list[tuple[int, str]]:
    tree = ast.parse(path.read_text())
    docstrings = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
    ]


EXEMPT = ("nimble_api/request_parameters.py",)  # delivery parameters are printed as a curl command on purpose


def test_no_package_below_the_command_line_spells_its_commands() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line}: {text}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if "cli" not in path.parts and not str(path.relative_to(PACKAGE)).startswith(EXEMPT)
        for line, text in _strings(path)
        if SPELLS_A_COMMAND.search(text)
    ]
    assert found == []


def test_in_the_command_line_only_next_steps_spell_commands() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line}: {text}"
        for path in sorted((PACKAGE / "cli").rglob("*.py"))
        if "next_steps" not in path.parts
        for line, text in _strings(path)
        if SPELLED_COMMAND.search(text) and not EXAMPLES_OF_HELP.search(text)
    ]
    assert found == []


def test_parameters_of_errors_are_values_and_no_advice() -> None:
    """A parameter is a name, a path, or an option as it is written; a sentence belongs into the next steps."""
    found = [
        f"{path.relative_to(PACKAGE)}:{key.lineno}: {key.value}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.keyword) and node.arg == "parameters" and isinstance(node.value, ast.Dict)
        for key in node.value.keys
        if isinstance(key, ast.Constant) and key.value in {"advice", "step", "next_step", "command", "hint"}
    ]
    assert found == []


def test_a_refused_change_names_the_flags_or_the_fix_of_its_finding() -> None:
    error = IntegrityError("x", code=ErrorCode.POLICY_REJECTED, parameters={"backup": "f.json"})
    assert next_step(error) == step_for(error.code, "", error.parameters)
    finding = Finding("key-lockout", "error", "", "", "m", Fix(FixAction.EDIT))
    error.__cause__ = MergeError("x", code=PolicyErrorCode.NO_SUCH_STATEMENT, finding=finding)
    assert next_step(error) == f"{fix_text(finding)}   (the policies as they were: f.json)"
    narrowed = dataclasses.replace(finding, fix=Fix(FixAction.NARROW))
    error.__cause__ = MergeError("x", finding=narrowed)
    assert next_step(error).startswith("run the same command with --narrow ")


@pytest.mark.parametrize("remedy", Remedy)
def test_every_remedy_is_worded(remedy: Remedy) -> None:
    step = remedy_step(remedy, destination="my results", location="s3://b/p/", batch="b1", run="r1")
    assert "{" not in step
    assert "results" not in step or "'my results'" in step


def test_a_rescue_without_a_batch_names_the_file_of_tasks() -> None:
    step = remedy_step(Remedy.RESCUE, destination="d", location="s3://b/", batch=None)
    assert step == "nimble-harvester reconcile d --tasks FILE --rescue"


@pytest.mark.parametrize("code", PolicyErrorCode)
def test_every_error_of_policies_has_a_next_step(code: PolicyErrorCode) -> None:
    error = PolicyError("what", code=code)
    assert policy_step(error)
    assert policy_step(error) == step_for(ErrorCode.CONTRACT_INVALID, "", error.as_parameters())


def test_a_bucket_that_is_meant_is_named() -> None:
    error = PolicyError("what", code=PolicyErrorCode.BUCKET_NAME_INVALID, parameters={"meant": "bkt"})
    assert policy_step(error) == "use --bucket bkt"


@pytest.mark.parametrize(
    ("outcome", "reason", "step"),
    [
        ("quarantined", "time_exceeded", "nimble-harvester sync s3://b/p/ 'my results' --decode-timeout DURATION"),
        ("quarantined", "memory_exceeded", "nimble-harvester sync s3://b/p/ 'my results' --max-worker-memory SIZE"),
        ("refused", "too_large", "nimble-harvester sync s3://b/p/ 'my results' --max-object-bytes SIZE"),
        ("quarantined", "schema", "nimble-harvester problems accept 'my results' --reason schema --note TEXT"),
        ("failed", "internal_error", "nimble-harvester sync s3://b/p/ 'my results'"),
    ],
)
def test_a_problem_names_the_option_that_may_solve_it(outcome: str, reason: str, step: str) -> None:
    assert problem_step(outcome, reason, "my results", "s3://b/p/") == step
