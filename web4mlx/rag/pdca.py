"""A PDCA as people really wrote it: sections under headings of any form, header fields, feedback, links.

Nothing is an error. What is missing stays empty; a document without recognisable sections is kept whole.
"""

import re
from dataclasses import dataclass, replace

from web4mlx.rag.header_tables import header_rows, table_fields
from web4mlx.rag.markdown import Field, Heading, Reading, read_markdown
from web4mlx.rag.stamps import Moment, fold_agent, read_moment, read_signature

SECTIONS = ("objective", "plan", "do", "check", "act")
_SECTION = re.compile(
    r"(objective|plan|do|check|act)(?:\s*$|\s*[:(/&|,]|\s+[–—-]\s|\s+(?:phase|section)\b)", re.IGNORECASE
)
_KEYS = {
    "agent_name": ("agent name", "agent", "agent name and role", "author"),
    "agent_role": ("agent role", "role", "agent roles"),
    "date": ("date", "utc date", "created", "timestamp", "date and time"),
    "session_id": ("session", "session id", "session-id"),
    "branch": ("branch", "git branch"),
    "sprint": ("sprint", "sprint id"),
    "cmm_level": ("cmm level", "cmm", "cmm badge", "cmmi level"),
    "task_type": ("task type", "type", "task-type"),
    "objective": ("objective", "goal"),
    "verification_status": ("verification status", "verification", "status"),
}
_FIELD_OF = {key: name for name, keys in _KEYS.items() for key in keys}
LINK_KEYS = ("previous pdca", "precedes", "follows")
_KNOWN = {*_FIELD_OF, *LINK_KEYS}
_ARROW = re.compile(r"\s*(?:→|->|=>|➜)\s*")
_MARKUP = re.compile(r"[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}|\[([^\]]*)\]\([^)]*\)")


@dataclass(frozen=True, slots=True)
class PdcaText:
    """What a document says: its title, header fields, sections, remaining text, feedback and link fields."""

    title: str
    fields: dict[str, str]
    sections: dict[str, str]
    rest: str
    tron_feedback: str
    links: tuple[tuple[str, str], ...]
    moment: Moment
    agent_name: str
    agent_role: str
    cmm_level: int

    @property
    def has_all_sections(self) -> bool:
        """Whether all five parts are there."""
        return all(self.sections.get(name) for name in SECTIONS)


def read_pdca(name: str, text: str) -> PdcaText:
    """Read a document; `name` is its file's name, which may tell date and agent."""
    reading = with_tables(read_markdown(text))
    starts = section_starts(reading)
    header_end = min(
        (heading.start for key, heading in starts if key != "objective"), default=len(reading.lines)
    )
    fields = header_fields(reading, header_end)
    sections, used = slice_sections(reading, starts)
    if "objective" in fields and not sections.get("objective"):
        sections["objective"] = fields["objective"]
    links = tuple((one.key, one.value) for one in reading.fields if one.key in LINK_KEYS)
    signed_name, signed_role = read_signature(name)
    return PdcaText(
        title=next((heading.title for heading in reading.headings if heading.level == 1), ""),
        fields=fields,
        sections=sections,
        rest=rest_of(reading, used),
        tron_feedback=read_feedback(reading),
        links=links,
        moment=read_moment(name) or read_moment(fields.get("date", "")) or Moment(),
        agent_name=fields.get("agent_name", "") or signed_name,
        agent_role=fields.get("agent_role", "") or signed_role,
        cmm_level=read_level(fields.get("cmm_level", "")),
    )


def with_tables(reading: Reading) -> Reading:
    """The reading with the fields of its tables among the others, in the order of their lines."""
    fields = [*reading.fields, *table_fields(reading, _KNOWN)]
    return replace(reading, fields=tuple(sorted(fields, key=lambda one: one.line)))


def is_pdca_by_content(text: str) -> bool:
    """Whether an H1 names a PDCA and at least three of the four headings stand in the text."""
    if "pdca" not in text.casefold():
        return False
    reading = read_markdown(text)
    named = any(heading.level == 1 and "pdca" in heading.title.casefold() for heading in reading.headings)
    found = {key for key, _ in section_starts(reading)} & {"plan", "do", "check", "act"}
    return named and len(found) >= 3


