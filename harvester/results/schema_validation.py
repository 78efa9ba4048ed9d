"""JSON Schema validation: the schemas of the shapes, and the user's own for ``data.parsing``.

jsonschema is the reference. jsonschema-rs decides what is valid; what it refuses or cannot check, the reference
decides and explains. Both are imported on first use.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from harvester.error_codes import ErrorCode
from harvester.errors import UsageError
from harvester.results.json_scanner import scan
from harvester.results.record import ContentReason, ContentRefused, Shape
from harvester.results.shapes import json_type
from harvester.text import printable

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

_MAX_PATH = 200
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


class UserSchemaError(UsageError, ValueError):
    """The user's schema is not a usable JSON Schema."""


class _FastValidator(Protocol):
    def is_valid(self, instance: Any) -> bool: ...


def shape_schema_text(shape: Shape) -> str:
    """Return the shape's JSON Schema as shipped. Raises KeyError for a shape that is no JSON document."""
    from importlib.resources import files

    if shape not in SHAPES_WITH_SCHEMA:
        raise KeyError(shape)
    return files("harvester.results").joinpath("schemas", f"{shape}.json").read_text(encoding="utf-8")


def check_shape(document: Any, shape: Shape) -> None:
    """Raise ContentRefused with the schema path unless the document satisfies its shape's schema."""
    _shape_schema(shape).check(document, ContentReason.SCHEMA, "$")


class CompiledSchema:
    """One compiled JSON Schema: local references only, formats are annotations."""

    def __init__(self, schema: dict[str, Any] | bool) -> None:  # noqa: FBT001 - true and false are schemas
        """Compile a schema that has been checked."""
        import jsonschema_rs

        self._schema = schema
        self._fast: _FastValidator | None = None
        with suppress(ValueError):
            # A dialect or pattern that jsonschema-rs does not support is left to the reference.
            self._fast = jsonschema_rs.validator_for(schema, validate_formats=False, retriever=_never_fetch)

    def check(self, value: Any, reason: ContentReason, root: str) -> None:
        """Raise ContentRefused with the schema path unless ``value`` satisfies the schema."""
        try:
            if self._fast is not None and self._fast.is_valid(value):
                return
        except ValueError:
            # Lone surrogates and deep nesting are left to the reference.
            pass
        self.check_by_reference(value, reason, root)

    def check_by_reference(self, value: Any, reason: ContentReason, root: str) -> None:
        """Check by the reference alone; raises as `check` does."""
        from jsonschema.exceptions import best_match
        from referencing.exceptions import Unresolvable

        try:
            error = best_match(_reference(self._schema).iter_errors(value))
        except (RecursionError, OverflowError, Unresolvable) as failure:
            raise ContentRefused(
                reason, f"{root}: cannot be checked against the schema ({type(failure).__name__})"
            ) from failure
        if error is not None:
            raise ContentRefused(reason, _explain(error, root))


class UserSchema:
    """The user's JSON Schema for ``data.parsing``."""

    def __init__(self, text: str) -> None:
        """Check and compile it. Raises UserSchemaError."""
        import jsonschema
        from referencing.exceptions import Unresolvable

        schema = _parse_schema(text)
        try:
            jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator).check_schema(schema)
        except jsonschema.SchemaError as error:
            raise UserSchemaError(
                f"the schema is not a JSON Schema: {_path('#', error.path, '/')}",
                cause=f"refused by {error.validator} of its meta-schema",
                code=ErrorCode.SCHEMA_INVALID,
            ) from error
        try:
            _resolve_references(schema)
        except Unresolvable as error:
            raise UserSchemaError(
                "the schema has a $ref that does not resolve within the schema itself",
                cause="remote references are never fetched",
                code=ErrorCode.SCHEMA_REFERENCE_UNRESOLVED,
            ) from error
        self.compiled = CompiledSchema(schema)

    def check(self, parsing: bytes) -> None:
        """Raise ContentRefused with the schema path unless the text of ``data.parsing`` satisfies the schema."""
        try:
            value = json.loads(parsing)
        except (RecursionError, ValueError) as error:
            raise ContentRefused(
                ContentReason.USER_SCHEMA,
                f"$.data.parsing: cannot be checked against the schema ({type(error).__name__})",
            ) from error
        self.compiled.check(value, ContentReason.USER_SCHEMA, "$.data.parsing")


def _parse_schema(text: str) -> Any:
    try:
        content = text.encode("utf-8", "surrogatepass")
        scan(content)
        schema = json.loads(content)
    except (ContentRefused, ValueError, RecursionError) as error:
        cause = (
            error.problem.detail if isinstance(error, ContentRefused) else f"it cannot be read ({type(error).__name__})"
        )
        raise UserSchemaError("the schema is not JSON", cause=cause, code=ErrorCode.SCHEMA_NOT_JSON) from error
    if not isinstance(schema, dict | bool):
        raise UserSchemaError(
            f"the schema is {json_type(schema)}",
            cause="a JSON Schema is an object, true or false",
            code=ErrorCode.SCHEMA_NOT_JSON,
        )
    return schema


def _resolve_references(schema: dict[str, Any] | bool) -> None:  # noqa: FBT001 - true and false are schemas
    """Raise Unresolvable if a reference leads outside the schema and the meta-schemas."""
    from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]
    from referencing import Resource
    from referencing.jsonschema import DRAFT202012

    root: Resource[Any] = Resource.from_contents(schema, default_specification=DRAFT202012)
    pending = [(root, REGISTRY.resolver_with_root(root))]
    while pending:
        resource, resolver = pending.pop()
        if isinstance(resource.contents, dict):
            for keyword in _REFERENCES:
                reference = resource.contents.get(keyword)
                if isinstance(reference, str):
                    resolver.lookup(reference)
        pending += [(inner, resolver.in_subresource(inner)) for inner in resource.subresources()]


def _never_fetch(uri: str) -> NoReturn:
    raise LookupError(uri)


@cache
def _shape_schema(shape: Shape) -> CompiledSchema:
    return CompiledSchema(json.loads(shape_schema_text(shape)))


def _reference(schema: Any) -> Validator:
    import jsonschema
    from jsonschema_specifications import REGISTRY

    validator_class = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    # A registry that is given never retrieves.
    return validator_class(schema, registry=REGISTRY)


def _explain(error: ValidationError, root: str) -> str:
    where = _path(root, error.absolute_path, ".")
    rule = _path("#", error.absolute_schema_path, "/")
    found = json_type(error.instance)
    expected: Any = error.validator_value
    instance: Any = error.instance
    if error.validator == "type":
        wanted = " or ".join(expected) if isinstance(expected, list) else expected
        return f"{where}: expected {wanted}, found {found} (schema {rule})"
    if error.validator == "required":
        missing = [name for name in expected if name not in instance]
        return f"{where}: missing {', '.join(map(repr, missing))} (schema {rule})"
    return f"{where}: {found} refused by {error.validator} (schema {rule})"


def _path(root: str, steps: Iterable[str | int], separator: str) -> str:
    """Write a path; names of keys are escaped to one line of legal text and a long path is cut."""
    parts = [f"[{step}]" if isinstance(step, int) and separator == "." else f"{separator}{step}" for step in steps]
    text = root + printable("".join(parts))
    return text if len(text) <= _MAX_PATH else text[:_MAX_PATH] + "…"
