"""Mutants: the package with one small fault, made by cosmic-ray's operators and by one that drops a statement."""

import ast
import difflib
import functools
import inspect
import os
from collections import defaultdict
from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

import parso
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Example, Operator
from cosmic_ray.plugins import get_operator, operator_names

PACKAGE = "src/temp_file_manager"
ROOMS = ("sweeping", "registry", "storage")


class DropStatement(Operator):
    """Puts ``pass`` in the place of an assignment, a call, or whatever else is a statement of its own."""

    _DROPPED = ("expr_stmt", "atom_expr", "power", "del_stmt", "raise_stmt", "await_expr")

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        """Yield where such a statement stands."""
        if node.type != "simple_stmt" or node.children[0].type not in self._DROPPED:
            return
        declares = any(getattr(part, "type", "") == "annassign" for part in getattr(node.children[0], "children", ()))
        if not declares:  # a field, which every use would miss
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """Return the node with the statement dropped: there is one way to do so, whatever ``index`` says."""
        del index
        first = node.children[0]
        prefix = first.get_first_leaf().prefix
        node.children[0] = parso.python.tree.Keyword("pass", first.start_pos, prefix)
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return what becomes of a statement."""
        return (Example("x.over = True\n", "pass\n"),)


class Mutant(NamedTuple):
    """One fault: where, in the statement of which first and last line, and the module's text with it.

    Attributes:
        at_import: Whether the statement runs when the module is imported: then whoever uses the module may notice.
    """

    room: str
    path: str
    line: int
    operator: str
    occurrence: int
    text: str
    first: int
    last: int
    at_import: bool

    @property
    def name(self) -> str:
        """What it is called in the results."""
        return f"{self.path}:{self.line} {self.operator} {self.occurrence}"

    def shown(self, root: str) -> str:
        """Return the lines that it changes."""
        with open(f"{root}/{self.path}", encoding="utf-8") as file:
            before = file.read().splitlines()
        lines = difflib.unified_diff(before, self.text.splitlines(), n=0, lineterm="")
        return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


@functools.cache
def _operators() -> dict[str, Operator]:
    every = {name.rpartition("/")[2]: get_operator(name) for name in operator_names()}
    plain = {name: made for name, made in every.items() if not made.arguments() and not inspect.isabstract(made)}
    return {name: made() for name, made in (plain | {"DropStatement": DropStatement}).items()}


class _Bare(ast.NodeTransformer):
    """Leaves out annotations: nothing but a type checker reads them."""

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Name("object", ast.Load())
        return self.generic_visit(node)


def _meaning(text: str) -> str:
    return ast.dump(_Bare().visit(ast.parse(text)))


def _positions(text: str) -> Iterator[tuple[tuple[int, int, str], str, int]]:
    """Yield where something can be changed, and the operator and its occurrence that do it."""
    nodes = list(ast_nodes(get_ast(text)))
    for name, operator in _operators().items():
        positions = (start for node in nodes for start, _ in operator.mutation_positions(node))
        for occurrence, (line, column) in enumerate(positions):
            yield (line, column, name.partition("_")[0]), name, occurrence


def _modules(root: str, room: str) -> list[str]:
    folder = f"{root}/{PACKAGE}/{room}"
    found = [os.path.join(at, name) for at, _, names in os.walk(folder) for name in names if name.endswith(".py")]
    return sorted(os.path.relpath(path, root) for path in found)


def sample(root: str, size: int, seed: int) -> list[Mutant]:
    """Return mutants, each at another place: of the ways to change a place one is taken.

    Args:
        root: The repository.
        size: How many.
        seed: Of the choice: with the same code and cosmic-ray the same seed gives the same mutants.
    """
    random = Random(seed)
    places: defaultdict[tuple[str, str, tuple[int, int, str]], list[tuple[str, int]]] = defaultdict(list)
    texts = {}
    for room in ROOMS:
        for path in _modules(root, room):
            with open(f"{root}/{path}", encoding="utf-8") as file:
                texts[path] = file.read()
            for place, operator, occurrence in _positions(texts[path]):
                places[room, path, place].append((operator, occurrence))
    order = sorted(places)
    random.shuffle(order)
    made: list[Mutant] = []
    for room, path, place in order:
        if len(made) == size:
            break
        operator, occurrence = random.choice(places[room, path, place])
        mutant = _made(texts[path], operator, occurrence)
        if mutant is not None:
            made.append(Mutant(room, path, place[0], operator, occurrence, mutant, *_statement(texts[path], place[0])))
    return made


def _statement(text: str, line: int) -> tuple[int, int, bool]:
    """Return the first and the last line of the statement that a line belongs to; of a block's, those of its head.

    And whether it runs when the module is imported: it is in no function's body.
    """
    first, last, at_import = line, line, True
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or line):
            body = getattr(node, "body", None)
            first, last = node.lineno, max(line, body[0].lineno - 1 if body else node.end_lineno or line)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and line >= node.body[0].lineno:
                at_import = False
    return first, last, at_import


def _made(text: str, operator: str, occurrence: int) -> str | None:
    """Return a module's text with a fault; None if it means what it did, or nothing at all."""
    try:
        changed = mutate_code(text, _operators()[operator], occurrence)
        return None if changed is None or _meaning(changed) == _meaning(text) else str(changed)
    except (SyntaxError, AttributeError):  # the operator of exceptions cannot name one by its module
        return None
