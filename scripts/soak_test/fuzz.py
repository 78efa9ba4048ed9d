"""Fuzz the parsers of everything from outside with changed copies of valid input."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from scripts.soak_test.fuzz_targets import TARGETS, Target

_MOST_CHANGES = 8
_LARGEST = 20_000


def run_for(seconds: float, seed: int, targets: tuple[Target, ...] = TARGETS) -> int:
    """Fuzz the targets in turn for as long as asked; print the first failing input and return 1, else return 0."""
    until = time.monotonic() + seconds
    cases = {target.name: 0 for target in targets}
    inputs = {target.name: generated(target, seed) for target in targets}
    while time.monotonic() < until:
        for target in targets:
            body = next(inputs[target.name])
            cases[target.name] += 1
            failure = failure_of(target, body)
            if failure:
                print(f"FAILED {target.name}, case {cases[target.name]} of seed {seed}: {failure}\n  input: {body!r}")
                return 1
    print(", ".join(f"{name}: {count:,} cases" for name, count in cases.items()))
    return 0


def failure_of(target: Target, body: bytes) -> str:
    """Return what a parser does wrong with an input, empty if nothing."""
    try:
        target.check(body)
    except Exception as error:  # noqa: BLE001  # any exception is a finding
        return f"{type(error).__name__}: {error}"
    return ""


def generated(target: Target, seed: int) -> Iterator[bytes]:
    """Yield the seeds of a target, then changed copies of them, the same ones for the same number."""
    yield from target.seeds
    chance = random.Random(f"{seed}:{target.name}")
    while True:
        body = chance.choice(target.seeds)
        for _ in range(chance.randint(1, _MOST_CHANGES)):
            body = _changed(body, target, chance)
        yield body


def _changed(body: bytes, target: Target, chance: random.Random) -> bytes:
    start = chance.randint(0, len(body))
    end = min(len(body), start + chance.choice((0, 1, 1, 2, 4, 8, 64)))
    match chance.randrange(5):
        case 0:
            piece = bytes([chance.randrange(256)])
        case 1:
            piece = chance.choice(target.words)
        case 2:
            piece = b""
        case 3:
            piece = body[start:end] * chance.choice((2, 3, 50))
        case _:
            other = chance.choice(target.seeds)
            cut = chance.randint(0, len(other))
            piece = other[cut : cut + chance.choice((4, 16, 256))]
    return (body[:start] + piece + body[end:])[:_LARGEST]
