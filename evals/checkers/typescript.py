"""Classes of a TypeScript answer, read from its syntax tree; what they are worth is judged elsewhere.

Code may stand in fences of any tag, in an unclosed fence, or bare between the prose. A fenced block is one
file: it parses as a whole or not at all. Of bare text only the classes are taken, each from the line that
opens it to the line that closes it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from evals.checkers.class_reading import CLASS_NODES, ClassFinding, Place, read_class
from evals.checkers.code_pieces import Piece, split_answer

if TYPE_CHECKING:
    from tree_sitter import Language, Node

LONGEST = 32_768  # characters, ten times what a class needs; recovery from errors takes quadratic time
ATTEMPTS = 64  # closing lines tried for one bare class
PARSE_BUDGET = 250_000  # characters parsed while the end of a bare class is sought
JSX_TAGS = ("tsx", "jsx")
_NAME = r"[A-Za-z_$][\w$]*"
_BODY = r"[ \t\n]*(?=[{<]|(?:extends|implements)\b)"
_HINT = re.compile(rf"(?<![\w.$-])(?:class[ \t]+{_NAME}|(?:default|=|return)[ \t]+class){_BODY}")
_BARE = re.compile(
    r"^(?P<indent>[ \t]*)"
    r"(?:@[\w.]+(?:\([^()\n]*\))?[ \t]*)*"  # decorators
    r"(?:(?:export|default|abstract|declare)[ \t]+)*"
    rf"(?:(?:const|let|var)[ \t]+{_NAME}[ \t]*=[ \t]*)?"
    rf"class(?:[ \t]+{_NAME})?{_BODY}[^{{}};:\"'`]{{0,300}}\{{",
    re.MULTILINE,
)
_CLOSER = re.compile(r"^([ \t]*)\}.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class CodeReading:
    """What was found in an answer.

    Args:
        classes: Every class with code of its own, in order.
        broken_lines: Where pieces that hold a class do not parse, as lines of the answer.
        is_too_long: The answer exceeds `LONGEST` characters and was not read.
    """

    classes: tuple[ClassFinding, ...] = ()
    broken_lines: tuple[int, ...] = ()
    is_too_long: bool = False


def class_findings(text: str) -> list[ClassFinding]:
    """The classes of an answer, without those in blocks that do not parse; see `read_code`."""
    return list(read_code(text).classes)


def read_code(text: str) -> CodeReading:
    """Read the classes of an answer; never raises."""
    if len(text) > LONGEST:
        return CodeReading(is_too_long=True)
    classes: list[ClassFinding] = []
    broken: list[int] = []
    for piece in split_answer(text):
        place = Place(tuple(piece.text.split("\n")), piece.line, piece.heading)
        found, line = _read_block(piece, place) if piece.is_fenced else _read_bare(piece.text, place)
        classes += found
        broken += [line] if line else []
    return CodeReading(tuple(classes), tuple(broken))


def _read_block(piece: Piece, place: Place) -> tuple[list[ClassFinding], int]:
    root = _parse(piece.text, is_jsx=piece.tag in JSX_TAGS)
    if not root.has_error:
        return [read_class(node, place) for node in _classes(root)], 0
    if not piece.is_closed:  # the prose after the code may stand inside
        found, line = _read_bare(piece.text, place)
        if found or line:
            return found, line
    return [], place.line + _error_row(root) if _HINT.search(piece.text) else 0


def _read_bare(text: str, place: Place) -> tuple[list[ClassFinding], int]:
    """The classes up to the first that does not parse, and the line of its error; 0 for none."""
    found: list[ClassFinding] = []
    budget = [PARSE_BUDGET]
    start = row = counted = 0
    while opener := _BARE.search(text, start):
        row += text.count("\n", counted, opener.start())
        counted = opener.start()
        end, root = _parse_bare_class(text, opener, budget)
        if root.has_error:
            return found, place.line + row + _error_row(root)
        found += [read_class(node, replace(place, row=row)) for node in _classes(root)]
        start = end
    return found, 0


def _parse_bare_class(text: str, opener: re.Match[str], budget: list[int]) -> tuple[int, "Node"]:
    """The end of the class and its tree; the tree of all that follows when it is never closed.

    A class that is cut short does not parse, so the first closing line at which it does is its end.
    """
    for end in islice(_closing_lines(text, opener), ATTEMPTS):
        budget[0] -= end - opener.start()
        if budget[0] < 0:
            break
        root = _parse(text[opener.start() : end])
        if not root.has_error:
            return end, root
    return len(text), _parse(text[opener.start() :])


def _closing_lines(text: str, opener: re.Match[str]) -> Iterator[int]:
    """Ends of lines where the class may be closed: its own line, and `}` no deeper than it began."""
    own_end = text.find("\n", opener.end())
    own_end = len(text) if own_end < 0 else own_end
    if "}" in text[opener.end() : own_end]:
        yield own_end
    for closer in _CLOSER.finditer(text, own_end):
        if len(closer[1].expandtabs()) <= len(opener["indent"].expandtabs()):
            yield closer.end()


def _parse(code: str, *, is_jsx: bool = False) -> "Node":
    """The tree of the code as TypeScript or with JSX, whichever fits; of two misfits the likelier."""
    from tree_sitter import Parser

    source = code.encode("utf-8", "replace")
    first = Parser(_language(is_jsx)).parse(source).root_node
    if not first.has_error:
        return first
    second = Parser(_language(not is_jsx)).parse(source).root_node
    return first if second.has_error else second


@lru_cache(maxsize=2)
def _language(is_jsx: bool) -> "Language":
    import tree_sitter_typescript
    from tree_sitter import Language

    return Language(
        tree_sitter_typescript.language_tsx() if is_jsx else tree_sitter_typescript.language_typescript()
    )


def _classes(root: "Node") -> Iterator["Node"]:
    """The classes of a tree in their order; ambient ones (`declare`) have no code and are left out."""
    stack = [root]
    while stack:
        node = stack.pop()
        if node.type in CLASS_NODES:
            yield node
        if node.type != "ambient_declaration":
            stack += reversed(node.named_children)


def _error_row(root: "Node") -> int:
    """The row of the first error of a tree."""
    node = root
    while not (node.is_error or node.is_missing):
        broken = [child for child in node.children if child.has_error or child.is_missing]
        if not broken:
            break
        node = broken[0]
    return node.start_point.row
