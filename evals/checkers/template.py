"""The PDCA template (3.2.4.2): what each section has to hold, and both links well formed.

"Substantial" is measured low on purpose, since a terse document can be complete: Objective, Do, Check and
Act have at least 5 words each outside of headings and code, the length of the shortest sentence that names an
action and its object ("Emptied the constructor of OrderStore."); what says nothing (`none`, `N/A`) counts as
no words, and a placeholder on any line fails its section. The Plan is measured by its TRON elements. Do needs
a sentence with an action verb, Check one that verifies, Act one that names a learning or an improvement.
"""

from collections.abc import Callable, Iterator

from evals.cases import Case
from evals.checkers.content import (
    after_label,
    body_lines,
    count_words,
    is_nothing,
    is_placeholder,
    sentences,
    strip_lead,
)
from evals.checkers.markdown import SECTIONS, Line, Section, parse_markdown
from evals.checkers.pdca import LINKS, heading_problems, link_problems, read_links
from evals.checkers.tron import ELEMENTS, tron_problems
from evals.checkers.vocabulary import acts, learns, verifies
from evals.outcome import Outcome, outcome

MIN_WORDS = 5
MIN_STEP_WORDS = 3
_LITERAL_CHARACTERS = 20


def check_template(case: Case, text: str) -> Outcome:
    """Judge one response by the template; the plan's patterns stand beside it as `literal_rule`."""
    return outcome(template_problems(text), literal_rule=has_literally(text))


def template_problems(text: str) -> list[str]:
    """What a document lacks against the template, section by section; empty if nothing."""
    document = parse_markdown(text)
    links = read_links(document)
    problems = heading_problems(document)
    for name in SECTIONS:
        for section in document.named(name)[:1]:
            problems += _section_problems(name, section)
    files = [{file for link in links if link.label == label for file in link.files} for label in LINKS]
    return problems + link_problems(links) + ["both links name the same file"] * bool(files[0] & files[1])


def has_literally(text: str) -> bool:
    """The plan's patterns and content lengths, read literally.

    Each heading is followed by at least 20 characters before the next `## `, the four words of TRON stand
    after `## Plan`, and each link label is followed by something.
    """
    bodies = [text.partition(f"## {name}")[2].partition("\n## ")[0] for name in SECTIONS]
    values = [text.partition(f"{label}:")[2].partition("\n")[0] for label in LINKS]
    return (
        all(len(body.strip()) >= _LITERAL_CHARACTERS for body in bodies)
        and all(word in bodies[1] for word in ELEMENTS)
        and all(value.strip() for value in values)
    )


def _section_problems(name: str, section: Section) -> Iterator[str]:
    lines = body_lines(section.lines)
    for line in lines:
        if is_placeholder(line):
            yield f"{name} with a placeholder: {line[:60]}"
            break
    if name == "Plan":
        yield from tron_problems(section.lines)
        return
    telling = [line for line in lines if not is_nothing(line) and not is_placeholder(line)]
    if sum(map(count_words, telling)) < MIN_WORDS:
        yield f"{name} too short"
    elif name == "Do" and not _has_step(telling, acts):
        yield "Do without an action verb"
    elif name == "Check" and not _has_step(telling, verifies):
        yield "Check without a verification step"
    elif name == "Act" and not _has_learning(section.lines):
        yield "Act without a learning"


def _has_step(lines: list[str], is_step: Callable[[str], bool]) -> bool:
    return any(count_words(one) >= MIN_STEP_WORDS and is_step(one) for one in sentences(lines))


def _has_learning(lines: tuple[Line, ...]) -> bool:
    """Whether a sentence names a learning, or a heading or label announces one and a sentence follows."""
    is_announced = False
    for line in lines:
        text = strip_lead(line.text)
        is_telling = not (line.level or is_nothing(text) or is_placeholder(text))
        if is_telling and _has_step([text], bool if is_announced else learns):
            return True
        if text:
            is_announced = learns(text) and (bool(line.level) or not after_label(text))
    return False
