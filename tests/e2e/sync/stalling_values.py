"""A schema that stalls its validator, and values that it is applied to."""

from __future__ import annotations

# Each definition tries the next one twice: 2**40 steps for 40 definitions.
EXPONENTIAL = {
    "$defs": {
        **{str(number): {"anyOf": [{"$ref": f"#/$defs/{number + 1}"}] * 2} for number in range(40)},
        "40": {"type": "integer"},
    },
    "properties": {"deep": {"$ref": "#/$defs/0"}},
}
ANY_STEPS = "1000000000000000000"
STALLING = '"text"'


def envelope(deep: str, more: str = "[]") -> bytes:
    """Return an envelope with two values as JSON; ``deep`` is checked against the schema."""
    return f'{{"url": "u", "data": {{"parsing": {{"deep": {deep}, "more": {more}}}}}}}'.encode()
