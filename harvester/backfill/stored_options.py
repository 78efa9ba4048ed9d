"""Options of a backfill as its plan stores them: plain values, and no credentials."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from harvester.destination import Selection
from harvester.error_codes import ErrorCode
from harvester.errors import UsageError
from harvester.results import ResultOptions, Validation
from harvester.sessions import CheckExemption, StoreSettings
from harvester.tables import ExportOptions, parse_columns
from harvester.transfer import SyncOptions, WorkerLimits


def sync_options_document(options: SyncOptions) -> dict[str, Any]:
    """Return the options that decide how an object is landed."""
    return {
        "include": list(options.selection.include),
        "exclude": list(options.selection.exclude),
        "validate": options.result.validation.value,
        "user_schema": options.result.user_schema,
        "max_content_bytes": options.result.max_content_bytes,
        "max_ratio": options.result.max_ratio,
        "max_schema_steps": options.result.max_schema_steps,
        "max_object_bytes": options.max_object_bytes,
        "unsafe_names": options.unsafe_names,
        "worker_limits": options.worker_limits._asdict(),
        "probe_name": options.probe_name,
        "upstream_failures": sorted(options.upstream_failures),
    }


def sync_options(document: dict[str, Any]) -> SyncOptions:
    """Return stored options. Raises LookupError, TypeError or ValueError for anything else."""
    return SyncOptions(
        selection=Selection(tuple(document["include"]), tuple(document["exclude"])),
        result=ResultOptions(
            validation=Validation(document["validate"]),
            user_schema=document["user_schema"],
            max_content_bytes=document["max_content_bytes"],
            max_ratio=document["max_ratio"],
            max_schema_steps=document["max_schema_steps"],
        ),
        max_object_bytes=document["max_object_bytes"],
        unsafe_names=document["unsafe_names"],
        worker_limits=WorkerLimits(**document["worker_limits"]),
        probe_name=document["probe_name"],
        upstream_failures=frozenset(document["upstream_failures"]),
    )


def export_options_document(options: ExportOptions) -> dict[str, Any]:
    """Return the options that decide how rows are written."""
    return {
        "format": options.format,
        "compression": options.compression,
        "columns": [column._asdict() for column in options.columns],
        "drop": list(options.drop),
        "part_bytes": options.part_bytes,
        "value_bytes": options.value_bytes,
    }


def export_options(document: dict[str, Any]) -> ExportOptions:
    """Return stored options. Raises UsageError, LookupError, TypeError or ValueError for anything else."""
    if document["format"] not in ("parquet", "jsonl") or document["compression"] not in ("zstd", "gzip"):
        raise ValueError(document["format"])
    return ExportOptions(
        format=document["format"],
        compression=document["compression"],
        columns=parse_columns(document["columns"]),
        drop=tuple(document["drop"]),
        part_bytes=document["part_bytes"],
        value_bytes=document["value_bytes"],
    )


def store_settings_document(settings: StoreSettings) -> dict[str, Any]:
    """Return how a store is reached. Raises UsageError for an address with a password in it.

    A profile belongs to the machine and names its credentials: it is left out.
    """
    if settings.endpoint_url and "@" in urlsplit(settings.endpoint_url).netloc:
        raise UsageError(
            "an endpoint with a password cannot be stored in a plan",
            cause="plans hold no credentials",
            code=ErrorCode.PLAN_WITH_CREDENTIALS,
        )
    return {
        "endpoint_url": settings.endpoint_url,
        "region": settings.region,
        "request_payer": settings.request_payer,
        "expected_bucket_owner": settings.expected_bucket_owner,
        "exemptions": sorted(each.value for each in settings.exemptions),
        "retries": settings.retry.attempts - 1,
        "stall_seconds": settings.retry.stall_seconds,
        "max_rps": settings.max_rps,
    }


def store_settings(document: dict[str, Any]) -> StoreSettings:
    """Return stored settings. Raises LookupError, TypeError or ValueError for anything else."""
    settings = StoreSettings()
    return replace(
        settings,
        endpoint_url=document["endpoint_url"],
        region=document["region"],
        request_payer=document["request_payer"],
        expected_bucket_owner=document["expected_bucket_owner"],
        exemptions=frozenset(map(CheckExemption, document["exemptions"])),
        max_rps=document["max_rps"],
        retry=settings.retry._replace(attempts=document["retries"] + 1, stall_seconds=document["stall_seconds"]),
    )
