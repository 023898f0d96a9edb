"""The PDCA schema: all five headings and both links (DOMAIN: template 3.2.4.2), in any order.

A heading counts where Markdown sees one of level 2, once each. A link is a line `PRECEDES:` or `FOLLOWS:`
outside code and quotes, as text, bullet or table row, that names PDCA files in the form
`[YYYYMMDD-HHMMSS-AgentName.RoleName.pdca.md]` with a day and a time that exist. A label without a file, such
as `FOLLOWS: none`, is no link. What the sections hold is the matter of `evals.checkers.template`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from evals.cases import Case
from evals.checkers.markdown import SECTIONS, Document, Line, parse_markdown
from evals.outcome import Outcome, outcome

LINKS = ("PRECEDES", "FOLLOWS")
_LABEL = re.compile(r"\b(PRECEDES|FOLLOWS)[*_`\s]*[:|]")
_LINK_LINE = re.compile(r"[^\w\[]*(?:[\w ]{1,30}:\s*)?(?:PRECEDES|FOLLOWS)[*_`\s]*[:|]")
_FILE = re.compile(
    r"[^\w\[]{0,9}\[([0-9]{8}-[0-9]{6})-([A-Za-z][\w-]*)\.([A-Za-z][\w-]*)\.pdca\.md\](?:\([^()\n]*\))?"
)
_QUOTED_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Link:
    """One labelled link line: the file names it holds, and what is wrong with it, if anything."""

    label: str
    files: tuple[str, ...]
    problem: str = ""


def check_pdca_document(text: str) -> list[str]:
    """What a document lacks against the schema: five headings once each and both links; empty if nothing."""
    document = parse_markdown(text)
    return heading_problems(document) + link_problems(read_links(document))


def check_schema(case: Case, text: str) -> Outcome:
    """Judge one response by the schema; the plan's substring rule stands beside it as `literal_rule`."""
    return outcome(check_pdca_document(text), literal_rule=has_literally(text))


def has_literally(text: str) -> bool:
    """The literal rule of the plan: the headings and link labels occur somewhere as substrings."""
    return all(f"## {name}" in text for name in SECTIONS) and all(f"{label}:" in text for label in LINKS)


def heading_problems(document: Document, names: Iterable[str] = SECTIONS) -> list[str]:
    """Headings that are missing, with where they were seen instead, and headings that stand repeatedly."""
    problems = []
    for name in names:
        count = len(document.named(name))
        if not count:
            problems.append(f"no ## {name}{_seen_instead(document, name)}")
        elif count > 1:
            problems.append(f"## {name} stands more than once: {count} times")
    return problems


def _seen_instead(document: Document, name: str) -> str:
    """Where a heading seems to be, as a detail for people."""
    fenced = re.compile(rf"^ {{0,3}}#+ +{name}\b", re.MULTILINE | re.IGNORECASE)
    if any(fenced.search(inside) for inside in document.fences):
        return ": only inside a code fence"
    for line in document.lines:
        if line.level and re.search(rf"\b{name}\b", line.text, re.IGNORECASE):
            return f": found {'#' * line.level} {line.text[:_QUOTED_CHARACTERS]}"
    return ""


def read_links(document: Document) -> list[Link]:
    """All link lines in their order. A label at the end of its line takes the next line as its value."""
    lines = [line for line in document.lines if line.text.strip()]
    links: list[Link] = []
    for index, line in enumerate(lines):
        following = lines[index + 1] if index + 1 < len(lines) else Line("")
        links += _links_of(line, "" if following.level else following.text)
    return links


def _links_of(line: Line, following: str) -> list[Link]:
    """The links of one line, which may hold both labels one after the other."""
    if not _LINK_LINE.match(line.text):
        return []
    labels = list(_LABEL.finditer(line.text))
    ends = [label.start() for label in labels[1:]] + [len(line.text)]
    links = []
    for label, end in zip(labels, ends, strict=True):
        value = line.text[label.end() : end].strip(" *_`|")
        is_open = not value and label is labels[-1] and not _LABEL.search(following)
        links.append(_link(label[1], following if is_open else value))
    return links


def _link(label: str, value: str) -> Link:
    """Read the value of a label: one file or several, each in the form and with a time that exists."""
    files: list[str] = []
    position = 0
    while match := _FILE.match(value, position):
        stamp, agent, role = match.groups()
        position = match.end()
        if not _exists(stamp):
            return Link(label, tuple(files), f"malformed {label} link: no such time: {stamp}")
        if (agent, role) == ("AgentName", "RoleName"):
            return Link(label, tuple(files), f"malformed {label} link: the names of the template")
        files.append(f"{stamp}-{agent}.{role}.pdca.md")
    if files:
        return Link(label, tuple(files))
    shown = value.strip()[:_QUOTED_CHARACTERS]
    return Link(label, (), f"malformed {label} link: {shown}" if shown else f"empty {label} link")


def _exists(stamp: str) -> bool:
    try:
        datetime.strptime(stamp, "%Y%m%d-%H%M%S")
    except ValueError:
        return False
    return True


def link_problems(links: list[Link]) -> list[str]:
    """Labels without any line, and the problems of the lines there are."""
    problems = []
    for label in LINKS:
        own = [link for link in links if link.label == label]
        if not own:
            problems.append(f"no {label}: link")
        problems += dict.fromkeys(link.problem for link in own if link.problem)
    return problems
