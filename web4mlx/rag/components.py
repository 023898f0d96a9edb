"""TypeScript files by syntax tree: their classes, layer, patterns, and the verdict on their constructors.

A file that does not parse (conflict markers, a language that is newer than the grammar) is kept as text;
its verdict is "cannot parse", which is neither pass nor fail.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tree_sitter import Language, Node

Verdict = Literal["pass", "fail", "cannot parse", "no class"]
_LAYER = re.compile(r"(?:^|/)layers?[-_/]?([1-5])(?=/|\b)", re.IGNORECASE)
_DECLARATIONS = ("interface_declaration", "type_alias_declaration", "enum_declaration")
_CLASSES = ("class_declaration", "abstract_class_declaration", "class")
_FUNCTIONS = ("function_declaration", "generator_function_declaration")
_FUNCTION_VALUES = ("arrow_function", "function_expression")


@dataclass(frozen=True, slots=True)
class Component:
    """What a TypeScript file is; `layer` is 0 when nothing tells it."""

    names: tuple[str, ...]
    layer: int
    patterns: tuple[str, ...]
    file_type: str
    constructor: Verdict


def read_component(path: str, text: str) -> Component:
    """Read a file; never raises."""
    root = parse(text, is_jsx=path.endswith("x"))
    file_type = type_of(path)
    if root.has_error:
        return Component((), layer_of(path, (), is_contract=False), (), file_type, "cannot parse")
    classes = [node for node in walk(root) if node.type in _CLASSES]
    contracts = [node for node in walk(root) if node.type in _DECLARATIONS]
    names = tuple(dict.fromkeys(name_of(node) for node in (*classes, *contracts) if name_of(node)))
    verdicts = [constructor_verdict(node) for node in classes]
    verdict: Verdict = "no class" if not classes else "pass" if all(verdicts) else "fail"
    methods = {name_of(member) for node in classes for member in members(node, "method_definition")}
    patterns = patterns_of(root, verdict, methods, file_type)
    layer = layer_of(path, names, is_contract=bool(contracts) and not classes)
    return Component(names, layer, patterns, file_type, verdict)


def parse(text: str, *, is_jsx: bool) -> "Node":
    """The syntax tree of a file."""
    from tree_sitter import Parser

    return Parser(_language(is_jsx)).parse(text.encode("utf-8", "replace")).root_node


@lru_cache(maxsize=2)
def _language(is_jsx: bool) -> "Language":
    import tree_sitter_typescript
    from tree_sitter import Language

    return Language(
        tree_sitter_typescript.language_tsx() if is_jsx else tree_sitter_typescript.language_typescript()
    )


def walk(root: "Node") -> Iterator["Node"]:
    """All nodes in the order of the text."""
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        stack += reversed(node.named_children)


def name_of(node: "Node") -> str:
    """The name of a declaration; empty when it has none."""
    name = node.child_by_field_name("name")
    return name.text.decode("utf-8", "replace") if name is not None and name.text else ""


def members(node: "Node", kind: str) -> list["Node"]:
    """The members of a class of one kind."""
    body = node.child_by_field_name("body")
    return [child for child in body.named_children if child.type == kind] if body is not None else []


def constructor_verdict(node: "Node") -> bool:
    """Whether a class has no constructor, or one without parameters and without statements but super()."""
    for method in members(node, "method_definition"):
        if name_of(method) != "constructor":
            continue
        parameters = method.child_by_field_name("parameters")
        body = method.child_by_field_name("body")
        has_parameters = parameters is not None and any(
            child.type in ("required_parameter", "optional_parameter") for child in parameters.named_children
        )
        statements = [child for child in body.named_children if child.type != "comment"] if body else []
        if has_parameters and not is_only_super(statements):
            return False
        if statements and not is_only_super(statements):
            return False
    return True


def is_only_super(statements: list["Node"]) -> bool:
    """Whether a body is one call of super()."""
    return len(statements) == 1 and (statements[0].text or b"").startswith(b"super(")


def patterns_of(root: "Node", verdict: Verdict, methods: set[str], file_type: str) -> tuple[str, ...]:
    """The Web4 patterns that a file shows."""
    found = []
    if verdict == "pass" and "init" in methods:
        found.append("empty_constructor")
    if {"init", "toScenario"} <= methods:
        found.append("scenario_state")
    if verdict != "no class" and not has_free_function(root):
        found.append("radical_oop")
    if file_type == "test":
        found.append("vitest" if b"vitest" in (root.text or b"") else "test")
    return tuple(found)


def has_free_function(root: "Node") -> bool:
    """Whether a function stands outside of all classes, named or assigned to a name."""
    for node in root.named_children:
        inner = node.child_by_field_name("declaration") if node.type == "export_statement" else node
        if inner is None:
            continue
        if inner.type in _FUNCTIONS:
            return True
        if inner.type == "lexical_declaration":
            values = (child.child_by_field_name("value") for child in inner.named_children)
            if any(value is not None and value.type in _FUNCTION_VALUES for value in values):
                return True
    return False


def layer_of(path: str, names: tuple[str, ...], *, is_contract: bool) -> int:
    """The layer, by a folder named after it, else by what the file declares; 0 when nothing tells."""
    match = _LAYER.search(path)
    if match:
        return int(match[1])
    if any(name.startswith("Default") for name in names):
        return 2
    if is_contract or path.endswith((".interface.ts", ".types.ts", ".d.ts")):
        return 3
    return 5 if path.endswith(".tsx") or re.search(r"(?:CLI|View)\.ts$", path) else 0


def type_of(path: str) -> str:
    """`test`, `declaration`, `view` or `source`."""
    if re.search(r"\.(?:test|spec)\.tsx?$", path):
        return "test"
    return "declaration" if path.endswith(".d.ts") else "view" if path.endswith(".tsx") else "source"
