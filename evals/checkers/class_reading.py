"""One class of a syntax tree: its name, base and layer, and the facts about its members."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evals.checkers.member_reading import (
    CALLING,
    FUNCTION_NODES,
    Constructor,
    InitForm,
    contains,
    marks,
    method_names,
    read_constructor,
    read_init,
    text_of,
)

if TYPE_CHECKING:
    from tree_sitter import Node

CLASS_NODES = frozenset({"class_declaration", "abstract_class_declaration", "class"})
LINES_ABOVE = 3
LONGEST_LINE = 200
_LAYER = re.compile(r"\blayers?[ \t_-]*([1-5])\b", re.IGNORECASE)
_IMPORT = re.compile(r"^\s*import\b|\bfrom\s*['\"]")


@dataclass(frozen=True, slots=True)
class ClassFinding:
    """A class of an answer.

    Args:
        name: Its own, or that of the constant it is assigned to; empty for neither.
        line: In the answer.
        file_line: First line of its block in the answer; of a bare class its own.
        scope: Where in the parsed text the code around it begins, in bytes; equal for neighbours.
        layer: The layer that a comment above it, the first line of its block or the line before the block
            names; 0 for none.
        base: What it extends, without type arguments; empty for nothing.
        constructor: See `Constructor`.
        init: The form of init(): `hidden` is static, private or an accessor, `idle` only returns or throws.
        methods: Names of the methods with a body that objects of it have, init() and accessors included.
        has_fields: It declares properties of objects, methods written as properties aside.
        field_calls: The initial value of a property calls a function (`new` does not count).
    """

    name: str
    line: int
    file_line: int
    scope: int
    layer: int
    base: str
    constructor: Constructor
    init: InitForm
    methods: tuple[str, ...]
    has_fields: bool
    field_calls: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where parsed code comes from.

    Args:
        lines: Its piece, line by line.
        line: The answer's line of the first of them.
        heading: What stands before the piece.
        row: The line of the piece at which the parsed text begins, from 0.
    """

    lines: tuple[str, ...]
    line: int
    heading: str
    row: int = 0


def read_class(node: "Node", place: Place) -> ClassFinding:
    """Read a class.

    Args:
        node: One of `CLASS_NODES`.
        place: Where its tree comes from.
    """
    body = node.child_by_field_name("body")
    members = body.named_children if body else []
    fields = [each for each in members if each.type == "public_field_definition"]
    values = [each.child_by_field_name("value") for each in fields if "static" not in marks(each)]
    row = place.row + node.start_point.row
    return ClassFinding(
        name=_class_name(node),
        line=place.line + row,
        file_line=place.line + place.row,
        scope=_scope(node),
        layer=_layer(place, row),
        base=_base(node),
        constructor=read_constructor(members, place.line + place.row),
        init=read_init(members),
        methods=tuple(method_names(members)),
        has_fields=any(value is None or value.type not in FUNCTION_NODES for value in values),
        field_calls=any(contains(value, CALLING) for value in values if value),
    )


def _class_name(node: "Node") -> str:
    if name := node.child_by_field_name("name"):
        return text_of(name)
    parent = node.parent
    is_assigned = parent is not None and parent.type == "variable_declarator"
    return text_of(parent.child_by_field_name("name")) if parent and is_assigned else ""


def _scope(node: "Node") -> int:
    parent = node.parent
    if parent is not None and parent.type == "export_statement":
        parent = parent.parent
    return parent.start_byte if parent is not None else 0


def _base(node: "Node") -> str:
    clauses = [
        clause for each in node.named_children if each.type == "class_heritage" for clause in each.children
    ]
    extends = [clause for clause in clauses if clause.type == "extends_clause"]
    return text_of(extends[0].child_by_field_name("value")) if extends else ""


def _layer(place: Place, row: int) -> int:
    above = place.lines[max(0, row - LINES_ABOVE) : row + 1]
    for whole_line in (*reversed(above), *place.lines[:1], place.heading):
        line = whole_line[:LONGEST_LINE]
        if not _IMPORT.search(line) and (named := _LAYER.search(line)):
            return int(named[1])
    return 0
