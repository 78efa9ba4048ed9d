"""How results are read: the options that a worker is started with."""

from enum import StrEnum
from typing import Final, NamedTuple


class Validation(StrEnum):
    """How much is checked before an object counts as good."""

    OFF = "off"
    """Only that there are bytes, and that gzip is whole and bounded."""
    SHAPE = "shape"
    """Also strict JSON of a known shape, and rows that are rows."""
    SCHEMA = "schema"
    """Also the JSON Schema of the shape, and the user's own on ``data.parsing``."""


DEFAULT_MAX_CONTENT_BYTES: Final = 8 * 1024**3
"""Default of `ResultOptions.max_content_bytes`."""

DEFAULT_MAX_RATIO: Final = 200
"""Default of `ResultOptions.max_ratio`. Pages have about 4:1, tables 50:1."""

DEFAULT_MAX_SCHEMA_STEPS: Final = 200_000_000
"""Default of `ResultOptions.max_schema_steps`: three to ten seconds."""


class ResultOptions(NamedTuple):
    """How objects are read. Picklable: worker processes receive it."""

    keep_compressed: bool = False
    """Land gzip as it was delivered; its content is checked all the same."""
    validation: Validation = Validation.SCHEMA
    """How much is checked."""
    user_schema: str | None = None
    """JSON text of the user's JSON Schema for ``data.parsing``."""
    max_content_bytes: int = DEFAULT_MAX_CONTENT_BYTES
    """Largest content accepted, in bytes, after inflating."""
    max_ratio: int = DEFAULT_MAX_RATIO
    """How many times the bytes delivered content may have, above 8 MiB."""
    max_schema_steps: int = DEFAULT_MAX_SCHEMA_STEPS
    """Steps that the check of one value against the user's schema may take."""
