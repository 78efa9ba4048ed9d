"""The next step after an error: the only place that words what to run."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from harvester.error_codes import ErrorCode
from harvester.errors import HarvesterError
from policies import PolicyError, PolicyErrorCode

_RUN_AGAIN = "run the same command again"
_OTHER_DESTINATION = "choose another destination"
_CHECK_NETWORK = "check network, proxy and endpoint, then try again"
_CLOCK = "timedatectl status   (set the clock, then try again)"
_COMPARE_NAME = "compare its name with the cloud console, and the endpoint if you set one"
_UPGRADE = "pip install --upgrade nimble-harvester"
_CHECK_DISK = "check the folder's permissions and its disk"


def next_step(error: HarvesterError) -> str:
    """Return the next command to run after an error, or the next thing to do; empty where there is none."""
    return step_for(error.code, error.subject, error.parameters)


def step_for(code: ErrorCode, subject: str, parameters: Mapping[str, object]) -> str:
    """Return the next step after an error of that code; ``advice`` among the parameters goes before the code's."""
    advice = parameters.get("advice")
    if advice:
        step = str(advice)
    else:
        words = NEXT_STEPS.get(code, "")
        values = _Values(subject=subject, **parameters)
        step = words(values) if callable(words) else words.format_map(values)
    backup = parameters.get("backup")
    return f"{step}   (the policies as they were: {backup})" if backup else step


def error_document(error: HarvesterError) -> dict[str, object]:
    """Return an error as the published JSON has it, with its next step."""
    return {**error.as_document(), "next_step": next_step(error)}


class _Values(dict[str, Any]):
    """The values for a text: quoted for a shell where a text needs it, a missing one as its name in capitals."""

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None or value == "":
            return name.upper()
        if isinstance(value, list | tuple):
            return " ".join(shlex.quote(str(each)) for each in value)
        return shlex.quote(str(value))


_Words = str | Callable[[_Values], str]

_LOGINS: Mapping[str, str] = {
    "google": "gcloud auth application-default login",
    "check": "aws sts get-caller-identity",
    "env": "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN anew",
}
_AWS_LOGINS: Mapping[str, str] = {
    "sso": "aws sso login",
    "login": "aws login",
    "shared-credentials-file": "aws configure",
    "config-file": "aws configure",
}


def _login(values: _Values) -> str:
    method = values.get("login") or ""
    if method in _LOGINS:
        return _LOGINS[method]
    command = _AWS_LOGINS.get(method, "aws sso login")
    if values.get("profile"):
        command += f" --profile {values['profile']}"
    return command if method in _AWS_LOGINS else f"{command}   (or renew the credentials as you got them)"


def _scheme(values: _Values) -> str:
    return f"use {values['meant']}" if values.get("meant") else "nimble-harvester ls s3://BUCKET/PREFIX/"


def _meant(values: _Values) -> str:
    if values.get("meant"):
        return f"use {values['meant']}"
    bucket = f"for a bucket write {values['bucket']}, " if values.get("bucket") else ""
    return f"{bucket}for a directory write {values['directory']}"


def _bucket(values: _Values) -> str:
    mode = values.get("mode")
    return (
        f"nimble-harvester explain s3://BUCKET/PREFIX/ --mode {mode}" if mode else "name a bucket: s3://BUCKET/PREFIX/"
    )


def _identity(values: _Values) -> str:
    profile = f" --profile {values['profile']}" if values.get("profile") else ""
    return f"aws sts get-caller-identity{profile}"


def _queue(values: _Values) -> str:
    return "leave --queue out and use --every" if values.get("scheme") == "file" else "compare the two"


def _store(values: _Values) -> str:
    api = "the JSON API of Cloud Storage" if values.get("speaks") == "gs" else "S3"
    return f"check that the endpoint speaks {api}"


def _compression(values: _Values) -> str:
    kept = "with" if values.get("keep_compressed") else "without"
    return f"run {kept} --keep-compressed, or use another destination"


def _api_object(values: _Values) -> str:
    if not values.get("id"):
        return "check NIMBLE_BASE_URL"
    return _id(values)


