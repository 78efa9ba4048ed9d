"""The mutants of a module: small changes of its syntax tree, each one at one place."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.LtE,),
    ast.LtE: (ast.Lt,),
    ast.Gt: (ast.GtE,),
    ast.GtE: (ast.Gt,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one node."""

    line: int
    function: str
    """Qualified name of the function or class around the change, empty at module level."""
    statement: tuple[int, int]
    """First and last line of the statement, of a compound statement those of its header."""
    node: int
    """Position of the node in ``ast.walk`` of the module."""
    number: int
    """Which of the node's changes."""
    before: str
    after: str

    @property
    def change(self) -> str:
        return f"{self.before} -> {self.after}"


def mutants(source: str) -> list[Mutant]:
    """Return every mutant of a module, in the order of its lines."""
    tree = ast.parse(source)
    skipped = _skipped(tree)
    functions, statements = _surroundings(tree)
    found = []
    for position, node in enumerate(ast.walk(tree)):
        if position in skipped or not hasattr(node, "lineno"):
            continue
        for number, change in enumerate(_changes(node)):
            before, after = _text(node), _text(change)
            if before != after:
                line = node.lineno
                found.append(Mutant(line, functions[position], statements[position], position, number, before, after))
    return sorted(found, key=lambda mutant: (mutant.line, mutant.node, mutant.number))


def mutate(source: str, mutant: Mutant) -> ast.Module:
    """Return the tree of the module with the mutant's change."""
    tree = ast.parse(source)
    for position, node in enumerate(ast.walk(tree)):
        if position == mutant.node:
            change = list(_changes(node))[mutant.number]
            for old, value in ast.iter_fields(change):
                setattr(node, old, value)
            node.__class__ = change.__class__
            break
    return ast.fix_missing_locations(tree)


