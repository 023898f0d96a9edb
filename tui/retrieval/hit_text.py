"""The words of the RAG screen's right side: filters, hits, documents, links."""

import re
from dataclasses import dataclass

from tui.markup import clip, gauge, safe
from tui.retrieval.documents import Document, Neighbour
from tui.retrieval.worker import Found

SCORE_WIDTH = 8
_STAMP = re.compile(r"^\d{4}-?\d{2}-?\d{2}[-_T]*(UTC)?[\d:_-]*\.?")
ARROWS = {"before": ("←", "precedes it"), "after": ("→", "follows it")}


@dataclass(frozen=True)
class Filters:
    """What restricts a question; empty texts and no collections restrict nothing."""

    start: str = ""
    end: str = ""
    agent: str = ""
    collections: tuple[str, ...] = ()
    hops: int = 1
    untrained: bool = False

    def line(self) -> str:
        """The filters in one line; what restricts stands out, and before the rest."""
        has_days = self.start or self.end
        days = f"{self.start or 'the first day'} to {self.end or 'the last'}" if has_days else ""
        chosen = (days, self.agent, ", ".join(self.collections), "untrained only" if self.untrained else "")
        usual = ("all days", "any agent", "everywhere", "trained too")
        parts = [f"[b $warning]{safe(value)}[/]" for value in chosen if value]
        parts.append(f"[$muted]{self.hops} link{'s' * (self.hops != 1)}[/]")
        pairs = zip(chosen, usual, strict=True)
        parts += [f"[$muted]{otherwise}[/]" for value, otherwise in pairs if not value]
        return " [$faint]·[/] ".join(parts)


def name_of(place: str) -> str:
    """The last part of a path, without day and number before it and the ending of a text after it."""
    name = place.rpartition("/")[2].removesuffix(".md").removesuffix(".pdca")
    return _STAMP.sub("", name) or name


def hit_lines(number: int, hit: Found, width: int) -> str:
    """A hit in two lines: score, document and section; reasons, collection and day."""
    place, _, section = hit.citation.partition(" § ")
    tail = f" § {section}" if section else ""
    room = max(8, width - SCORE_WIDTH - 10 - len(tail))
    name = clip(name_of(place.rpartition(": ")[2]), room)
    bar = gauge(hit.score, SCORE_WIDTH, "$accent")
    first = f"[$muted]{number:>2}[/] {hit.score:.2f} {bar} [b]{safe(name)}[/][$muted]{safe(tail)}[/]"
    facts = [*hit.reasons, hit.collection, str(hit.metadata.get("date", ""))]
    batch = str(hit.metadata.get("training_batch", ""))
    facts.append(f"trained in {batch}" if batch else "")
    second = ", ".join(short_reason(fact) for fact in facts if fact)
    return f"{first}\n   [$muted]{safe(second[: max(0, width - 4)])}[/]"


def short_reason(reason: str) -> str:
    """A reason with the names of documents instead of their whole places."""
    return " ".join(name_of(word) if "/" in word else word for word in reason.split(" "))


def document_text(document: Document, hit: Found | None, width: int = 0) -> str:
    """A document: what it is, whence it comes, and its text, that of the hit if there is one.

    With a `width` its name and place take one line each.
    """
    facts = [document.date, document.agent, document.role]
    mark = f"[$accent]◆ trained in {safe(document.batch)}[/]" if document.batch else "[$muted]◇ untrained[/]"
    lines = [
        f"[b]{safe(clip(name_of(document.id), width or len(document.id)))}[/]",
        f"[$muted]{safe(clip(document.id, width or len(document.id)))}[/]",
        "  ".join([*(safe(fact) for fact in facts if fact), mark]),
    ]
    if hit is not None:
        lines.append(f"[$muted]{safe('; '.join(short_reason(reason) for reason in hit.reasons))}[/]")
    text = (hit.text if hit is not None else document.text).strip()
    return "\n".join([*lines, "", safe(text) or "[$muted]its text is not in this store[/]"])


def link_line(direction: str, one: Neighbour, width: int) -> str:
    """A neighbour in one line: direction, day, name."""
    arrow, word = ARROWS[direction]
    room = max(8, width - 26)
    name = clip(name_of(one.id), room)
    more = one.objective[: room - len(name) - 2] if len(name) + 12 < room else ""
    start = f"[$accent]{arrow}[/] [$muted]{word:<12}{one.date or '?':<11}[/]"
    return f"{start}{safe(name)}  [$muted]{safe(more)}[/]"


def whole_document(document: Document) -> str:
    """All of a document for reading, with its links."""
    lines = [document_text(document, None)]
    for direction, one in document.neighbours:
        arrow, word = ARROWS[direction]
        lines.append(f"[$accent]{arrow}[/] {word}  {safe(one.id)}  [$muted]{safe(one.objective[:100])}[/]")
    lines += [f"[$warning]![/] a link leads nowhere: {safe(target)}" for target in document.dangling]
    return "\n".join([*lines[:1], "", *lines[1:]])