def _id(values: _Values) -> str:
    match values.get("noun"):
        case "results of task":
            return f"nimble-harvester tasks get {values['id']}" if values.get("id") else "nimble-harvester tasks list"
        case "batch":
            return "nimble-harvester batches list"
        case "run" | "job":
            return "nimble-harvester runs list"
        case _:
            return "nimble-harvester tasks list"


def _each_fetch(values: _Values) -> str:
    return fetch_step(str(values.get("reason", ""))) or f"{_RUN_AGAIN} to continue"


def _target(values: _Values) -> str:
    """Return the arguments that name a bucket, a mode and prefixes."""
    named = (str(each).partition("=") for each in values.get("prefixes", ()))
    prefixes = (f"--{name} {shlex.quote(prefix)}" for name, _, prefix in named if prefix)
    return " ".join((str(values["bucket"]), f"--mode {values['mode']}", *prefixes))


def _flags(values: _Values, name: str, joined: str) -> str:
    return joined.join(f"--{each}" for each in values.get(name, ()))


_SYNC = "nimble-harvester sync {location} {destination}"
REMEDY_STEPS: Mapping[str, str] = MappingProxyType(
    {
        "sync": _SYNC,
        "sync_with_limits": f"{_SYNC}, with a higher --max-object-bytes or --unsafe-names hash",
        "rescue": "nimble-harvester reconcile {destination} --batch {batch} --rescue",
        "rescue_by_file": "nimble-harvester reconcile {destination} --tasks FILE --rescue",
        "submit_again": "submit the request again: neither the bucket nor Nimble holds its result",
        "check_rescued": (
            "look at the rescued result (nimble-harvester status {destination} --problems), or submit the request again"
        ),
        "remove_duplicates": f"delete all but one of its objects from the bucket, then {_SYNC}",
        "show_run": "nimble-harvester runs get {run}",
    }
)
"""What to run or do for each remedy of a reconciliation."""


def remedy_step(remedy: str, **values: str | None) -> str:
    """Return what to run or do for a remedy; ``values`` are destination, location, batch and run."""
    if remedy == "rescue" and not values.get("batch"):
        remedy = "rescue_by_file"
    return REMEDY_STEPS[remedy].format_map(_Values(values))


_FETCH_STEPS: Mapping[str, str] = MappingProxyType(
    {
        "object_denied": "grant s3:GetObject (or storage.objects.get) on the prefix to these credentials",
        "kms_denied": "grant kms:Decrypt on that key to these credentials, in the key's policy and in their own",
        "other_owner": "set Object Ownership of the bucket to BucketOwnerEnforced",
        "archived": "restore the objects from their archive class, then run again",
        "credentials": "check AWS_PROFILE, or log in again",
        "expired": "log in again, e.g. aws sso login, then run the same command again",
        "clock_skew": "set this machine's clock",
        "kms_not_found": "aws kms describe-key --key-id KEY   (in the key's own region and account)",
        "kms_disabled": "aws kms enable-key --key-id KEY",
        "kms_invalid_state": "aws kms describe-key --key-id KEY   (cancel its deletion, or import its material)",
        "sse_c": "deliver without SSE-C: its key is no part of the object, and cannot be sent here",
        "requester_pays": "S3: --request-payer; Google Cloud Storage: set GOOGLE_CLOUD_QUOTA_PROJECT",
        "proxy_login": "put user and password into HTTPS_PROXY or HTTP_PROXY: http://USER:PASSWORD@HOST:PORT",
        "wrong_endpoint": "pass the endpoint that the store names with --endpoint-url, or the bucket's --region",
        "precondition_failed": "run the same command again, to plan from what is there now",
        "object_lock": "wait until the retention ends, or write to a prefix without Object Lock",
        "acls_off": "grant access by the bucket's policy: its Object Ownership has switched ACLs off",
        "public_policy_blocked": "name principals in the policy, or review Block Public Access of bucket and account",
        "malformed_policy": "nimble-harvester policy check FILE",
        "organisation_policy": "have an administrator of the organisation exempt the project from"
        " constraints/iam.allowedPolicyMemberDomains",
        "store_full": "free space in the store, or ask its operator",
        "quota": "raise the account's quota, or delete what is no longer needed",
        "not_supported": "check the endpoint: the store does not offer this operation",
        "etag_not_md5": "if the store is known to do so: run the same command with --accept etag-not-md5",
        "transcoded": "if the store is known to do so: run the same command with --accept transcoded",
    }
)


