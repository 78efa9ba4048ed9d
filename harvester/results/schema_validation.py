"""JSON Schema validation: the schemas of the shapes, and the user's own for ``data.parsing``.

jsonschema-rs decides what is valid and explains what is not; jsonschema checks the user's schema against its
meta-schema, and is the reference in the tests. Both are imported on first use.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, NoReturn, cast

from harvester.error_codes import ErrorCode
from harvester.errors import UsageError
from harvester.results.json_text import UTF8_MARK, scan
from harvester.results.record import ContentReason, ContentRefused, Shape
from harvester.results.result_options import DEFAULT_MAX_SCHEMA_STEPS
from harvester.results.shapes import json_type
from harvester.text import printable

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError

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
_MAX_ERRORS = 100
_COMBINED = ("anyOf", "oneOf")
# An explanation holds every refusal of every branch in memory.
_MOST_EXPLAINED_STEPS = 10_000


class UserSchemaError(UsageError, ValueError):
    """The user's schema is not a usable JSON Schema."""


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
    """One compiled JSON Schema: local references only, formats are annotations.

    jsonschema-rs decides and explains: its patterns run in linear time, or with a bounded number of steps.
    """

    def __init__(self, schema: dict[str, Any] | bool) -> None:  # noqa: FBT001 - true and false are schemas
        """Compile a schema. Raises ValueError if jsonschema-rs does not support it."""
        import jsonschema_rs

        self._validator = jsonschema_rs.validator_for(schema, validate_formats=False, retriever=_never_fetch)

    def check(self, value: Any, reason: ContentReason, root: str, *, explain: bool = True) -> None:
        """Raise ContentRefused unless ``value`` satisfies the schema; with the schema path if asked to ``explain``."""
        try:
            try:
                fault = self._fault(value, root, explain=explain)
            except UnicodeEncodeError:
                fault = self._fault(_without_surrogates(value), root, explain=explain)
        except (ValueError, RecursionError) as error:
            fault = f"{root}: cannot be checked against the schema ({type(error).__name__})"
        if fault is not None:
            raise ContentRefused(reason, fault)

    def _fault(self, value: Any, root: str, *, explain: bool) -> str | None:
        if self._validator.is_valid(value):
            return None
        if not explain:
            return f"{root}: refused; to find where takes more than {_MOST_EXPLAINED_STEPS:,} steps"
        errors = list(islice(self._validator.iter_errors(value), _MAX_ERRORS))
        error = min(errors, key=_relevance)
        while nested := _deepest(error):
            error = nested
        return _explain(error, errors, value, root)


class UserSchema:
    """The user's JSON Schema for ``data.parsing``."""

    def __init__(self, text: str, max_steps: int = DEFAULT_MAX_SCHEMA_STEPS) -> None:
        """Check and compile it; a value that takes more than ``max_steps`` is refused. Raises UserSchemaError."""
        import jsonschema
        import jsonschema_rs
        from referencing.exceptions import Unresolvable

        from harvester.results.schema_steps import CircularSchema, SchemaSteps

        schema = _parse_schema(text)
        try:
            # Five hundred times as fast, and without an explanation.
            is_valid = jsonschema_rs.meta.is_valid(schema)
        except jsonschema_rs.ReferencingError:
            is_valid = False
        try:
            if not is_valid:
                jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator).check_schema(
                    schema
                )
        except jsonschema.SchemaError as error:
            raise UserSchemaError(
                f"the schema is not a JSON Schema: {_path('#', error.path, '/')}",
                cause=f"refused by {error.validator} of its meta-schema",
                code=ErrorCode.SCHEMA_INVALID,
            ) from error
        try:
            _resolve_references(schema)
            self._steps = SchemaSteps(schema)
        except Unresolvable as error:
            raise UserSchemaError(
                "the schema has a $ref that does not resolve within the schema itself",
                cause="remote references are never fetched",
                code=ErrorCode.SCHEMA_REFERENCE_UNRESOLVED,
            ) from error
        except CircularSchema as error:
            raise UserSchemaError(
                "the schema applies itself to the same value again",
                cause="a check against it would not end",
                code=ErrorCode.SCHEMA_INVALID,
            ) from error
        self._max_steps = max_steps
        try:
            self.compiled = CompiledSchema(_of_known_dialect(schema))
        except ValueError as error:
            raise UserSchemaError(
                "the schema uses a dialect or a pattern that is not supported",
                cause="patterns are of ECMA 262 and evaluated in bounded time; drafts 4, 6, 7, 2019-09 and 2020-12",
                code=ErrorCode.SCHEMA_INVALID,
            ) from error

    def check(self, parsing: bytes) -> None:
        """Raise ContentRefused with the schema path unless the text of ``data.parsing`` satisfies the schema."""
        try:
            value = json.loads(parsing)
        except (RecursionError, ValueError) as error:
            raise ContentRefused(
                ContentReason.USER_SCHEMA,
                f"$.data.parsing: cannot be checked against the schema ({type(error).__name__})",
            ) from error
        explain = True
        if not self._steps.is_bounded:
            steps = self._steps.count(value, self._max_steps)
            if steps > self._max_steps:
                detail = f"$.data.parsing: a check against the schema takes more than {self._max_steps:,} steps"
                raise ContentRefused(ContentReason.USER_SCHEMA, detail)
            explain = steps <= _MOST_EXPLAINED_STEPS
        self.compiled.check(value, ContentReason.USER_SCHEMA, "$.data.parsing", explain=explain)


