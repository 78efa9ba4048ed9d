"""What one delivered object is: bytes in, record out.

Pure: nothing here touches a network, a terminal or any file but those it is handed. The names below are loaded when
they are first used: who only plans or prints needs no parser.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harvester.result.reader import ResultReader
    from harvester.result.record import (
        ContentTooLargeForMemory,
        Decoded,
        Problem,
        Reason,
        ResultOptions,
        ResultRecord,
        Shape,
        Validation,
    )
    from harvester.result.row_reading import rows, select
    from harvester.result.schema import SHAPES_WITH_SCHEMA, UserSchemaError, shape_schema_text

__all__ = [
    "SHAPES_WITH_SCHEMA",
    "ContentTooLargeForMemory",
    "Decoded",
    "Problem",
    "Reason",
    "ResultOptions",
    "ResultReader",
    "ResultRecord",
    "Shape",
    "UserSchemaError",
    "Validation",
    "rows",
    "select",
    "shape_schema_text",
]

_HOMES = (
    dict.fromkeys(("ResultReader",), "harvester.result.reader")
    | dict.fromkeys(("rows", "select"), "harvester.result.row_reading")
    | dict.fromkeys(("SHAPES_WITH_SCHEMA", "UserSchemaError", "shape_schema_text"), "harvester.result.schema")
)


def __getattr__(name: str) -> object:
    """Load a public name from the module it lives in."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES.get(name, "harvester.result.record")), name)
