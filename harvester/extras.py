"""The optional parts of the installation: which package each feature needs, and the error when it is missing."""

import importlib.util
from functools import cache
from typing import NamedTuple

from harvester.error_codes import ErrorCode
from harvester.errors import ConfigurationError


class Extra(NamedTuple):
    """An extra of the installation."""

    name: str
    """Its name in ``pip install nimble-harvester[NAME]``."""
    module: str
    """The module that it installs."""
    feature: str
    """What needs it, as the subject of a sentence."""


PARQUET = Extra("parquet", "pyarrow", "reading Parquet")
DELTA = Extra("delta", "deltalake", "writing Delta tables")
DLT = Extra("dlt", "dlt", "a source of dlt")
DASK = Extra("dask", "distributed", "running a backfill on Dask")
EVENTS = Extra("events", "google.cloud.pubsub_v1", "a Pub/Sub subscription")
LISTEN = Extra("listen", "uvicorn", "receiving webhooks")
NIMBLE = Extra("nimble", "nimble_python", "Nimble's API")
REPORT = Extra("report", "jinja2", "the HTML report")
EXTRAS = (PARQUET, DELTA, DLT, DASK, EVENTS, LISTEN, NIMBLE, REPORT)


@cache
def is_installed(extra: Extra) -> bool:
    """Return whether the extra's module can be imported."""
    try:
        return importlib.util.find_spec(extra.module) is not None
    except ModuleNotFoundError:  # a parent package is missing
        return False


def require_extra(extra: Extra) -> None:
    """Raise ConfigurationError unless the extra is installed; called where a feature starts."""
    if not is_installed(extra):
        raise ConfigurationError(
            f"{extra.feature} needs the extra [{extra.name}], which is not installed",
            cause=f"there is no module {extra.module}",
            code=ErrorCode.EXTRA_MISSING,
            subject=extra.name,
        )