def fetch_step(reason: str) -> str:
    """Return what to do about objects whose fetch failed for ``reason``; empty where a later run may succeed."""
    return _FETCH_STEPS.get(reason, "")


_P = PolicyErrorCode
_POLICY_STEPS: Mapping[str, str] = MappingProxyType(
    {
        _P.NOT_DOCUMENTED: "leave out --as-documented",
        _P.NOT_AN_ACCOUNT: "aws sts get-caller-identity --query Account",
        _P.KEY_OF_ANOTHER_ACCOUNT: "use --account {account}, else the key could not be changed any more",
        _P.DOCUMENTED_NOT_NARROWED: "leave out --as-documented, or the prefix",
        _P.BARE_STATEMENT: "give the whole policy: aws kms get-key-policy, or aws s3api get-bucket-policy",
        _P.OTHER_CLOUD: "use --cloud {cloud}",
        _P.UNKNOWN_ABILITY: "use --can {known}, or some of them",
        _P.NOT_A_READER: "aws sts get-caller-identity --query Arn",
        _P.NOT_A_QUEUE_ARN: "aws sqs get-queue-attributes --queue-url URL --attribute-names QueueArn",
        _P.NOT_A_SUBSCRIPTION: "gcloud pubsub subscriptions list --format 'value(name)'",
        _P.NOTIFICATIONS_INVALID: ("aws s3api get-bucket-notification-configuration --bucket BUCKET > current.json"),
        _P.KEY_ON_GCS: "leave out --kms-key",
        _P.NOT_A_KEY_ARN: "aws kms describe-key --key-id {alias} --query KeyMetadata.Arn",
        _P.NOT_A_POLICY: "compare with what nimble-harvester policy show prints",
    }
)
"""What to do after an error of `policies`: a text with the names of parameters in braces."""


def _policy(values: _Values) -> str:
    match values.get("policy_error"):
        case _P.PREFIX_UNKNOWN:
            return "use " + " and ".join(f"--{each}" for each in str(values.get("known", "")).split(","))
        case _P.BUCKET_NAME_INVALID:
            return f"use --bucket {values['meant']}" if values.get("meant") else "take the name from the cloud console"
        case _P.NO_SUCH_CONTRACT if values.get("refused"):
            return "deliver jobs to an S3 bucket, or use --mode async"
        case _P.NO_SUCH_CONTRACT:
            return "use --mode async or --mode jobs"
        case code:
            return _POLICY_STEPS.get(str(code or ""), "").format_map(values)


def policy_step(error: PolicyError) -> str:
    """Return what to do after an error of `policies`."""
    parameters = error.as_parameters()
    return str(parameters.get("advice") or "") or _policy(_Values(parameters))


