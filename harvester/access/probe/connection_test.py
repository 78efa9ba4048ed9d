"""Test the connection to a location, step by step, and find the cause of a refusal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from harvester.access.probe.probe_report import ProbedAccess, ProbeReport, ProbeStep, StepOutcome, badness
from harvester.causes import Cause
from harvester.error_codes import ErrorCode
from harvester.errors import ExitCode
from harvester.location import Location, parse_location
from harvester.sessions import StoreSettings
from harvester.storage import GcsProber, ProbeResult, S3Prober, ServiceError, closest_folder, open_prober
from policies import Chip, facts

_HEAD_BUCKET, _PUT_OBJECT = "head_bucket", "put_object"
_RANGE_OF_NOTHING = 416
"""The HTTP status for the first byte of an empty object."""
_CREATE, _REPLACE = "storage.objects.create", "storage.objects.delete"
_RED = frozenset({"access_denied", "no_such_bucket", "connection_failed"})
_EXIT_CODES = frozenset({ExitCode.ACCESS_DENIED, ExitCode.CONFIGURATION, ExitCode.CONNECTION_FAILED, ExitCode.REFUSED})
_CREDENTIAL_CAUSES = {
    "SignatureDoesNotMatch": "the secret access key is not the one of this access key id",
    "InvalidAccessKeyId": "the access key id does not exist",
}


def probe_connection(
    location: Location | str,
    access: Literal["read", "write", "both"] = "both",
    *,
    deep: bool = False,
    settings: StoreSettings | None = None,
) -> ProbeReport:
    """Test a location as Nimble's form does, with the caller's credentials.

    ``write`` leaves one empty object under the prefix, as Nimble's test does; it is never deleted. ``deep`` adds steps
    of this program: read one byte, begin and abort an upload in parts, read the written object back. What the store
    refuses is in the report; raises UsageError for a directory, ConfigurationError without credentials.
    """
    place = location if isinstance(location, Location) else parse_location(location)
    prober = open_prober(place, settings or StoreSettings())
    kinds: tuple[ProbedAccess, ...] = ("read", "write") if access == "both" else (access,)
    expects_owner = settings is not None and settings.expected_bucket_owner is not None
    tests = [ConnectionTest(place, kind, prober, expects_owner=expects_owner) for kind in kinds]
    for test in tests:
        test.run(deep=deep)
    worst = max(tests, key=lambda test: badness(test.exit_code))
    return ProbeReport(
        location=place,
        chip=next((test.chip for test in tests if test.is_red), tests[0].chip),
        chips=tuple((test.access, test.chip) for test in tests),
        steps=tuple(step for test in tests for step in test.steps),
        not_proven=tuple(dict.fromkeys(each for test in tests for each in test.not_proven(deep=deep))),
        cause=worst.cause,
        code=worst.code,
        parameters=worst.parameters,
        request_id=worst.request_id,
        exit_code=worst.exit_code,
    )


class ConnectionTest:
    """Runs one test; what it found is in its attributes."""

    def __init__(
        self, location: Location, access: ProbedAccess, prober: S3Prober | GcsProber, *, expects_owner: bool
    ) -> None:
        """Ask nothing yet."""
        self.location = location
        self.access = access
        self.steps: list[ProbeStep] = []
        self.chip_name = "ok"
        self.cause = self.request_id = ""
        self.code: ErrorCode | None = None
        self.parameters: dict[str, object] = {"url": location.url, "bucket": location.bucket, "access": access}
        self.exit_code = ExitCode.OK
        self._prober = prober
        self._expects_owner = expects_owner
        self._keys: tuple[str, ...] = ()
        self._probe_key = location.prefix + facts().test_connection.probe_name
        self._region_noted = False

    @property
    def is_red(self) -> bool:
        """Whether the chip is a red one."""
        return self.chip_name in _RED

    @property
    def chip(self) -> Chip:
        """The chip Nimble's form would show."""
        return facts().test_connection.chips[self.chip_name]

    def run(self, *, deep: bool) -> None:
        """Ask until an answer ends the test."""
        for name in self._documented_steps():
            match name:
                case "head_bucket":
                    probed = self._prober.head_bucket()
                case "list_objects":
                    probed = self._prober.list_objects(self.location.prefix, 1)
                    self._keys = probed.keys
                case "put_object":
                    probed = self._prober.put_empty(self._probe_key)
                case _:
                    raise AssertionError(f"the vendor's test has an unknown step {name!r}")
            if not self._done(name, probed):
                return
        if self.access == "read":
            self._look_behind_residue()
            if self.chip_name == "ok_empty":
                self._find_similar_prefix()
        if deep:
            self._go_deeper()

    def _documented_steps(self) -> Iterator[str]:
        for name in facts().test_connection.steps[self.access]:
            # On Cloud Storage the bucket's own resource takes a right that neither reading nor writing needs.
            if not (name == _HEAD_BUCKET and isinstance(self._prober, GcsProber)):
                yield name

    def _done(self, name: str, probed: ProbeResult) -> bool:
        """Take note of a documented step; False when the test ends with it."""
        if probed.error is None:
            self._step(probed, "ok", documented=self._on_s3, note=self._success_note(name, probed))
            return True
        self._step(probed, "failed", documented=self._on_s3)
        if name == _PUT_OBJECT and isinstance(self._prober, GcsProber) and probed.error.status == 403:
            return self._could_create(self._prober, probed.error)
        self._fail(probed.error)
        if probed.error.undiagnosed and isinstance(self._prober, S3Prober):
            self._diagnose(self._prober, name, probed.error)
        return False

    @property
    def _on_s3(self) -> bool:
        return self.location.scheme == "s3"

    def _success_note(self, name: str, probed: ProbeResult) -> str:
        notes = []
        if probed.region and probed.region != self._prober.region and not self._region_noted:
            self._region_noted = True
            notes.append(
                f"the bucket is in {probed.region}, not in the configured region {self._prober.region}; asked there"
            )
        if name == _PUT_OBJECT:
            notes.append("empty, never deleted, overwritten by the next test")
            if probed.encryption.startswith("aws:kms"):
                notes.append(f"encrypted with {probed.key or 'the AWS-managed key'}")
        return "; ".join(notes)

    def _step(self, probed: ProbeResult, outcome: StepOutcome, *, documented: bool, note: str = "") -> None:
        problem = probed.error
        code = problem.code if problem is not None and outcome == "failed" else ""
        self.steps.append(
            ProbeStep(
                access=self.access,
                operation=probed.operation,
                target=probed.target,
                outcome=outcome,
                documented=documented,
                milliseconds=probed.milliseconds,
                request_id=probed.request_id,
                code=code,
                note=note or (problem.message if problem is not None and code else ""),
            )
        )

    def _fail(self, problem: ServiceError) -> None:
        """Take the chip, the exit code and the cause from a refusal."""
        self.request_id = self.request_id or problem.request_id
        # Nothing asked here names an object that must be there: what is missing is the bucket.
        cause = Cause.NO_BUCKET if problem.cause is Cause.GONE else problem.cause
        match cause:
            case Cause.NO_BUCKET:
                self._red("no_such_bucket", ExitCode.NO_SUCH_BUCKET)
                self.cause = f"there is no bucket {self.location.bucket}"
                self.code = ErrorCode.NO_SUCH_BUCKET
            case Cause.CREDENTIALS | Cause.EXPIRED:
                self._red("access_denied", ExitCode.ACCESS_DENIED)
                self.cause = _CREDENTIAL_CAUSES.get(problem.code, f"the store rejects the credentials: {problem.code}")
                self.code = ErrorCode.CREDENTIALS_REJECTED
                self.parameters["login"] = "check" if self._on_s3 else "google"
            case Cause.CLOCK_SKEW:
                self._red("connection_failed", ExitCode.CONFIGURATION)
                self.cause = "this machine's clock is too far from the store's for a signature to count"
                self.code = ErrorCode.CLOCK_SKEW
            case Cause.OBJECT_DENIED | Cause.KMS_DENIED:
                self._red("access_denied", ExitCode.ACCESS_DENIED)
                self.cause = problem.message or "the store refuses these credentials without a reason"
                self.code = ErrorCode.TEST_DENIED if self._on_s3 else ErrorCode.TEST_DENIED_BY_GCS
            case _:
                code = cause.exit_code if cause.exit_code in _EXIT_CODES else ExitCode.REFUSED
                self._red("access_denied" if code is ExitCode.ACCESS_DENIED else "connection_failed", code)
                self.cause = f"{cause.sentence} ({problem.sentence()})" if problem.status else problem.sentence()
                self.code = ErrorCode.TEST_UNANSWERED if cause.retryable else ErrorCode.STORE_REFUSED
                self.parameters["reason"] = cause.value

    def _red(self, chip_name: str, code: ExitCode) -> None:
        self.chip_name = chip_name
        self.exit_code = code

    def _diagnose(self, prober: S3Prober, name: str, refusal: ServiceError) -> None:
        """Find the cause of a 403 without a body: a list has one."""
        listed = prober.list_objects(self.location.prefix, 1) if name == _HEAD_BUCKET else None
        if listed is not None:
            self._step(listed, "ok" if listed.error is None else "failed", documented=False)
            if listed.error is None:
                self.cause = (
                    "HeadBucket is denied while the prefix can be listed: s3:ListBucket is allowed under a condition "
                    "on s3:prefix, which a HeadBucket does not carry"
                )
                return
            if listed.error.cause is not refusal.cause:
                self._fail(listed.error)
                return
            self.cause = listed.error.message or self.cause
        if name != _PUT_OBJECT:
            self._find_owner(prober)

    def _find_owner(self, prober: S3Prober) -> None:
        if self._expects_owner:
            anyone = prober.head_bucket_of_anyone()
            self._step(
                anyone,
                "ok" if anyone.error is None else "failed",
                documented=False,
                note="without the expected owner",
            )
            if anyone.error is None:
                self.cause = "the bucket belongs to another account than the expected owner"
                self.code = ErrorCode.BUCKET_OF_ANOTHER_ACCOUNT
                return
        owned, found = prober.find_among_own()
        if owned.error is not None:
            self._step(owned, "failed", documented=False)
            self.cause = "s3:ListBucket is denied, or the bucket is another account's: bucket names are global"
            return
        note = "the bucket is this account's" if found else "the bucket is not this account's"
        self._step(owned, "ok", documented=False, note=note)
        if found:
            self.cause = "s3:ListBucket on the bucket is denied to these credentials; the bucket is their account's own"
        else:
            self.cause = "the bucket belongs to another account, which does not let these credentials list it"
            self.code = ErrorCode.BUCKET_NAME_TAKEN

    def _could_create(self, prober: GcsProber, refusal: ServiceError) -> bool:
        """A fixed name cannot be written twice by objectCreator: ask whether creating at least is allowed."""
        asked, granted = prober.test_permissions((_CREATE, _REPLACE))
        if _CREATE in granted and _REPLACE not in granted:
            note = f"{_CREATE} is granted, {_REPLACE} is not: the file of an earlier test cannot be replaced"
            self._step(asked, "ok", documented=False, note=note)
            return True
        self._step(asked, "ok" if asked.error is None else "failed", documented=False)
        self._fail(refusal)
        return False

    def _look_behind_residue(self) -> None:
        """Decide whether the prefix has content; the test's own file and a folder's marker are none."""
        if not self._keys:
            self.chip_name = "ok_empty"
            return
        if self._is_content(self._keys[0]):
            return
        listed = self._prober.list_objects(self.location.prefix, 3)
        note = "beyond the test's own file and the folder's marker, which are no content"
        self._step(listed, "ok" if listed.error is None else "failed", documented=False, note=note)
        if listed.error is not None:
            self._fail(listed.error)
            return
        self._keys = tuple(key for key in listed.keys if self._is_content(key))
        if not self._keys:
            self.chip_name = "ok_empty"

    def _find_similar_prefix(self) -> None:
        """Name a prefix that exists and is written almost like this one, under which nothing is."""
        wanted = self.location.prefix.rstrip("/")
        if not wanted:
            return
        parent = wanted[: wanted.rfind("/") + 1]
        listed = self._prober.list_prefixes(parent)
        similar = closest_folder(wanted, listed.keys)
        if similar is not None:
            note = f"nothing is under {self.location.prefix!r}; {similar!r} exists"
            self._step(listed, "ok", documented=False, note=note)

    def _is_content(self, key: str) -> bool:
        return key not in (self.location.prefix, self._probe_key)

    def _go_deeper(self) -> None:
        if self.access == "read":
            self._read_first_byte()
            return
        for probed in self._prober.begin_and_abort_upload(self._probe_key):
            self._ours(probed, "an upload in parts, as large results come")
        self._ours(self._prober.read(self._probe_key, first_byte=False), "the test's own file, read back")

    def _read_first_byte(self) -> None:
        content = [key for key in self._keys if self._is_content(key)]
        if not content:
            operation = "GetObject" if self._on_s3 else "objects.get"
            self.steps.append(
                ProbeStep(
                    access="read",
                    operation=operation,
                    target=self.location.url,
                    outcome="skipped",
                    documented=False,
                    milliseconds=0.0,
                    request_id="",
                    code="",
                    note="there is no object to read",
                )
            )
            return
        self._ours(self._prober.read(content[0], first_byte=True), "one byte of a listed object")

    def _ours(self, probed: ProbeResult, note: str) -> None:
        """Take note of a deep step: it moves the exit code, never the chip, which is Nimble's."""
        problem = probed.error
        if problem is None or problem.status == _RANGE_OF_NOTHING:
            self._step(probed, "ok", documented=False, note=note)
            return
        self._step(probed, "failed", documented=False)
        if self.exit_code is ExitCode.OK:
            chip_name = self.chip_name
            self._fail(problem)
            self.chip_name = chip_name
            self.cause = f"{probed.operation}: {self.cause}"

    def not_proven(self, *, deep: bool) -> Iterator[str]:
        """Yield what this test leaves unproven, in words."""
        url = self.location.url
        mode = "jobs" if self._on_s3 else "async"
        yield (
            "Nimble's own rights: every request carried your credentials, not Nimble's; "
            f"an explanation of {url} in the mode {mode} shows those"
        )
        if not self._on_s3:
            yield "anything about Nimble's form: no Test Connection is documented for Google Cloud Storage"
            if self.access == "write":
                yield (
                    "that a name can be used twice: objectCreator cannot replace an object, so neither this file nor a "
                    "reused storage_object_name is written again"
                )
            return
        if self.access == "read" and not deep:
            yield "s3:GetObject, nor kms:Decrypt: a list reads no object (a deep test reads one byte)"
        if self.access == "write" and not deep:
            yield (
                "s3:GetObject, s3:AbortMultipartUpload, s3:ListMultipartUploadParts, kms:Decrypt: one empty PutObject "
                "needs none of them (a deep test uses all but the third)"
            )
        if self.access == "write":
            yield "async delivery: its user may not list, so Nimble's Test Connection cannot pass for it, and need not"
        if self.location.prefix:
            yield "how Nimble joins a prefix without a trailing slash: this run used one"
