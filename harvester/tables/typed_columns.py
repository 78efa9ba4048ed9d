"""Typed columns: values of a row that a person names, each with an Arrow type."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from harvester.error_codes import ErrorCode
from harvester.errors import UsageError
from harvester.tables.table_columns import ROW_COLUMNS

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
_DECIMAL = re.compile(r"decimal\((\d{1,2}), ?(\d{1,2})\)", re.ASCII)
# Values of CSV files are texts.
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,9})?", re.ASCII)
_MAX_COLUMNS: Final = 1000
_INT64: Final = range(-(2**63), 2**63)
_MISSING: Final = object()
_ENCODE: Final = msgspec.json.Encoder(decimal_format="number").encode


class TypedColumn(NamedTuple):
    """A column of an export that holds one value of each row."""

    name: str
    """Its name."""
    pointer: str
    """JSON pointer (RFC 6901) into the envelope, the row of a jobs file, or the run document."""
    type: str
    """``string``, ``int64``, ``float64``, ``bool``, ``date``, ``timestamp``, ``decimal(P,S)`` or ``json``."""


class ColumnError(UsageError):
    """The file of typed columns cannot be used."""

    code = ErrorCode.COLUMNS_INVALID


def read_columns(path: Path) -> tuple[TypedColumn, ...]:
    """Return the columns of a ``--columns`` file: a JSON array of ``name``, ``pointer`` and ``type``.

    Raises UsageError for a file that cannot be read, ColumnError for one that is no list of columns.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read", cause=error.strerror or "", code=ErrorCode.FILE_UNREADABLE, subject=str(path)
        ) from error
    try:
        return parse_columns(json.loads(text))
    except (ValueError, RecursionError) as error:
        if isinstance(error, ColumnError):
            raise
        raise ColumnError(f"{path} is not JSON", cause=type(error).__name__, subject=str(path)) from error


def parse_columns(document: Any) -> tuple[TypedColumn, ...]:
    """Return the columns of a parsed file. Raises ColumnError."""
    if not isinstance(document, list) or len(document) > _MAX_COLUMNS:
        raise ColumnError("the columns are no array", cause=f"at most {_MAX_COLUMNS} objects of name, pointer and type")
    columns: list[TypedColumn] = []
    for number, entry in enumerate(document):
        if not isinstance(entry, dict) or set(entry) != set(TypedColumn._fields):
            raise ColumnError(f"column {number} is no column", cause="a column has name, pointer and type, all texts")
        if not all(isinstance(value, str) for value in entry.values()):
            raise ColumnError(f"column {number} is no column", cause="name, pointer and type are texts")
        column = TypedColumn(**entry)
        _check(column)
        columns.append(column)
    names = [column.name.lower() for column in columns]
    if len(set(names)) != len(names):
        raise ColumnError("two columns have one name", cause="names differ by more than case")
    return tuple(columns)


def _check(column: TypedColumn) -> None:
    if not _NAME.fullmatch(column.name) or column.name.lower() in ROW_COLUMNS:
        raise ColumnError(
            f"no name for a column: {column.name[:60]!r}",
            cause="letters, digits and underscores, and none of the columns that every table has",
        )
    if column.pointer and not column.pointer.startswith("/"):
        raise ColumnError(f"no JSON pointer: {column.pointer[:60]!r}", cause="it starts with / (RFC 6901)")
    found = _DECIMAL.fullmatch(column.type)
    if column.type not in _CONVERTERS and (
        found is None or not int(found[2]) <= int(found[1]) <= 38 or found[1] == "0"
    ):
        raise ColumnError(f"no type: {column.type[:60]!r}", cause=f"{', '.join(_CONVERTERS)} or decimal(P,S), P to 38")


def arrow_type(column: TypedColumn) -> Any:
    """Return the Arrow type of a column."""
    import pyarrow as pa

    found = _DECIMAL.fullmatch(column.type)
    if found is not None:
        return pa.decimal128(int(found[1]), int(found[2]))
    return {
        "string": pa.string(),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "bool": pa.bool_(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us", "UTC"),
        "json": pa.json_(pa.string()),
    }[column.type]


class TypedValues:
    """Reads the typed columns of rows, and counts the values that do not fit."""

    def __init__(self, columns: Sequence[TypedColumn]) -> None:
        """Prepare the columns."""
        self.columns = tuple(columns)
        """The columns."""
        self._columns = [(column.name, _steps(column.pointer), _converter(column.type)) for column in columns]
        self.missing = (None,) * len(columns)
        """The values of a row without any."""
        self.misfits: dict[str, int] = {}
        """By column, how many values did not fit and are NULL."""

    def of(self, text: bytes) -> Sequence[Any]:
        """Return the values of a row in the order of the columns; absent and null are None."""
        if not self._columns:
            return ()
        try:
            document = json.loads(text, parse_float=Decimal, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            document = _MISSING
        return [self._value(name, document, steps, convert) for name, steps, convert in self._columns]

    def columns_of(self, texts: Sequence[bytes | None]) -> dict[str, Sequence[Any]]:
        """Return the values of rows by column; None is a row without any."""
        if not self._columns:
            return {}
        rows = [self.missing if text is None else self.of(text) for text in texts]
        return dict(zip((column.name for column in self.columns), zip(*rows, strict=True), strict=True))

    def _value(self, name: str, document: Any, steps: Sequence[str], convert: Callable[[Any], Any]) -> Any:
        value = _at(document, steps)
        if value is None or value is _MISSING:
            return None
        try:
            return convert(value)
        except (ValueError, TypeError, ArithmeticError):
            self.misfits[name] = self.misfits.get(name, 0) + 1
            return None


def _no_constant(constant: str) -> Any:
    raise ValueError(constant)


def _steps(pointer: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _at(value: Any, steps: Sequence[str]) -> Any:
    for step in steps:
        if isinstance(value, dict):
            value = value.get(step, _MISSING)
        elif isinstance(value, list) and step.isascii() and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return _MISSING
    return value


def _converter(name: str) -> Callable[[Any], Any]:
    found = _DECIMAL.fullmatch(name)
    if found is None:
        return _CONVERTERS[name]
    precision, scale = int(found[1]), int(found[2])

    def convert(value: Any) -> Decimal:
        number = _number(value)
        exact = number.quantize(Decimal(1).scaleb(-scale)) if number.is_finite() else number
        if exact != number or len(exact.as_tuple().digits) > precision:
            raise ValueError
        return exact

    return convert


def _number(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise TypeError
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise ValueError
    return Decimal(value)


def _int64(value: Any) -> int:
    number = _number(value)
    if not number.is_finite() or number.adjusted() > 19:
        raise ValueError
    whole = int(number)
    if whole != number or whole not in _INT64:
        raise ValueError
    return whole


def _float64(value: Any) -> float:
    number = float(_number(value))
    if number - number != 0:
        raise ValueError
    return number


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    value.encode()
    return value


def _date(value: Any) -> dt.date:
    return dt.date.fromisoformat(_string(value))


def _timestamp(value: Any) -> dt.datetime:
    found = dt.datetime.fromisoformat(_string(value))
    if found.tzinfo is None:
        raise ValueError
    return found.astimezone(dt.UTC)


def _json(value: Any) -> str:
    return _ENCODE(value).decode()


_CONVERTERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "string": _string,
    "int64": _int64,
    "float64": _float64,
    "bool": _bool,
    "date": _date,
    "timestamp": _timestamp,
    "json": _json,
}
