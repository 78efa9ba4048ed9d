"""Snapshots in files: written by ``explain --save``, read for explaining without a network and as a baseline."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from harvester.access.bucket_snapshot import Snapshot, snapshot_of
from harvester.access.delivery_targets import DeliveryTarget, policy_errors_converted
from harvester.error_codes import ErrorCode
from harvester.errors import IntegrityError, UsageError
from harvester.file_replacement import replace_file
from harvester.storage import PERMISSIONS, GcsSettings, KmsKey, S3Settings, Unread, UnreadReason, permission_of
from policies import DocumentKind, GrammarError, ParseError, dump_json, parse, parse_json

SCHEMA = "urn:nimble-harvester:settings:v1"
_SCHEMAS = (SCHEMA, "nimble-harvester/settings/v1")
"""The names of the schema in files, also as earlier versions wrote it."""
SETTINGS_FILE, POLICY_FILE, KEY_POLICY_FILE = "settings.json", "bucket-policy.json", "key-policy.json"
_UNREAD = "unread"


def save_snapshot(snapshot: Snapshot, directory: Path) -> tuple[Path, ...]:
    """Write a snapshot into ``directory``/BUCKET and return the files; replaces an earlier one.

    Raises UsageError where they cannot be written.
    """
    folder = directory / snapshot.bucket
    documents: dict[str, str | None] = {
        POLICY_FILE: _policy_text(snapshot),
        KEY_POLICY_FILE: snapshot.key.policy
        if snapshot.key is not None and isinstance(snapshot.key.policy, str)
        else None,
        SETTINGS_FILE: json.dumps(_settings_document(snapshot), indent=2) + "\n",
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in documents.items():
            path = folder / name
            if text is None:
                path.unlink(missing_ok=True)
            else:
                replace_file(path, text.encode())
    except OSError as error:
        raise UsageError(
            f"cannot write into {folder}",
            cause=error.strerror or str(error),
            code=ErrorCode.SNAPSHOT_NOT_WRITTEN,
            subject=str(folder),
        ) from error
    return tuple(folder / name for name, text in documents.items() if text is not None)


def _policy_text(snapshot: Snapshot) -> str | None:
    policy = snapshot.settings.policy
    if isinstance(policy, Mapping):
        return dump_json(policy)
    return policy if isinstance(policy, str) else None


def _settings_document(snapshot: Snapshot) -> dict[str, Any]:
    settings = snapshot.settings
    fields = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    bucket = fields.pop("bucket")
    if not isinstance(fields["policy"], Unread) and fields["policy"] is not None:
        fields["policy"] = {"file": POLICY_FILE}
    key = None
    if snapshot.key is not None:
        key = {name: _plain(value) for name, value in _fields_of(snapshot.key).items()}
        if isinstance(snapshot.key.policy, str):
            key["policy"] = {"file": KEY_POLICY_FILE}
    return {
        "schema": SCHEMA,
        "cloud": "s3" if snapshot.s3 is not None else "gs",
        "bucket": bucket,
        "settings": {name: _plain(value) for name, value in fields.items()},
        "key": key,
    }


def _fields_of(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def _plain(value: Any) -> Any:
    if isinstance(value, Unread):
        return {
            _UNREAD: value.reason.value,
            "permission": value.permission,
            "code": value.code,
            "request_id": value.request_id,
        }
    return msgspec.to_builtins(value)


def load_snapshot(
    target: DeliveryTarget,
    *,
    policy_file: Path | None = None,
    key_policy_file: Path | None = None,
    settings_file: Path | None = None,
    key_arn: str | None = None,
    strict: bool = True,
    max_policy_bytes: int | None = None,
) -> Snapshot:
    """Return a snapshot from files; what no file contains is not known.

    Without ``strict`` a policy that cannot be read as one is part of the snapshot, as it is when the bucket has it.
    Raises UsageError for a file that cannot be read or is longer than ``max_policy_bytes``, IntegrityError for one
    that is not what it claims to be.
    """
    saved = _read_settings(settings_file, target) if settings_file is not None else {"settings": {}, "key": None}
    policy = _read_text(policy_file, max_policy_bytes) if policy_file is not None else None
    if policy is not None and strict:
        _check_policy(policy, "gcs" if target.contract.cloud == "gs" else "s3", policy_file, target.bucket)
    if target.contract.cloud == "gs":
        return snapshot_of(_gcs_settings(target, saved["settings"], policy, str(policy_file)), None)
    key_policy = _read_text(key_policy_file, max_policy_bytes) if key_policy_file is not None else None
    if key_policy is not None and strict:
        _check_policy(key_policy, "kms", key_policy_file, target.bucket)
    settings = _s3_settings(target, saved["settings"], policy)
    return snapshot_of(settings, _key(saved["key"], key_policy, key_arn))


def load_saved(target: DeliveryTarget, directory: Path) -> Snapshot:
    """Return the snapshot of the target's bucket that `save_snapshot` wrote. Raises like `load_snapshot`."""
    folder = directory / target.bucket
    if not (folder / SETTINGS_FILE).is_file():
        raise UsageError(
            f"{folder} holds no saved settings",
            cause=f"there is no {SETTINGS_FILE}",
            code=ErrorCode.SNAPSHOT_MISSING,
            subject=str(folder),
            parameters={**target.parameters(), "directory": str(directory)},
        )
    named = {name: folder / name for name in (POLICY_FILE, KEY_POLICY_FILE) if (folder / name).is_file()}
    return load_snapshot(
        target,
        policy_file=named.get(POLICY_FILE),
        key_policy_file=named.get(KEY_POLICY_FILE),
        settings_file=folder / SETTINGS_FILE,
        strict=False,
    )


