"""JSON Schemas: those of the shapes, which ship with the package, and the user's own for ``data.parsing``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NoReturn

from harvester.errors import UsageError
from harvester.result import strict
from harvester.result.record import Reason, Refused, Shape
from harvester.result.shapes import json_type

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

SHAPES_WITH_SCHEMA = (
    Shape.EXTRACT,
    Shape.AGENT,
    Shape.CRAWL_PAGE,
    Shape.JOBS_DOCUMENT,
    Shape.RUN,
    Shape.ROWS,
)
"""The shapes that are one JSON document."""


class UserSchemaError(UsageError, ValueError):
    """The user's schema is not one that can be used here."""


def shape_schema_text(shape: Shape) -> str:
    """Return the shape's JSON Schema as shipped. Raises KeyError for a shape that is no JSON document."""
    if shape not in SHAPES_WITH_SCHEMA:
        raise KeyError(shape)
    return files("harvester.result").joinpath("schemas", f"{shape}.json").read_text(encoding="utf-8")


def check_shape(document: Any, shape: Shape) -> None:
    """Raise Refused with the schema path unless the document satisfies its shape's schema."""
    _check(_reference(shape), document, Reason.SCHEMA, "$")


class UserSchema:
    """The user's JSON Schema for ``data.parsing``: local references only, formats are annotations."""

    def __init__(self, text: str) -> None:
        """Compile it. Raises UserSchemaError."""
        import jsonschema
        import jsonschema_rs

        schema = _parse_schema(text)
        validator_class = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
        try:
            validator_class.check_schema(schema)
        except jsonschema.SchemaError as error:
            raise UserSchemaError(
                f"the schema is not a JSON Schema: {_path('#', error.path)}",
                cause=f"refused by {error.validator} of its meta-schema",
                next_step="correct it; nimble-harvester schema extract shows one",
            ) from error
        try:
            jsonschema_rs.validator_for(schema, validate_formats=False, retriever=_never_fetch)
        except jsonschema_rs.ReferencingError as error:
            raise UserSchemaError(
                "the schema has a $ref that leads nowhere in the schema itself",
                cause="remote references are never fetched",
                next_step="put what it refers to under $defs",
            ) from error
        except ValueError:
            # A dialect the reference knows and the fast one does not (a pattern, for one): the reference alone decides.
            pass
        self._reference = _validator(validator_class, schema)

    def check(self, parsing: Any) -> None:
        """Raise Refused with the schema path unless ``parsing`` satisfies the schema."""
        _check(self._reference, parsing, Reason.USER_SCHEMA, "$.data.parsing")


def _parse_schema(text: str) -> Any:
    try:
        schema = strict.parse(text.encode("utf-8", "surrogatepass"))
    except Refused as refused:
        raise UserSchemaError(
            "the schema is not JSON", cause=refused.problem.detail, next_step="correct the file"
        ) from refused
    if not isinstance(schema, dict | bool):
        raise UserSchemaError(
            f"the schema is {json_type(schema)}",
            cause="a JSON Schema is an object, true or false",
            next_step="correct the file",
        )
    return schema


def _never_fetch(uri: str) -> NoReturn:
    raise LookupError(uri)


@cache
def _reference(shape: Shape) -> Validator:
    import jsonschema

    return _validator(jsonschema.Draft202012Validator, json.loads(shape_schema_text(shape)))


def _validator(validator_class: type[Validator], schema: Any) -> Validator:
    from jsonschema_specifications import REGISTRY

    # An explicit registry is one that never retrieves.
    return validator_class(schema, registry=REGISTRY)


def _check(validator: Validator, value: Any, reason: Reason, root: str) -> None:
    from jsonschema.exceptions import best_match

    error = best_match(validator.iter_errors(value))
    if error is not None:
        raise Refused(reason, _explain(error, root))


def _explain(error: ValidationError, root: str) -> str:
    where = _path(root, error.absolute_path)
    rule = _path("#", error.absolute_schema_path, separator="/")
    found = json_type(error.instance)
    if error.validator == "type":
        expected = error.validator_value
        wanted = " or ".join(expected) if isinstance(expected, list) else expected
        return f"{where}: expected {wanted}, found {found} (schema {rule})"
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        return f"{where}: missing {', '.join(map(repr, missing))} (schema {rule})"
    return f"{where}: {found} refused by {error.validator} (schema {rule})"


def _path(root: str, steps: Iterable[str | int], separator: str = ".") -> str:
    return "".join(
        [
            root,
            *(
                f"[{step}]" if isinstance(step, int) and separator == "." else f"{separator}{step}"
                for step in steps
            ),
        ]
    )