def _changes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield replacements of a node; each has the locations of the node."""
    for group in (_of_operators, _of_conditions, _of_statements):
        for change in group(node):
            if isinstance(node, ast.expr | ast.stmt) and isinstance(change, ast.expr | ast.stmt):
                yield ast.copy_location(change, node)


def _of_operators(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(ops=operators):
            for place, operator in enumerate(operators):
                for other in _COMPARISONS[type(operator)]:
                    changed = copy.copy(node)
                    changed.ops = [*operators[:place], other(), *operators[place + 1 :]]
                    yield changed
        case ast.BoolOp(op=boolean, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(boolean, ast.And) else ast.And(), values)
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert(), operand=operand):
            yield copy.copy(operand)
        case ast.BinOp(left=left, op=arithmetic, right=right) if not _is_text(left) and not _is_text(right):
            yield ast.BinOp(left, _ARITHMETIC.get(type(arithmetic), ast.Add)(), right)
        case ast.Constant(value=value):
            yield from (ast.Constant(other) for other in _other_values(value))


def _of_conditions(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.If() | ast.IfExp() | ast.While():
            for constant in (True, False):
                if not (isinstance(node, ast.While) and constant):
                    changed_test = copy.copy(node)
                    changed_test.test = ast.copy_location(ast.Constant(constant), node.test)
                    yield changed_test
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            for place, loop in enumerate(node.generators):
                for condition in range(len(loop.ifs)):
                    other_loop = copy.copy(loop)
                    other_loop.ifs = [*loop.ifs[:condition], *loop.ifs[condition + 1 :]]
                    comprehension = copy.copy(node)
                    comprehension.generators = [*node.generators[:place], other_loop, *node.generators[place + 1 :]]
                    yield comprehension
        case ast.Match():
            for place, case in enumerate(node.cases):
                if case.guard is not None:
                    other_case = copy.copy(case)
                    other_case.guard = None
                    matching = copy.copy(node)
                    matching.cases = [*node.cases[:place], other_case, *node.cases[place + 1 :]]
                    yield matching


def _of_statements(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Return(value=ast.expr() as returned) if not _is_none(returned):
            yield ast.Return(ast.copy_location(ast.Constant(None), returned))
        case ast.AugAssign(target=target, op=arithmetic, value=added):
            yield ast.AugAssign(target, _ARITHMETIC.get(type(arithmetic), ast.Add)(), added)
        case ast.Expr(value=ast.Call() | ast.Yield() | ast.YieldFrom()) | ast.Raise() | ast.Continue() | ast.Delete():
            yield ast.Pass()
        case ast.Break():
            yield ast.Continue()
        case ast.Assign(value=assigned) if not _is_none(assigned) and not isinstance(assigned, ast.Constant):
            changed_value = copy.copy(node)
            changed_value.value = ast.copy_location(ast.Constant(None), assigned)
            yield changed_value


def _other_values(value: object) -> Iterator[str | bytes | int | float | bool]:
    match value:
        case bool():
            yield not value
        case int() | float():
            yield value + 1
        # Text with a space is a message, whose wording is no behaviour that a unit test fixes.
        case str() if " " not in value.strip():
            yield "mutant" + value
        case bytes():
            yield b"mutant" + value


def _skipped(tree: ast.Module) -> set[int]:
    """Return the positions of nodes that have no effect at run time or that only describe: annotations, docstrings."""
    unused: set[int] = set()
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = []
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                parts = [node.returns, *node.decorator_list]
            case ast.ClassDef():
                parts = [*node.decorator_list]
            case ast.arg():
                parts = [node.annotation]
            case ast.AnnAssign():
                parts = [node.annotation]
            case ast.Expr(value=ast.Constant()):
                parts = [node]
            case ast.JoinedStr():
                parts = [part for part in node.values if isinstance(part, ast.Constant)]
            case ast.FormattedValue():
                parts = [node.format_spec]
            case _ if _is_declaration(node):
                parts = [node]
        unused.update(id(each) for part in parts if part is not None for each in ast.walk(part))
    return {position for position, node in enumerate(ast.walk(tree)) if id(node) in unused}


def _is_declaration(node: ast.AST) -> bool:
    """Return whether a node is for type checkers, or states names, or is an assertion."""
    match node:
        case ast.If(test=ast.Name("TYPE_CHECKING")) | ast.Assert() | ast.Assign(targets=[ast.Name("__all__")]):
            return True
        case ast.Call(func=ast.Name("TypeVar" | "NewType" | "cast" | "NamedTuple")):
            return True
        # A type alias: annotations are not evaluated.
        case ast.Assign(targets=[ast.Name(name)], value=ast.BinOp(op=ast.BitOr()) | ast.Subscript()):
            return name[:1].isupper() and not name.isupper()
    return False


def _surroundings(tree: ast.Module) -> tuple[dict[int, str], dict[int, tuple[int, int]]]:
    """Return by position in ``ast.walk``: the function around each node, and the lines of its statement."""
    functions: dict[int, str] = {}
    statements: dict[int, tuple[int, int]] = {}

    def visit(node: ast.AST, function: str, lines: tuple[int, int]) -> None:
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None) or getattr(node, "cases", None)
            first = body[0].pattern if body and isinstance(body[0], ast.match_case) else body[0] if body else None
            end = max(node.lineno, first.lineno - 1) if first is not None else node.end_lineno or node.lineno
            lines = (node.lineno, end)
        functions[id(node)] = function
        statements[id(node)] = lines
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            function = f"{function}.{node.name}" if function else node.name
        for child in ast.iter_child_nodes(node):
            visit(child, function, lines)

    visit(tree, "", (1, 1))
    nodes = list(ast.walk(tree))
    return (
        {position: functions.get(id(node), "") for position, node in enumerate(nodes)},
        {position: statements.get(id(node), (1, 1)) for position, node in enumerate(nodes)},
    )


def _text(node: ast.AST) -> str:
    """Return a node as code on one line; of a compound statement the header."""
    if isinstance(node, ast.Match):
        guards = (f"{ast.unparse(case.pattern)} if {ast.unparse(case.guard)}" for case in node.cases if case.guard)
        return f"match {ast.unparse(node.subject)}: case {', '.join(guards)}"
    return ast.unparse(node).partition("\n")[0]


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))