def _check_policy(text: str, kind: DocumentKind, path: Path | None, bucket: str) -> None:
    with policy_errors_converted():
        parse(text, kind=kind, source=str(path), fragment=True, bucket=bucket)


def _read_text(path: Path, max_bytes: int | None = None) -> str:
    try:
        with path.open("rb") as file:
            content = file.read() if max_bytes is None else file.read(max_bytes + 1)
    except OSError as error:
        cause = error.strerror or str(error)
        raise UsageError(
            f"cannot read {path}", cause=cause, code=ErrorCode.FILE_UNREADABLE, subject=str(path)
        ) from error
    if max_bytes is not None and len(content) > max_bytes:
        raise UsageError(
            f"{path} is longer than {max_bytes:,} bytes",
            cause="what it takes to decide a policy grows with its length",
            code=ErrorCode.FILE_TOO_LONG,
            subject=str(path),
            parameters={"limit": "max_policy_bytes"},
        )
    try:
        return content.decode()
    except UnicodeDecodeError:
        with policy_errors_converted():
            parse_json(content, source=str(path))
        raise


def _read_settings(path: Path, target: DeliveryTarget) -> dict[str, Any]:
    try:
        found = parse_json(_read_text(path), source=str(path))
    except ParseError as error:
        raise IntegrityError(
            error.what,
            cause=error.cause,
            code=ErrorCode.SNAPSHOT_INVALID,
            subject=str(path),
            parameters=target.parameters(),
        ) from error
    if (
        not isinstance(found, dict)
        or found.get("schema") not in _SCHEMAS
        or not isinstance(found.get("settings"), dict)
    ):
        raise IntegrityError(
            f"{path} holds no saved settings",
            cause=f'its "schema" is not "{SCHEMA}"',
            code=ErrorCode.SNAPSHOT_INVALID,
            subject=str(path),
            parameters=target.parameters(),
        )
    if (found.get("cloud"), found.get("bucket")) != (target.contract.cloud, target.bucket):
        raise UsageError(
            f"{path} is about {found.get('cloud')}://{found.get('bucket')}",
            cause=f"the question is about {target.contract.cloud}://{target.bucket}",
            code=ErrorCode.SNAPSHOT_INVALID,
            subject=str(path),
            parameters=target.parameters(),
        )
    return {"settings": found["settings"], "key": found.get("key")}


