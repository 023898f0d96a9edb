"""When text counts as content: words, placeholders, sentences. Shared by the document checkers.

A placeholder is text that stands for text: `TODO`, `…`, lorem ipsum, `<insert goal>`, `[Describe the task]`,
`{{name}}`, or the definition of a field in place of its value. Inline code is exempt: `TODO` in backticks
is a subject, not a gap.
"""

import re
from collections.abc import Iterable

from evals.checkers.markdown import Line

_CODE = re.compile(r"`[^`]*`")
_WORD = re.compile(r"[^\W_]+(?:['’.-][^\W_]+)*")
_SENTENCE_END = re.compile(r"(?<=[.!?;])\s+")
_LEAD = re.compile(r"^(?:[^\w\[<{.…`]|\[[ xX]?\]|\d{1,3}[.)](?=\s))+")
_LABEL = re.compile(r"^[^\W\d_][\w ]{0,30}:(?=\s|$)")
_NOUN = (
    r"(?:agent |role |task |file |component |class )?(?:name|role|date|task|goal|objective|description"
    r"|details?|content|text|link|trigger|response|outcome|next(?: steps?)?)(?: here)?"
)
_INVITATION = (
    r"(?:(?:insert|describe|your|enter|fill|specify|provide|explain|to be)\s|placeholder"
    r"|tbd|todo|xxx|\.{2,}|…)"
)
_GAP = re.compile(
    rf"(?<![\w\])])[<\[{{](?:{_INVITATION}[^<>\[\]{{}}\n]{{0,80}}|{_NOUN})[>\]}}](?![\w(\[])"
    r"|\{\{[^{}\n]{0,80}\}\}|_{3,}|\blorem ipsum\b",
    re.IGNORECASE,
)
_OPEN = re.compile(
    r"(?:TODO|TBD|TBA|FIXME|XXX+)\b(?! (?:comment|marker|item|list|entr|note))|(?i:todo|tbd|fixme)\s*(?::|$)"
)
_STAND_IN = re.compile(
    r"""\.{2,}|…|coming\ soon|fill\ (?:this\ )?in(?:\ (?:here|later))?|placeholder(?:\ text)?
    |to\ be\ (?:announced|added|completed|decided|defined|determined|discussed|done|filled(?:\ in)?|written)
    |(?:your|some|sample|example)\ text(?:\ here)?|\w+(?:\ \w+){0,3}\ goes\ here
    |what\ (?:has\ )?(?:prompted|initiated|triggered)\ the\ decision
    |what\ is\ (?:(?:to\ be\ )?done|reached|verified)
    |what\ (?:action\ )?was\ (?:done|taken|learned)|what\ (?:results|resulted)(?:\ from\ the\ action)?
    |what\ (?:follows|comes\ next|follows\ or\ what\ to\ do\ next|to\ do\ next)""",
    re.IGNORECASE | re.VERBOSE,
)
_NOTHING = re.compile(
    r"(?:n/?a|none|nothing|nil|unknown|not applicable|same as above|see above|-+)", re.IGNORECASE
)


def strip_lead(text: str) -> str:
    """A line without bullets, numbers, checkboxes, emoji and other marks before its first word."""
    return _LEAD.sub("", text).strip()


def after_label(text: str) -> str:
    """What stands behind a label of one to a few words such as `Learned:`; the text itself without one."""
    return _LABEL.sub("", text, count=1).strip()


def count_words(text: str) -> int:
    """Words and numbers; `npx vitest run` in backticks are three."""
    return sum(1 for _ in _WORD.finditer(text))


def is_placeholder(text: str) -> bool:
    """Whether a line or value contains a gap to be filled, or is nothing but a stand-in for content."""
    prose = _CODE.sub("", strip_lead(text))
    for part in (prose, after_label(prose)):
        part = part.strip(" \t*_()[]\"'")
        if _OPEN.match(part) or _STAND_IN.fullmatch(part.rstrip(".?!…: ") or part):
            return True
    return _GAP.search(prose) is not None


def is_nothing(text: str) -> bool:
    """Whether a line or value says only that there is nothing: `none`, `N/A`, a dash, or no word at all."""
    value = after_label(strip_lead(text)).strip(" \t.*_()")
    return not count_words(value) or _NOTHING.fullmatch(value) is not None


def body_lines(lines: Iterable[Line]) -> list[str]:
    """The lines that say something: no headings, no empty lines, no marks before the text."""
    stripped = (strip_lead(line.text) for line in lines if not line.level)
    return [text for text in stripped if text]


def sentences(lines: Iterable[str]) -> list[str]:
    """Sentences of lines; a line ends a sentence, whether it has a full stop or not."""
    return [sentence for line in lines for sentence in _SENTENCE_END.split(line) if sentence.strip()]
