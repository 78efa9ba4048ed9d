"""What one delivered object is: bytes in, record out.

Pure: nothing here touches a network, a terminal or any file but those it is handed.
"""

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
from harvester.result.rows import rows, select
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
