"""What to do after an error of a location, a store, or this machine's credentials."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from harvester.cli.shared.next_steps.step_values import RUN_AGAIN, StepText, StepValues
from harvester.error_codes import ErrorCode

_CLOCK = "timedatectl status   (set the clock, then try again)"
_COMPARE_NAME = "compare its name with the cloud console, and the endpoint if you set one"
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


def _login(values: StepValues) -> str:
    method = values.get("login") or ""
    if method in _LOGINS:
        return _LOGINS[method]
    command = _AWS_LOGINS.get(method, "aws sso login") + _profile(values)
    return command if method in _AWS_LOGINS else f"{command}   (or renew the credentials as you got them)"


def _scheme(values: StepValues) -> str:
    return f"use {values['meant']}" if values.get("meant") else "nimble-harvester ls s3://BUCKET/PREFIX/"


def _meant(values: StepValues) -> str:
    if values.get("swapped"):
        return f"LOCATION comes before DEST: {values['swapped']} {values['subject']}"
    if values.get("meant"):
        return f"use {values['meant']}"
    bucket = f"for a bucket write {values['bucket']}, " if values.get("bucket") else ""
    return f"{bucket}for a directory write {values['directory']}"


def _bucket(values: StepValues) -> str:
    mode = values.get("mode")
    return (
        f"nimble-harvester explain s3://BUCKET/PREFIX/ --mode {mode}" if mode else "name a bucket: s3://BUCKET/PREFIX/"
    )


def _profile(values: StepValues) -> str:
    return f" --profile {values['profile']}" if values.get("profile") else ""


def _identity(values: StepValues) -> str:
    return f"aws sts get-caller-identity{_profile(values)}"


def _test(values: StepValues) -> str:
    return f"nimble-harvester test {values['subject']} --access read{_profile(values)}"


def _store(values: StepValues) -> str:
    api = "the JSON API of Cloud Storage" if values.get("speaks") == "gs" else "S3"
    return f"check that the endpoint serves {api}"


def _endpoint(values: StepValues) -> str:
    variable = values.get("variable", "AWS_ENDPOINT_URL")
    service = "AWS" if variable == "AWS_ENDPOINT_URL" else "Google Cloud"
    return f"export {variable}=http://HOST:PORT, or unset it for {service} itself"


def _each_fetch(values: StepValues) -> str:
    return fetch_step(str(values.get("reason", ""))) or f"{RUN_AGAIN} to continue"


_FETCH_STEPS: Mapping[str, str] = MappingProxyType(
    {
        "object_denied": "grant s3:GetObject (or storage.objects.get) on the prefix to these credentials",
        "policy_limit": "change the policy of the kind that is named in the answer: a further grant does not help",
        "perimeter": "give the identifier in the answer to an administrator of the organisation: the perimeter needs an"
        " ingress rule for these credentials and this network",
        "account": "have the owner of the account check its billing, and that the service is switched on",
        "gone": "run the same command again: it was deleted, or renamed, since it was listed",
        "refused": "see the service's own documentation of that code: trying again does not help",
        "no_queue": "aws sqs list-queues   (in the queue's own region and account)",
        "too_large": "raise --max-object-bytes, or leave the object out with --exclude",
        "unreadable": "check the permissions of the file, and its disk",
        "spool": "df -h, and df -i: free space or inodes where the destination is",
        "kms_denied": "grant kms:Decrypt on that key to these credentials, in the key's policy and in their own",
        "other_owner": "set Object Ownership of the bucket to BucketOwnerEnforced",
        "archived": "restore the objects from their archive class, then run again",
        "credentials": "check AWS_PROFILE, or log in again",
        "expired": "log in again, e.g. aws sso login, then run the same command again",
        "clock_skew": "set this machine's clock",
        "kms_not_found": "aws kms describe-key --key-id KEY   (in the key's own region and account);"
        " of Google: gcloud kms keys describe KEY --keyring RING --location LOCATION",
        "kms_disabled": "aws kms enable-key --key-id KEY; of Google:"
        " gcloud kms keys versions enable VERSION --key KEY --keyring RING --location LOCATION",
        "kms_invalid_state": "aws kms describe-key --key-id KEY   (cancel its deletion, or import its material);"
        " of Google: gcloud kms keys describe KEY --keyring RING --location LOCATION",
        "sse_c": "deliver without SSE-C: its key is no part of the object, and cannot be sent here",
        "requester_pays": "S3: --request-payer; Google Cloud Storage: set GOOGLE_CLOUD_QUOTA_PROJECT",
        "certificate": "set AWS_CA_BUNDLE (S3) or REQUESTS_CA_BUNDLE (GCS) to the authority's certificate",
        "payer_refused": "set GOOGLE_CLOUD_QUOTA_PROJECT to a project on which these credentials have"
        " serviceusage.services.use; for S3, leave out --request-payer",
        "proxy_login": "put user and password into HTTPS_PROXY or HTTP_PROXY: http://USER:PASSWORD@HOST:PORT",
        "wrong_endpoint": "pass the endpoint that the store names with --endpoint-url, or the bucket's --region",
        "precondition_failed": "run the same command again, to plan from what is there now",
        "object_lock": "wait until the retention ends, or write to a prefix without Object Lock",
        "acls_off": "grant access by the bucket's policy: its Object Ownership has switched ACLs off",
        "public_policy_blocked": "name principals in the policy, or review Block Public Access of bucket and account",
        "malformed_policy": "nimble-harvester policy check FILE",
        "organisation_policy": "have an administrator of the organisation exempt the project from the constraint"
        " that is named; for members of other organisations it is constraints/iam.allowedPolicyMemberDomains",
        "store_full": "free space in the store, or ask its operator",
        "quota": "raise the account's quota, or delete what is no longer needed",
        "not_supported": "check the endpoint: the store does not offer this operation",
        "etag_not_md5": "if the store is known to do so: run the same command with --accept etag-not-md5",
        "transcoded": "if the store is known to do so: run the same command with --accept transcoded",
    }
)


def _file(values: StepValues) -> str:
    subject = values.get("subject", "")
    return f"ls -l {values['subject']}" if subject and "://" not in subject else "check the file's name"


def fetch_step(reason: str) -> str:
    """Return what to do about objects whose fetch failed for ``reason``; empty where a later run may succeed."""
    return _FETCH_STEPS.get(reason, "")


_C = ErrorCode
STORE_STEPS: Mapping[ErrorCode, StepText] = MappingProxyType(
    {
        _C.NO_SUCH_BUCKET: _COMPARE_NAME,
        _C.LOCATION_WITHOUT_SCHEME: _meant,
        _C.SCHEME_UNKNOWN: _scheme,
        _C.LOCATION_WITH_SPACE: "use {meant}",
        _C.NO_BUCKET_NAMED: "write {scheme}://BUCKET/PREFIX/",
        _C.ACCESS_POINT_ARN: "aws s3control list-access-points --account-id ACCOUNT   (use its Alias: s3://ALIAS/PREFIX/)",
        _C.BUCKET_NAME_INVALID: "compare with the bucket's name in the cloud console",
        _C.BUCKET_REQUIRED: _bucket,
        _C.DIRECTORY_NOT_ABSOLUTE: lambda values: "use " + ", or ".join(values.get("meant", ())),
        _C.DIRECTORY_BUCKET: "name a general purpose bucket",
        _C.FIELD_PATH_INVALID: "for example data.markdown or data.parsing.0.title",
        _C.LOCATION_TEMPLATE_INVALID: "write for example s3://BUCKET/results/{{date:%Y/%m/%d}}/ --days 2",
        _C.KEY_LIST_DAMAGED: "fetch or write {subject} again",
        _C.INVENTORY_OF_ANOTHER_BUCKET: "give the inventory of the location's own bucket",
        _C.INVENTORY_FORMAT_UNSUPPORTED: "give s3://BUCKET/…/manifest.json of an inventory in CSV or Parquet",
        _C.FILE_UNREADABLE: _file,
        _C.FILE_NOT_UTF8: "save {subject} as UTF-8",
        _C.LOGIN_EXPIRED: _login,
        _C.CREDENTIALS_REJECTED: _login,
        _C.CLOCK_SKEW: _CLOCK,
        _C.SECOND_FACTOR_NEEDED: "run it from a terminal, or use a profile without mfa_serial",
        _C.NO_AWS_CREDENTIALS: "aws configure   (or set AWS_PROFILE, or pass --profile)",
        _C.AWS_CREDENTIALS_INCOMPLETE: "aws configure list",
        _C.AWS_CONFIGURATION_INVALID: "aws configure list",
        _C.AWS_LOGIN_REFUSED: _identity,
        _C.NO_GOOGLE_CREDENTIALS: _LOGINS["google"],
        _C.VARIABLE_INVALID: "export {subject}=VALUE   (without that character)",
        _C.NO_QUOTA_PROJECT: "export GOOGLE_CLOUD_QUOTA_PROJECT=PROJECT",
        _C.GOOGLE_CREDENTIALS_INVALID: _LOGINS["google"],
        _C.ENDPOINT_INVALID: _endpoint,
        _C.PROXY_INVALID: "check HTTPS_PROXY and ALL_PROXY",
        _C.EXTRA_MISSING: "pip install 'nimble-harvester[{subject}]'",
        _C.STORE_DENIED: _test,
        _C.STORE_REFUSED: lambda values: fetch_step(str(values.get("reason", ""))),
        _C.STORE_UNAVAILABLE: "try again later",
        _C.STORE_UNREACHABLE: "check network, proxy and endpoint, then: nimble-harvester ls {subject}",
        _C.CERTIFICATE_REFUSED: _FETCH_STEPS["certificate"],
        _C.NOT_A_STORE: _store,
        _C.NO_SUCH_DIRECTORY: "check the path",
        _C.NOT_A_DIRECTORY: "give the directory, not the file",
        _C.BUCKET_OF_ANOTHER_ACCOUNT: "aws sts get-caller-identity   (compare the account, and the bucket's name)",
        _C.BUCKET_NAME_TAKEN: "compare the bucket's name: names are global, and another account has this one",
        _C.EVERY_FETCH_FAILS: _each_fetch,
        _C.TEST_DENIED: "nimble-harvester policy show --for reader --can test --mode jobs --bucket {bucket}",
        _C.TEST_DENIED_BY_GCS: "grant these credentials roles/storage.objectViewer (read) or objectCreator (write)",
        _C.TEST_UNANSWERED: "check network and endpoint, then: nimble-harvester test {url} --access {access}",
    }
)
"""What to do after an error of a location, a store or credentials."""