def _parse_schema(text: str) -> Any:
    content = text.encode("utf-8", "surrogatepass").removeprefix(UTF8_MARK)
    try:
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

    from harvester.results.schema_steps import REFERENCES

    root: Resource[Any] = Resource.from_contents(schema, default_specification=DRAFT202012)
    pending = [(root, REGISTRY.resolver_with_root(root))]
    while pending:
        resource, resolver = pending.pop()
        if isinstance(resource.contents, dict):
            for keyword in REFERENCES:
                reference = resource.contents.get(keyword)
                if isinstance(reference, str):
                    resolver.lookup(reference)
        pending += [(inner, resolver.in_subresource(inner)) for inner in resource.subresources()]


def _never_fetch(uri: str) -> NoReturn:
    raise LookupError(uri)


@cache
def _shape_schema(shape: Shape) -> CompiledSchema:
    return CompiledSchema(json.loads(shape_schema_text(shape)))


def _of_known_dialect(schema: dict[str, Any] | bool) -> dict[str, Any] | bool:  # noqa: FBT001 - as above
    """Return a schema of an unknown dialect as one of draft 2020-12, as jsonschema takes it."""
    from jsonschema.validators import validator_for

    if isinstance(schema, dict) and "$schema" in schema and validator_for(schema, default=cast("Any", None)) is None:
        return {key: value for key, value in schema.items() if key != "$schema"}
    return schema


def _without_surrogates(value: Any) -> Any:
    """Return a value with `?` for lone surrogates, which jsonschema-rs cannot hold."""
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def _relevance(error: ValidationError) -> tuple[int, bool]:
    return len(error.instance_path), error.kind.name in _COMBINED


def _deepest(error: ValidationError) -> ValidationError | None:
    """Return the one error of a combination that lies deepest within the value; None if none does."""
    if error.kind.name not in _COMBINED:
        return None
    nested = [inner for branch in error.kind.as_dict()["context"] for inner in branch]
    depth = max((len(inner.instance_path) for inner in nested), default=0)
    found = [inner for inner in nested if len(inner.instance_path) == depth > len(error.instance_path)]
    return found[0] if len(found) == 1 else None


def _explain(error: ValidationError, errors: list[ValidationError], value: Any, root: str) -> str:
    where = _path(root, error.instance_path, ".")
    rule = _path("#", error.schema_path, "/")
    kind = error.kind
    instance = value
    for step in error.instance_path:
        instance = instance[step]
    found = json_type(instance)
    if kind.name == "type":
        return f"{where}: expected {' or '.join(kind.as_dict()['types'])}, found {found} (schema {rule})"
    if kind.name == "required":
        place = (error.instance_path, error.schema_path)
        same = [other for other in errors if (other.instance_path, other.schema_path) == place] or [error]
        missing = [repr(other.kind.as_dict()["property"]) for other in same]
        return f"{where}: missing {', '.join(missing)} (schema {rule})"
    return f"{where}: {found} refused by {kind.name} (schema {rule})"


def _path(root: str, steps: Iterable[str | int], separator: str) -> str:
    """Write a path; names of keys are escaped to one line of legal text and a long path is cut."""
    parts = [f"[{step}]" if isinstance(step, int) and separator == "." else f"{separator}{step}" for step in steps]
    text = root + printable("".join(parts))
    return text if len(text) <= _MAX_PATH else text[:_MAX_PATH] + "…"
