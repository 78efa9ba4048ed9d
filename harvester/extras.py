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


def require_extra(*extras: Extra, feature: str = "") -> None:
    """Raise ConfigurationError unless the extras are installed; called where a feature starts.

    ``feature`` is the subject of the error where it is not that of the first missing extra.
    """
    missing = [extra for extra in extras if not is_installed(extra)]
    if missing:
        names = ",".join(extra.name for extra in missing)
        needed = f"the extra [{names}], which is" if len(missing) == 1 else f"the extras [{names}], which are"
        modules = " or ".join(extra.module for extra in missing)
        raise ConfigurationError(
            f"{feature or missing[0].feature} needs {needed} not installed",
            cause=f"there is no module {modules}",
            code=ErrorCode.EXTRA_MISSING,
            subject=names,
        )