def _s3_settings(target: DeliveryTarget, saved: Mapping[str, Any], policy: str | None) -> S3Settings:
    values = {name: _value(S3Settings, name, saved, permission) for name, permission in PERMISSIONS.items()}
    if policy is not None:
        values["policy"] = policy
    elif "file" in (saved.get("policy") or {}):
        values["policy"] = Unread(UnreadReason.NOT_ASKED, PERMISSIONS["policy"])
    return S3Settings(bucket=target.bucket, **values)


def _gcs_settings(target: DeliveryTarget, saved: Mapping[str, Any], policy: str | None, source: str) -> GcsSettings:
    names = [field.name for field in dataclasses.fields(GcsSettings) if field.name != "bucket"]
    values = {name: _value(GcsSettings, name, saved, permission_of(name)) for name in names if name != "policy"}
    document: Any = Unread(UnreadReason.NOT_ASKED, permission_of("policy"))
    if policy is not None:
        try:
            document = _bindings_in(policy, source, target.bucket)
        except ParseError as error:
            raise IntegrityError(
                error.what, cause=error.cause, code=ErrorCode.DOCUMENT_INVALID, parameters=error.as_parameters()
            ) from error
    return GcsSettings(bucket=target.bucket, policy=document, **values)


def _bindings_in(text: str, source: str, bucket: str) -> Any:
    """Return an IAM policy, taken out of what a tool printed around it; raises ParseError for text that is not JSON."""
    try:
        return parse(text, kind="gcs", source=source, bucket=bucket).value
    except GrammarError:
        # What is no policy is part of the snapshot, as it is when the bucket has it.
        return parse_json(text, source=source)


def _value(kind: type, name: str, saved: Mapping[str, Any], permission: str) -> Any:
    if name not in saved:
        return Unread(UnreadReason.NOT_ASKED, permission)
    value = saved[name]
    if isinstance(value, Mapping) and "file" in value:
        return None
    return _converted(kind, name, value)


def _converted(kind: type, name: str, value: Any) -> Any:
    if isinstance(value, Mapping) and _UNREAD in value:
        return _converted_to(
            Unread, {"reason": value[_UNREAD], **{k: v for k, v in value.items() if k != _UNREAD}}, name
        )
    hints = typing.get_type_hints(kind)
    known = tuple(each for each in typing.get_args(hints[name]) if each is not Unread) or (hints[name],)
    return _converted_to(typing.Union[known], value, name)  # noqa: UP007  # made of what is known at run time only


def _converted_to(kind: Any, value: Any, name: str) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise IntegrityError(
            f"the saved setting {name} is not what it should be",
            cause=str(error),
            code=ErrorCode.SNAPSHOT_INVALID,
            subject=name,
        ) from error


def _key(saved: Any, policy: str | None, key_arn: str | None) -> KmsKey | None:
    if not isinstance(saved, Mapping):
        if policy is None and key_arn is None:
            return None
        parts = (key_arn or "").split(":")
        account, region = (parts[4], parts[3]) if len(parts) > 5 else ("", "")
        unknown = Unread(UnreadReason.NOT_ASKED, "kms:GetKeyPolicy")
        description = Unread(UnreadReason.NOT_ASKED, "kms:DescribeKey")
        return KmsKey(key_arn or "", account, region, None, "", "", unknown if policy is None else policy, description)
    values = {field.name: _key_value(field.name, saved) for field in dataclasses.fields(KmsKey)}
    values["policy"] = policy if policy is not None else values["policy"]
    return KmsKey(**values)


def _key_value(name: str, saved: Mapping[str, Any]) -> Any:
    value = saved.get(name)
    if name == "policy" and isinstance(value, Mapping) and "file" in value:
        return Unread(UnreadReason.NOT_ASKED, "kms:GetKeyPolicy")
    return None if name == "description" and value is None else _converted(KmsKey, name, value)