_C = ErrorCode
NEXT_STEPS: Mapping[ErrorCode, _Words] = MappingProxyType(
    {
        _C.DESTINATION_LOCKED: "wait for it to end, or stop that process",
        _C.INTERRUPTED: f"{_RUN_AGAIN} to continue",
        _C.NO_SUCH_BUCKET: _COMPARE_NAME,
        # Locations and names.
        _C.LOCATION_WITHOUT_SCHEME: _meant,
        _C.SCHEME_UNKNOWN: _scheme,
        _C.NO_BUCKET_NAMED: "write {scheme}://BUCKET/PREFIX/",
        _C.ACCESS_POINT_ARN: "aws s3control list-access-points --account-id ACCOUNT   (use its Alias: s3://ALIAS/PREFIX/)",
        _C.BUCKET_NAME_INVALID: "compare with the bucket's name in the cloud console",
        _C.BUCKET_REQUIRED: _bucket,
        _C.DIRECTORY_NOT_ABSOLUTE: lambda values: "use " + ", or ".join(values.get("meant", ())),
        _C.DIRECTORY_BUCKET: "name a general purpose bucket",
        _C.FIELD_PATH_INVALID: "for example data.markdown or data.parsing.0.title",
        _C.FILE_UNREADABLE: "check the file's name",
        # Credentials and configuration of this machine.
        _C.LOGIN_EXPIRED: _login,
        _C.CREDENTIALS_REJECTED: _login,
        _C.CLOCK_SKEW: _CLOCK,
        _C.SECOND_FACTOR_NEEDED: "run it from a terminal, or use a profile without mfa_serial",
        _C.NO_AWS_CREDENTIALS: "aws configure   (or set AWS_PROFILE, or pass --profile)",
        _C.AWS_CREDENTIALS_INCOMPLETE: "aws configure list",
        _C.AWS_CONFIGURATION_INVALID: "aws configure list",
        _C.AWS_LOGIN_REFUSED: _identity,
        _C.NO_GOOGLE_CREDENTIALS: _LOGINS["google"],
        _C.VARIABLE_INVALID: "export {subject}=VALUE   (without the line end)",
        _C.NO_QUOTA_PROJECT: "export GOOGLE_CLOUD_QUOTA_PROJECT=PROJECT",
        _C.GOOGLE_CREDENTIALS_INVALID: _LOGINS["google"],
        _C.ENDPOINT_INVALID: "export AWS_ENDPOINT_URL=http://HOST:PORT, or unset it for AWS itself",
        _C.PROXY_INVALID: "check HTTPS_PROXY and ALL_PROXY",
        _C.EXTRA_MISSING: "pip install 'nimble-harvester[{subject}]'",
        # Stores.
        _C.STORE_DENIED: "nimble-harvester test {subject} --access read",
        _C.STORE_REFUSED: lambda values: fetch_step(str(values.get("reason", ""))),
        _C.STORE_UNAVAILABLE: "try again later",
        _C.STORE_UNREACHABLE: "check network, proxy and endpoint, then: nimble-harvester ls {subject}",
        _C.CERTIFICATE_REFUSED: "set AWS_CA_BUNDLE (S3) or REQUESTS_CA_BUNDLE (GCS) to the authority's certificate",
        _C.NOT_A_STORE: _store,
        _C.NO_SUCH_DIRECTORY: "check the path",
        _C.NOT_A_DIRECTORY: "give the directory, not the file",
        _C.BUCKET_OF_ANOTHER_ACCOUNT: "aws sts get-caller-identity   (compare the account, and the bucket's name)",
        _C.BUCKET_NAME_TAKEN: "compare the bucket's name: names are global, and another account has this one",
        _C.EVERY_FETCH_FAILS: _each_fetch,
        _C.TEST_DENIED: "nimble-harvester policy show --for reader --can test --mode jobs --bucket {bucket}",
        _C.TEST_DENIED_BY_GCS: "grant these credentials roles/storage.objectViewer (read) or objectCreator (write)",
        _C.TEST_UNANSWERED: "check network and endpoint, then: nimble-harvester test {url} --access {access}",
        # Queues and webhooks.
        _C.NOT_A_QUEUE: "aws sqs get-queue-url --queue-name NAME, or gcloud pubsub subscriptions list",
        _C.NO_SUCH_QUEUE: "aws sqs list-queues   (in the queue's own region and account)",
        _C.NO_SUCH_SUBSCRIPTION: "gcloud pubsub subscriptions list",
        _C.QUEUE_DENIED: "grant the reader what `nimble-harvester policy show --for events` prints",
        _C.SUBSCRIPTION_DENIED: "grant the reader roles/pubsub.subscriber on the subscription",
        _C.QUEUE_UNREACHABLE: _CHECK_NETWORK,
        _C.QUEUE_OF_ANOTHER_CLOUD: _queue,
        _C.EVENTS_OF_AN_ALIAS: "add --event-bucket NAME: the bucket's own name, as its events carry it",
        _C.LEASE_OUT_OF_RANGE: "--lease 2m",
        _C.FULL_LISTING_TOO_OFTEN: "--full-listing-every 24h",
        _C.INTERVAL_TOO_SHORT: "--every 30s",
        _C.PEER_OF_ANOTHER_LOCATION: "name only destinations of the same source",
        _C.PORT_UNAVAILABLE: "choose another --port, or stop what uses it",
        _C.SERVER_CERTIFICATE_INVALID: "give PEM files, the key without a password: --tls-cert FILE --tls-key FILE",
        _C.METRICS_FILE_UNWRITABLE: "give --metrics-file a path in a folder that this user may write to",
        _C.SECRET_UNUSABLE: "openssl rand -hex 24",
        _C.WEBHOOKS_NEED_A_BUCKET: "nimble-harvester watch LOCATION DEST --every 30s",
        _C.NO_LOCATION_TO_LISTEN: "nimble-harvester listen {subject} --location s3://BUCKET/PREFIX/",
        _C.EVENT_STATE_UNREADABLE: "move {subject} away and run again, then sync: what it held is found by listing",
        _C.EVENT_STATE_NOT_WRITTEN: _CHECK_DISK,
        # Destinations.
        _C.NEVER_SYNCED: "nimble-harvester sync LOCATION {subject}",
        _C.DESTINATION_OF_ANOTHER_LOCATION: "give every source a destination of its own",
        _C.DESTINATION_INSIDE_ANOTHER: (
            "choose a destination beside it; if {outer} became one by mistake, remove {state}"
        ),
        _C.DESTINATION_INSIDE_SOURCE: "choose a destination outside the source",
        _C.DESTINATION_FULL: ("free some space, e.g. nimble-harvester evict {subject} --older-than 7d, and run again"),
        _C.DESTINATION_READ_ONLY: _OTHER_DESTINATION,
        _C.DESTINATION_NOT_A_DIRECTORY: _OTHER_DESTINATION,
        _C.DESTINATION_DENIED: "check its owner and mode",
        _C.DESTINATION_STILL_WRITTEN: (f"end the processes named harvester.transfer.workers.worker, then {_RUN_AGAIN}"),
        _C.COMPRESSION_DIFFERS: _compression,
        _C.DISK_FULL: "free some space and run again",
        _C.MANIFEST_NOT_WRITTEN: _CHECK_DISK,
        _C.STATE_NEEDS_LOCAL_DISK: "keep the state on a local disk: add --state-dir DIR",
        _C.MANIFEST_UNREADABLE: (
            "move {subject} away and sync again: files that are still right are fetched once more"
        ),
        _C.STATE_FROM_NEWER_VERSION: _UPGRADE,
        _C.NAMES_NOT_UTF8: "export PYTHONUTF8=1",
        _C.CURRENT_DIRECTORY_GONE: "cd to a directory that exists",
        _C.HOME_DIRECTORY_UNKNOWN: "name a directory with --backup-dir DIR, or set HOME",
        _C.STATE_IS_A_LINK: "remove the link; to keep the state elsewhere use --state-dir",
        _C.RESCUED_FOLDER_OCCUPIED: f"move {{folder}} away, and {_RUN_AGAIN}",
        _C.FILE_NOT_REMOVED: f"look at {{subject}}, then {_RUN_AGAIN}",
        _C.FILES_DAMAGED: "nimble-harvester verify {dest}, then sync again",
        _C.RUN_NOT_PROVED: f"{_RUN_AGAIN}; where it repeats, report it with the output of nimble-harvester verify",
        _C.MANIFEST_EMPTY: (
            "restore {subject} from a backup, or remove it and sync again: every object is fetched once more, and "
            "consumers read every row again"
        ),
        _C.MANIFEST_PATH_OUTSIDE: "restore the manifest from a backup, or move it away and sync again",
        _C.STATE_FILE_REFUSED: f"remove {{subject}}, then {_RUN_AGAIN}",
        _C.STATE_OF_ANOTHER_DESTINATION: "give each destination a --state-dir of its own",
        _C.DESTINATION_ID_INVALID: "restore it from a backup, or move it and the manifest away and sync again",
        _C.FOREIGN_POSITION: "nimble-harvester cat {subject} --after {shared} --meta",
        _C.NOT_A_POSITION: "nimble-harvester cat DEST --after 0 --meta   (each line has its position)",
        _C.NO_SUCH_CONSUMER: "nimble-harvester consumers create {subject} NAME",
        _C.CONSUMER_EXISTS: "nimble-harvester consumers rewind {subject} {name} 0   (or forget it, and create it anew)",
        _C.NOTHING_TO_EVICT: ("nimble-harvester evict {subject} --older-than 7d, or --consumed, or --through POSITION"),
        _C.NO_SUCH_PROBLEM: "nimble-harvester problems list {subject}",
        _C.NO_PROBLEM_CHOSEN: "name KEY…, or --reason REASON",
        _C.NO_SUCH_RUN: "nimble-harvester status DEST",
        # Exports and profiles.
        _C.PROFILE_INVALID: "remove {subject}, and accept a profile again",
        _C.COLUMNS_INVALID: 'for example [{{"name": "price", "pointer": "/data/parsing/price", "type": "float64"}}]',
        _C.EXPORT_DAMAGED: "restore the files of the output from a backup, or export to another --to",
        _C.EXPORT_BEHIND_EVICTED: (
            "export with --after-restore to go on without the evicted rows, or sync them into another destination"
        ),
        _C.EXPORT_NOT_EMPTY: "leave --from out, or name another --to",
        _C.EXPORT_OF_ANOTHER_DESTINATION: "give every destination an output of its own",
        _C.EXPORT_OF_ANOTHER_LAYOUT: "name another --to",
        _C.EXPORT_OUTPUT_UNSUPPORTED: "name a directory, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX",
        _C.EXPORT_COLUMN_REQUIRED: "nimble-harvester export DEST --to OUT --drop html,markdown",
        # Schemas and files that are given.
        _C.SCHEMA_INVALID: "correct it; nimble-harvester schema extract shows one",
        _C.SCHEMA_NOT_JSON: "correct the file",
        _C.SCHEMA_REFERENCE_UNRESOLVED: "put what it refers to under $defs",
        _C.TASK_FILE_INVALID: "give task ids, one a line, or the answers to submitting them, as JSON or JSON Lines",
        # Nimble's API.
        _C.API_KEY_MISSING: "export NIMBLE_API_KEY=… (the key is in Nimble's console, under account settings)",
        _C.API_KEY_INVALID: "copy the key again from Nimble's console",
        _C.API_KEY_REJECTED: "check NIMBLE_API_KEY against the key in Nimble's console",
        _C.API_ADDRESS_INVALID: "leave it unset for {default}",
        _C.API_ANSWER_UNUSABLE: "check NIMBLE_BASE_URL, and the proxies between",
        _C.API_BODY_UNUSABLE: "raise --max-api-bytes, or check NIMBLE_BASE_URL and the proxies between",
        _C.API_FORBIDDEN: "use a key of the account that submitted it (NIMBLE_API_KEY)",
        _C.API_NOT_FOUND: _api_object,
        _C.API_REQUEST_REFUSED: "check the ids, and NIMBLE_BASE_URL",
        _C.API_THROTTLED: "other programs with the same key share its rate limit",
        _C.API_UNAVAILABLE: "try again later",
        _C.API_UNREACHABLE: "check the network, proxies, and NIMBLE_BASE_URL",
        _C.API_TIMED_OUT: "wait longer (--timeout)",
        _C.OUT_OF_BUDGET: "top up the account, or wait for its next period",
        _C.RESULT_EXPIRED: "submit the request again, with delivery to a bucket to keep the result",
        _C.NOT_AN_ID: _id,
        _C.BATCHES_NOT_COMPLETED: "nimble-harvester batches wait {batches}",
        _C.TASKS_NOT_ENDED: f"wait longer (--timeout), or {_RUN_AGAIN}",
        _C.NO_EXPECTED_TASKS: "name --batch ID, --run ID or --tasks FILE",
        _C.DELIVERY_NEEDS_A_BUCKET: "nimble-harvester delivery-params s3://BUCKET/PREFIX/",
        _C.OBJECT_NAME_INVALID: "leave the name out to use the task id",
        _C.CALLBACK_INVALID: "use --callback https://HOST/PATH",
        # Policies.
        _C.CONTRACT_INVALID: _policy,
        _C.DOCUMENT_INVALID: _policy,
        _C.NO_LOCATION: "nimble-harvester explain s3://BUCKET --mode {mode}",
        _C.PREFIX_WITHOUT_BUCKET: lambda values: (
            f"write --{values['role']} s3://BUCKET/{str(values.get('subject', '')).lstrip('/')}"
        ),
        _C.PREFIX_NAMED_TWICE: "write {bucket} and the prefixes as flags",
        _C.PREFIX_OF_ANOTHER_MODE: lambda values: "use " + _flags(values, "known", " and "),
        _C.PREFIX_ROLE_UNKNOWN: lambda values: (
            "write " + ", or ".join(f"--{each} {values['subject']}" for each in values.get("roles", ()))
        ),
        _C.SEVERAL_BUCKETS: lambda values: "; then ".join(
            f"nimble-harvester policy apply {shlex.quote(each)} --mode {values['mode']}"
            for each in values.get("locations", ())
        ),
        _C.KEY_IN_ANOTHER_REGION: "name a key of {region}",
        _C.KEY_MANAGED_BY_AWS: "aws kms create-key --region {region}   (and make it the bucket's default)",
        _C.POLICY_OF_ANOTHER_ACCOUNT: "run the same command with a profile of that account: --profile NAME",
        _C.POLICY_OF_ANOTHER_CLOUD: "give the policy of the bucket that results are delivered to",
        _C.POLICY_READ_DENIED: (
            "nimble-harvester policy show --for reader --can apply --mode {mode} --bucket {bucket}"
        ),
        _C.POLICY_UNREADABLE: f"{_RUN_AGAIN} with credentials that may read and change it",
        _C.POLICY_WRITE_DENIED: (
            "run it with credentials that may change it, or give their owner: nimble-harvester policy show"
        ),
        _C.POLICY_WRITE_UNANSWERED: f"{_RUN_AGAIN}: what is written already is not written twice",
        _C.POLICY_WRITE_CONTENDED: _RUN_AGAIN,
        _C.POLICY_REJECTED: "nimble-harvester policy check   (with the policy that is there)",
        _C.POLICY_CHANGED: f"{_RUN_AGAIN}: it plans anew",
        _C.POLICY_OVERWRITTEN: f"look at what is there, then {_RUN_AGAIN}",
        _C.NO_DENY_STATEMENTS: "leave --without-statement out",
        _C.NO_SUCH_STATEMENT: "name one by its Sid, or by its number from 1",
        _C.UNIFORM_ACCESS_REQUIRED: "gcloud storage buckets update {subject} --uniform-bucket-level-access",
        _C.BACKUP_NOT_WRITTEN: "give --backup-dir a directory that can be written",
        _C.BACKUP_INVALID: "name another file with --backup",
        _C.BACKUP_OF_ANOTHER_BUCKET: "nimble-harvester policy revert {resource} --backup {subject}",
        _C.NO_BACKUP: "name the file with --backup FILE, or its folder with --backup-dir DIR",
        _C.NO_SUCH_BACKUP: "ls {folder}",
        _C.SNAPSHOT_INVALID: "save the settings again with nimble-harvester explain --save DIR",
        _C.SNAPSHOT_MISSING: lambda values: f"nimble-harvester explain {_target(values)} --save {values['directory']}",
        _C.SNAPSHOT_NOT_WRITTEN: "give --save another directory",
        # The configuration file.
        _C.NO_CONFIG_FILE: "nimble-harvester --config FILE run   (or set NIMBLE_HARVESTER_CONFIG)",
        _C.CONFIG_FILE_INVALID: "correct it, then: nimble-harvester --config {subject} config check",
        _C.CONFIG_FILE_UNSAFE: "chmod go-w {subject}   (and let it belong to you or to root)",
        # Output.
        _C.OUTPUT_NOT_WRITTEN: f"free some space, or send it elsewhere, then {_RUN_AGAIN}",
        _C.REPORT_NOT_WRITTEN: "choose another file for --report",
    }
)
"""What to do after an error of each code: a text with the names of parameters in braces, or a function."""

WITHOUT_NEXT_STEP: Mapping[ErrorCode, str] = MappingProxyType(
    {
        _C.BUG: "the program prints how to report it",
        _C.USAGE: "what is wrong and the cause name the option and its values",
        _C.ACCESS_DENIED: "raised without a closer code only where the cause names the permission",
        _C.CONNECTION_FAILED: "raised without a closer code only where the cause names the service",
        _C.INTEGRITY: "the cause names what is wrong in the document",
        _C.CONFIGURATION: "the cause names the setting",
        _C.DIFFERENCE: "the report lists the differences, each with its own step",
        _C.DESTINATION_UNUSABLE: "the cause is that of the operating system",
        _C.CONSENT_NEEDED: "carries its own advice, from the command that asked",
        _C.TIMED_OUT: "the same command waits again",
    }
)
"""The codes without a step of their own, and why."""
