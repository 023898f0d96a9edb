"""What a canary asks of code: where it stands in the answer, and a class that follows the pattern."""

from collections.abc import Sequence

from evals.checkers.code_pieces import split_answer
from evals.checkers.empty_constructor import check_empty_constructor
from evals.checkers.typescript import class_findings


def split_code(text: str) -> tuple[str, str]:
    """The prose outside of fences and the code inside; without any fence the whole answer is both."""
    pieces = split_answer(text)
    fenced = [piece.text for piece in pieces if piece.is_fenced]
    prose = [piece.text for piece in pieces if not piece.is_fenced]
    return "\n".join(prose), "\n".join(fenced or prose)


def class_problems(text: str, class_name: str, methods: Sequence[str]) -> list[str]:
    """Why the classes of an answer do not follow the empty constructor pattern, and what this one lacks."""
    problems = list(check_empty_constructor(text, class_name).reasons)
    if not methods:
        return problems
    present = {
        method for found in class_findings(text) if found.name == class_name for method in found.methods
    }
    return problems + [f"no {method}()" for method in methods if method not in present]
