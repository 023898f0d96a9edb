"""The members of a class in a syntax tree: their names and modifiers, the constructor, and init().

Facts only; whether they are good is the empty constructor checker's business.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tree_sitter import Node

ConstructorForm = Literal["implicit", "empty", "super", "statements", "no_body", "several"]
InitForm = Literal["absent", "no_body", "abstract", "hidden", "empty", "idle", "statements", "several"]
FUNCTION_NODES = frozenset({"arrow_function", "function_expression"})
CALLING = frozenset({"call_expression"})
COMPUTING = CALLING | {
    "new_expression", "await_expression", "yield_expression",
    "assignment_expression", "augmented_assignment_expression", "update_expression",
}  # fmt: skip
_NOT_CALLED = FUNCTION_NODES | {"method_definition", "generator_function", "function_declaration"}
_PROPERTY_MARKS = frozenset({"accessibility_modifier", "override_modifier", "readonly"})
_WITH_BODY = ("empty", "idle", "statements")
_HIDING = frozenset({"static", "get", "set", "private", "protected"})


@dataclass(frozen=True, slots=True)
class Constructor:
    """How objects come into being.

    Args:
        form: What its body holds; `super` is one call of super() and nothing else, `no_body` a signature
            without an implementation, `several` more than one implementation, which does not compile.
        line: In the answer.
        parameters: How many it declares.
        needs_arguments: It cannot be called without.
        has_properties: A parameter is also a property, as in `constructor(private x: T) {}`.
        computes: An argument of super() or a default value of a parameter calls, creates or assigns.
    """

    form: ConstructorForm = "implicit"
    line: int = 0
    parameters: int = 0
    needs_arguments: bool = False
    has_properties: bool = False
    computes: bool = False


def text_of(node: "Node | None") -> str:
    """The source of a node."""
    return (node.text or b"").decode("utf-8", "replace") if node else ""


def marks(member: "Node") -> set[str]:
    """Modifiers before a member's name: `static`, `get`, `private`, `abstract`, …; `#` names are private."""
    name = member.child_by_field_name("name")
    marks = {text_of(child) for child in member.children if name is None or child.end_byte <= name.start_byte}
    return marks | ({"private"} if name is not None and name.type == "private_property_identifier" else set())


def member_name(member: "Node") -> str:
    """The name of a member; empty for a computed one."""
    name = member.child_by_field_name("name")
    if name is None or name.type == "computed_property_name":
        return ""
    return text_of(name).strip("'\"")


def _statements(body: "Node | None") -> "list[Node]":
    children = body.named_children if body else []
    return [child for child in children if not child.is_extra and child.type != "empty_statement"]


def contains(node: "Node", kinds: frozenset[str]) -> bool:
    """A node of one of these kinds stands in the tree, outside of functions that nobody calls there."""
    stack = [node]
    while stack:
        current = stack.pop()
        if current.type in kinds:
            return True
        if current.type not in _NOT_CALLED:
            stack += current.named_children
    return False


def read_constructor(members: "Sequence[Node]", line: int) -> Constructor:
    """The facts about the constructor.

    Args:
        members: All members of the class.
        line: The answer's line at which the parsed text begins.
    """
    own = [member for member in members if _is_constructor(member)]
    if not own:
        return Constructor()
    implemented = [member for member in own if member.child_by_field_name("body")]
    signatures = [member for member in own if member.child_by_field_name("body") is None] or own
    parameters = [each for member in own for each in _parameters(member)]
    defaults = [value for each in parameters if (value := each.child_by_field_name("value"))]
    bodies = [member.child_by_field_name("body") for member in implemented]
    calls = [call for body in bodies if (call := _super_call(body))]
    return Constructor(
        form=_constructor_form(bodies, calls),
        line=line + own[-1].start_point.row,
        parameters=max(len(_parameters(member)) for member in own),
        needs_arguments=all(any(map(_is_required, _parameters(each))) for each in signatures),
        has_properties=any(child.type in _PROPERTY_MARKS for each in parameters for child in each.children),
        computes=any(contains(value, COMPUTING) for value in [*defaults, *calls]),
    )


def _is_constructor(member: "Node") -> bool:
    is_method = member.type in ("method_definition", "method_signature")
    return is_method and member_name(member) == "constructor" and "static" not in marks(member)


def _constructor_form(bodies: "Sequence[Node | None]", calls: "Sequence[Node]") -> ConstructorForm:
    if len(bodies) != 1:
        return "several" if bodies else "no_body"
    if not _statements(bodies[0]):
        return "empty"
    return "super" if calls else "statements"


def _super_call(body: "Node | None") -> "Node | None":
    """The arguments of super() when calling it is all that a body does."""
    statements = _statements(body)
    if len(statements) != 1 or statements[0].type != "expression_statement":
        return None
    called = [child for child in statements[0].named_children if not child.is_extra]
    if len(called) != 1 or called[0].type != "call_expression":
        return None
    function = called[0].child_by_field_name("function")
    is_super = function is not None and function.type == "super"
    return called[0].child_by_field_name("arguments") if is_super else None


def _parameters(member: "Node") -> "list[Node]":
    declared = member.child_by_field_name("parameters")
    return [each for each in declared.named_children if not each.is_extra] if declared else []


def _is_required(parameter: "Node") -> bool:
    pattern = parameter.child_by_field_name("pattern")
    is_rest = pattern is not None and pattern.type == "rest_pattern"
    has_default = parameter.child_by_field_name("value") is not None
    return parameter.type == "required_parameter" and not is_rest and not has_default


def method_names(members: "Sequence[Node]") -> Iterator[str]:
    """The methods with a body that objects have, those written as properties included."""
    for member in members:
        is_function = member.type == "method_definition" or (
            (value := member.child_by_field_name("value")) is not None and value.type in FUNCTION_NODES
        )
        name = member_name(member)
        if is_function and "static" not in marks(member) and name != "constructor":
            yield name


def read_init(members: "Sequence[Node]") -> InitForm:
    """The form of init(); an implementation wins over overloads and static namesakes."""
    ranks: tuple[InitForm, ...] = ("absent", "hidden", "no_body", "abstract", "empty", "idle", "statements")
    forms = [_init_form(member) for member in members if member_name(member) in ("init", "#init")]
    if sum(form in _WITH_BODY for form in forms) > 1:
        return "several"
    return max(forms, key=ranks.index, default="absent")


def _init_form(member: "Node") -> InitForm:
    if marks(member) & _HIDING:
        return "hidden"
    if member.type == "abstract_method_signature":
        return "abstract"
    function = member.child_by_field_name("value") or member
    body = function.child_by_field_name("body")
    if body is None or (function is not member and function.type not in FUNCTION_NODES):
        return "no_body"
    if body.type != "statement_block":  # (scenario) => …
        return "statements" if contains(body, COMPUTING) else "idle"
    statements = _statements(body)
    if not statements:
        return "empty"
    return "idle" if all(map(_is_idle, statements)) else "statements"


def _is_idle(statement: "Node") -> bool:
    """It leaves the object as it was: `return this;`, or a placeholder that throws."""
    if statement.type == "throw_statement":
        return True
    return statement.type == "return_statement" and not contains(statement, COMPUTING)
