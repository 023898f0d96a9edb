"""PDCAs of the generated source: chains of documents in the forms, names and habits of a real repository.

Most are named by UTC time and linked by "Previous PDCA" with a URL and a relative path; a quarter follows the
template with dual links; some are old and recognisable by content only. A tenth lacks ACT, a few hours do not
exist, agents are spelled in several ways, and half of the documents hold `#` lines inside code fences.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any

import tomli

from web4mlx.data.corpus.grammar import Dealer, Story, fill
from web4mlx.data.corpus.short_documents import draw_work

FIRST_DAY = datetime(2025, 1, 6, 8)
FORMS = ("modern",) * 13 + ("template",) * 5 + ("old",) * 2
CHAIN_LENGTH = 24
SPELLINGS = ("{name}{role}Agent", "{name} {role} Agent", "{name}/{role} Agent", "{name}{role}Agent")
REPOSITORY = "https://github.com/example/web4/blob/dev/sprint/2025"


@dataclass(frozen=True, slots=True)
class Document:
    """A generated file: its path relative to the source's root, and its text."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes a document and when; `shown` is the time as the name tells it."""

    name: str
    role: str
    spelled: str
    written: datetime
    shown: str


def layouts() -> dict[str, Any]:
    """The forms of the documents."""
    return tomli.loads(files(__package__).joinpath("layouts.toml").read_text("utf-8"))


def write_pdcas(dealer: Dealer, count: int) -> Iterator[Document]:
    """A number of PDCAs in chains; each document names the one before it, some name the one after."""
    forms = layouts()
    for start in range(0, count, CHAIN_LENGTH):
        length = min(CHAIN_LENGTH, count - start)
        authors = list(draw_authors(dealer, start, length))
        kinds = [dealer.deal("forms", FORMS) for _ in authors]
        stories = [draw_work(dealer) for _ in authors]
        paths = [
            place(kind, author, fill(story["task"], story), start + number)
            for number, (kind, author, story) in enumerate(zip(kinds, authors, stories, strict=True))
        ]
        for index, kind in enumerate(kinds):
            links = neighbours(dealer, paths, index)
            known = {**stories[index], **facts(authors[index]), **links}
            yield Document(paths[index], tell(dealer, forms, kind, known))


def draw_authors(dealer: Dealer, start: int, count: int) -> Iterator[Author]:
    """The authors of a chain at ascending times; one in sixty shows an hour that does not exist."""
    written = FIRST_DAY + timedelta(hours=5 * start)
    for _ in range(count):
        written += timedelta(seconds=dealer.random.randrange(1800, 30_000))
        name, _, role = dealer.words("agents").partition(".")
        spelled = fill(dealer.deal("spelling", SPELLINGS), {"name": name, "role": role})
        is_odd = dealer.deal("odd_hour", (True, *(False,) * 59))
        yield Author(name, role, spelled, written, "2415" if is_odd else f"{written:%H%M}")


def place(kind: str, author: Author, task: str, number: int) -> str:
    """Where a document of this form stands, and how it is named."""
    slug = re.sub(r"[^a-z0-9]+", "-", task.lower())[:48].strip("-")
    sprint = f"sprint-{author.written.isocalendar().week // 2 + 1:02d}"
    if kind == "template":
        stamp = f"{author.written:%Y%m%d-%H%M%S}"
        return f"project.journal/{sprint}/{stamp}-{author.name}.{author.role}.pdca.md"
    if kind == "old":
        return f"notes/{author.written:%Y-%m}/{author.written:%Y-%m-%d}-{number:04d}-{slug}.md"
    folder = "pdca" if number % 3 else "PDCA"
    day = f"{author.written:%Y-%m-%d}"
    return f"project.journal/{sprint}/{folder}/{day}-UTC-{author.shown}-{number:04d}-{slug}.md"


def facts(author: Author) -> dict[str, str]:
    """What an author contributes to a document."""
    return {
        "agent_name": author.name,
        "agent_role": author.role,
        "agent_spelled": author.spelled,
        "date": f"{author.written:%Y-%m-%d %H:%M} UTC",
        "sprint": f"sprint-{author.written.isocalendar().week // 2 + 1:02d}",
    }


def neighbours(dealer: Dealer, paths: list[str], index: int) -> dict[str, str]:
    """The links of a document; one in thirty skips one, so that chains fork, and one in eighty dangles."""
    back = 2 if index > 1 and dealer.deal("fork", (True, *(False,) * 29)) else 1
    earlier = paths[index - back] if index else ""
    if earlier and dealer.deal("dangling", (True, *(False,) * 79)):
        earlier = f"{earlier.removesuffix('.md')}-renamed.md"
    later = paths[index + 1] if index + 1 < len(paths) else ""
    climb = "../" * paths[index].count("/")
    url = f"[GitHub]({REPOSITORY}/{earlier}) | [§/{earlier}]({climb}{earlier})"
    return {
        "previous": url if earlier else "N/A - first of its chain",
        "follows": f"[{earlier.rpartition('/')[2]}]" if earlier else "none",
        "precedes": f"[{later.rpartition('/')[2]}]" if later else "none",
    }


def tell(dealer: Dealer, forms: dict[str, Any], kind: str, known: dict[str, str]) -> str:
    """Fill a form with a story; optional parts are there as often as in real documents."""
    story = Story(dealer, known, {"branch": f"dev/{known['sprint']}"})
    story["cmm_level"] = str(dealer.deal("cmm_level", (2, 3, 3, 4)))
    story["kind"] = str(known.get("kind", "work"))
    story["act"] = forms[f"{kind}_act"] if dealer.deal("has_act", (*(True,) * 9, False)) else ""
    story["commands"] = forms["commands"] if dealer.deal("has_commands", (True, False)) else ""
    story["feedback_words"] = dealer.deal("feedback_words", forms["feedback_words"])
    story["feedback"] = forms["feedback"] if dealer.deal("has_feedback", (True, *(False,) * 9)) else ""
    text = fill(str(forms[kind]), story)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
