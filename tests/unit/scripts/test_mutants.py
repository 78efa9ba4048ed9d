"""Which changes of a module count as mutants."""

from __future__ import annotations

import ast

import pytest

from scripts.mutation.mutants import mutants, mutate


def changes(source: str) -> list[str]:
    return [mutant.change for mutant in mutants(source)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a < b", ["a < b -> a <= b"]),
        ("a is None", ["a is None -> a is not None"]),
        ("a and b", ["a and b -> a or b"]),
        ("not a", ["not a -> a"]),
        ("a + 1", ["a + 1 -> a - 1", "1 -> 2"]),
        ("f()", ["f() -> pass"]),
        ("x += y", ["x += y -> x -= y"]),
        ("a if b else c", ["a if b else c -> a if True else c", "a if b else c -> a if False else c"]),
        ("[x for x in y if x]", ["[x for x in y if x] -> [x for x in y]"]),
        ("while a:\n    b", ["while a: -> while False:"]),
        ("f = 'word'", ["'word' -> 'mutantword'"]),
        ("f = 'a message'", []),
        ("'''Docstring.'''", []),
        ("x: int = y", []),
        ("assert x > 1", []),
        ("__all__ = ['a']", []),
        ("Value = str | None", []),
    ],
)
def test_the_changes_of_a_line(source: str, expected: list[str]) -> None:
    assert changes(source) == expected


def test_a_mutant_has_one_change_and_its_place() -> None:
    source = "class A:\n    def f(self, x):\n        if x > 1:\n            return x\n        return -x\n"
    found = mutants(source)
    (greater,) = (mutant for mutant in found if mutant.after == "x >= 1")
    assert (greater.line, greater.function, greater.statement) == (3, "A.f", (3, 3))
    assert ast.unparse(mutate(source, greater)) == ast.unparse(ast.parse(source.replace(">", ">=")))
    for mutant in found:
        compile(mutate(source, mutant), "module", "exec")
        assert ast.unparse(mutate(source, mutant)) != ast.unparse(ast.parse(source))
