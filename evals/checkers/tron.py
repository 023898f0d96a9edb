"""TRON in the Plan: Trigger, Response, Outcome, Next, labelled, in this order, each with content.

Accepted labels: the word in any case, bold or not, in bullets, numbered lines, table rows, table columns or
sub-headings; `[T]rigger`, `Trigger (T)`, `T - Trigger`; and the letter alone (`T:`), because the rule of the
harness names the elements by their letters and only all four together, in order, pass. `Next steps` is Next.
A label stands at the start of a line, or after a sentence or an arrow inside a line. A plan with several
decisions has several complete rounds. Content is at least two words, the shortest clause there is ("add
tests"), that are no placeholder and not the same as another element's.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import zip_longest

from evals.cases import Case
from evals.checkers.content import count_words, is_nothing, is_placeholder, strip_lead
from evals.checkers.markdown import Line, parse_markdown
from evals.checkers.pdca import heading_problems
from evals.outcome import Outcome, outcome

ELEMENTS = ("Trigger", "Response", "Outcome", "Next")
MIN_WORDS = 2


def _label(name: str) -> str:
    """A pattern for the ways of writing one label, without what follows it."""
    letter, rest = name[0], name[1:]
    plural = r"(?: (?:steps?|actions?))?" if name == "Next" else ""
    word = rf"(?i:[\[(]?{letter}[\])]?{rest}{plural})"
    return rf"(?:[\[(]?{letter}[\])]?\s?[-–—:=.]?\s?)?{word}(?:\s?\({letter}\))?|[\[(]?{letter}[\])]?"


_ANY = "|".join(f"(?P<{name}>{_label(name)})" for name in ELEMENTS)
_SEPARATOR = r"(?:\s?[:：]|\s[-–—→=]+>?(?=\s))"
_AT_START = re.compile(rf"(?:TRON\b[^:\n]{{0,40}}:\s*)?(?:{_ANY}){_SEPARATOR}")
_ALONE = re.compile(rf"(?:{_ANY})\s?:?")
_WORDS = "|".join(ELEMENTS)
_INSIDE = re.compile(rf"(?:(?<=[.!?;|,])\s+|→\s*)(?=(?:(?:{_WORDS})(?: steps?)?|[TRON])\s?:)")


@dataclass(slots=True)
class Element:
    """One labelled element and the text that belongs to it."""

    name: str
    parts: list[str] = field(default_factory=list)

    @property
    def content(self) -> str:
        """All its text in one line."""
        return " ".join(part for part in self.parts if part).strip()


def check_tron(case: Case, text: str) -> Outcome:
    """Judge one response; the plan's search for the four words in the Plan stands beside it."""
    return outcome(_plan_problems(text), literal_rule=has_literally(text))


def has_literally(text: str) -> bool:
    """The literal rule of the plan: after `## Plan` the four words occur, one after the other."""
    position = text.find("## Plan")
    for name in ELEMENTS if position >= 0 else ():
        position = text.find(name, position)
        if position < 0:
            break
    return position >= 0


def _plan_problems(text: str) -> list[str]:
    document = parse_markdown(text)
    plans = document.named("Plan")
    return tron_problems(plans[0].lines) if len(plans) == 1 else heading_problems(document, ["Plan"])


def tron_problems(lines: Iterable[Line]) -> list[str]:
    """What the lines of a Plan lack: elements, their order, their content; empty if nothing."""
    elements = read_elements(lines)
    names = [element.name for element in elements]
    problems = [f"no {name} in the TRON" for name in ELEMENTS if name not in names]
    rounds = len(names) // len(ELEMENTS)
    if not problems and names != list(ELEMENTS) * rounds:
        problems.append(f"TRON out of order: {', '.join(names[: 2 * len(ELEMENTS)])}")
    seen: dict[str, str] = {}
    for element in elements:
        problems += _content_problems(element, seen)
    return list(dict.fromkeys(problems))


def _content_problems(element: Element, seen: dict[str, str]) -> list[str]:
    """What is wrong with the content of one element; `seen` maps the contents so far to their elements."""
    content, name = element.content, element.name
    if any(is_placeholder(part) for part in element.parts):
        return [f"{name} is a placeholder: {content[:60]}"]
    if is_nothing(content):
        return [f"{name} without content"]
    if count_words(content) < MIN_WORDS:
        return [f"{name} too short: {content[:60]}"]
    owner = seen.setdefault(" ".join(content.casefold().split()).rstrip("."), name)
    return [f"{name} repeats {owner}"] if owner != name else []


def read_elements(lines: Iterable[Line]) -> list[Element]:
    """The labelled elements in the order of the text; a label repeated before any content counts once."""
    reader = _Reader()
    for line in lines:
        if line.cells:
            reader.read_row(line.cells)
        elif line.level:
            reader.read_heading(strip_lead(line.text))
        elif line.text.strip():
            reader.read_text(strip_lead(line.text))
    return [
        element
        for element, following in zip_longest(reader.elements, reader.elements[1:])
        if element.content or following is None or following.name != element.name
    ]


class _Reader:
    """Collects elements line by line."""

    def __init__(self) -> None:
        self.elements: list[Element] = []
        self._open: Element | None = None
        self._columns: list[Element | None] = []

    def read_text(self, text: str) -> None:
        """A paragraph line or list item: a label with content, or content of the open element."""
        self._columns = []
        for piece in _INSIDE.split(text):
            match = _AT_START.match(piece) or _ALONE.fullmatch(piece)
            if match and (match.re is _AT_START or len(piece) > 1):
                self._start(match, piece[match.end() :])
            elif self._open:
                self._open.parts.append(piece)

    def read_heading(self, text: str) -> None:
        """A sub-heading: a label, or the end of the open element."""
        self._columns = []
        self._open = None
        if match := _AT_START.match(text) or _ALONE.fullmatch(text):
            self._start(match, text[match.end() :])

    def read_row(self, cells: tuple[str, ...]) -> None:
        """A table row: labels over columns, the cells under them, or a label with its content."""
        labels = [_ALONE.fullmatch(cell.strip()) for cell in cells]
        names = [str(label.lastgroup) if label else "" for label in labels]
        if len(set(names) - {""}) > 1:
            self._columns = [Element(name) if name else None for name in names]
            self.elements += [element for element in self._columns if element]
        elif self._columns:
            for element, cell in zip(self._columns, cells, strict=False):
                if element:
                    element.parts.append(cell.strip())
        elif labels[0]:
            rest = [cell for cell, name in zip(cells, names, strict=True) if not name]
            self._start(labels[0], " ".join(rest))
        self._open = None if self._columns else self._open

    def _start(self, label: re.Match[str], rest: str) -> None:
        self._open = Element(str(label.lastgroup), [rest.strip()])
        self.elements.append(self._open)