def section_starts(reading: Reading) -> list[tuple[str, Heading]]:
    """The headings that open one of the five sections, at any level below the title's."""
    found = []
    for heading in reading.headings:
        match = _SECTION.match(heading.title)
        if match and heading.level > 1:
            found.append((match[1].casefold(), heading))
    return found


def slice_sections(
    reading: Reading, starts: list[tuple[str, Heading]]
) -> tuple[dict[str, str], list[tuple[int, int]]]:
    """The text of each section, and the line ranges that sections cover.

    A section ends where the next one opens, or at a heading that is no deeper than its own.
    """
    sections: dict[str, str] = {}
    used = []
    opening = {heading.start for _, heading in starts}
    for key, heading in starts:
        end = next(
            (
                other.start
                for other in reading.headings
                if other.start > heading.start and (other.start in opening or other.level <= heading.level)
            ),
            len(reading.lines),
        )
        body = "\n".join(reading.lines[heading.end : end]).strip()
        sections[key] = f"{sections[key]}\n\n{body}".strip() if key in sections else body
        used.append((heading.start, end))
    return sections, used


def header_fields(reading: Reading, end: int) -> dict[str, str]:
    """The header's known fields by our names: the first of each that stands before the plan."""
    fields: dict[str, str] = {}
    for one in reading.fields:
        name = _FIELD_OF.get(one.key)
        if name is not None and one.line < end and one.value:
            fields.setdefault(name, clean_value(name, one))
    return fields


def clean_value(name: str, one: Field) -> str:
    """A field's text without markup; of an agent or a role what stands before the arrow."""
    text = _MARKUP.sub(lambda match: match[1] or "", one.value).strip()
    return _ARROW.split(text)[0] if name in ("agent_name", "agent_role") else text


def rest_of(reading: Reading, used: list[tuple[int, int]]) -> str:
    """What stands outside the sections, without title and header fields: summaries, feedback, notes."""
    covered = {line for start, end in used for line in range(start, end)}
    fields = [one for one in reading.fields if one.key in _KNOWN]
    covered |= {one.line for one in fields} | header_rows(reading, fields)
    covered |= {heading.start for heading in reading.headings if heading.level == 1}
    kept = [line for number, line in enumerate(reading.lines) if number not in covered]
    text = "\n".join("" if set(line) <= set("-*_ ") else line for line in kept)
    text = re.sub(r"\n{3,}", "\n\n", text).strip()
    has_prose = any(line.strip() and not line.lstrip().startswith("#") for line in text.split("\n"))
    return text if has_prose else ""


def read_feedback(reading: Reading) -> str:
    """A person's verbatim feedback: the quotes below a heading that names TRON, up to the next heading."""
    parts = []
    for index, heading in enumerate(reading.headings):
        if "tron" not in heading.title.casefold().split():
            continue
        following = reading.headings[index + 1 : index + 2]
        end = following[0].start if following else len(reading.lines)
        for start, stop in reading.quotes:
            if heading.end <= start < end:
                lines = reading.lines[start : min(stop, end)]
                parts.append("\n".join(line.lstrip().removeprefix(">").strip() for line in lines).strip())
    return "\n\n".join(parts)


def read_level(text: str) -> int:
    """The CMM level that a field names: its first digit from 1 to 5; 0 for none."""
    match = re.search(r"[1-5]", text)
    return int(match[0]) if match else 0


def quality_score(cmm_level: int, *, has_all_sections: bool, has_both_links: bool) -> int:
    """50, +10 per CMM level above 1 (at most 30), +20 all sections, +10 both links; at most 100."""
    levels = min(30, 10 * max(0, cmm_level - 1))
    return min(100, 50 + levels + 20 * has_all_sections + 10 * has_both_links)


def common_spellings(names: list[str]) -> dict[str, str]:
    """For each folded agent the spelling that is used most; of equals the first in the alphabet."""
    spellings: dict[str, dict[str, int]] = {}
    for name in names:
        if name:
            counts = spellings.setdefault(fold_agent(name), {})
            counts[name] = counts.get(name, 0) + 1
    return {
        key: min(counts, key=lambda name, counts=counts: (-counts[name], name))  # type: ignore[misc]
        for key, counts in spellings.items()
    }
