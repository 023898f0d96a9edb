"""What an answer says itself: its prose without code, quotes and Markdown, cut into clauses.

Nothing here knows what a refusal is. Texts may be of any size and form; everything runs in linear time.
"""

import re
import unicodedata
from dataclasses import dataclass

LONGEST = 6000
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufe0e\ufe0f]")
_APOSTROPHES = str.maketrans(dict.fromkeys("\u2018\u2019\u02bc\u00b4\u201b\uff07", "'"))
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_DOCUMENT = re.compile(
    r"\s{0,3}(?:#{1,6}\s*\W{0,4}(?:objective|plan|do|check|act|tron)\b|(?:precedes|follows):)", re.I
)
_COMMENT = re.compile(r"\s*(?://|/\*|\*/|<!--)")
_HEADING = re.compile(r"\s{0,3}#{1,6}\s+(.*)")
_ITEM = re.compile(r"\s{0,12}(?:[-*+•]|\d{1,3}[.)])\s+(.*)")
_TAG = re.compile(r"</?[a-zA-Z][^<>\n]{0,80}>")
_INLINE_CODE = re.compile(r"(`{1,2})[^`\n]{1,300}\1")
_QUOTE = re.compile(
    r"\"[^\"\n]{1,300}\"|“[^”\n]{1,300}[”“]|„[^“”\n]{1,300}[“”]|«[^»\n]{1,300}»|»[^«\n]{1,300}«"
    r"|(?<![\w'])'(?=\S)[^'\n]{0,300}(?:(?<=\w)'(?=\w)[^'\n]{0,300}){0,5}'(?![\w'])"
)
_EMPHASIS = re.compile(r"[*_~]{1,3}(?=\S)|(?<=\S)[*_~]{1,3}")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[.!?])$|\n{2,}")
_TURN = r"but|yet|however|so|and|because|since|though|aber|doch|und|denn|weil"
_CLAUSE_END = re.compile(rf"[,;:()!?]+(?=\s|$)|\s+[-\u2013\u2014]+\s+|\u2014|\s+(?=(?:{_TURN})\s)|[.!?]+$")


@dataclass(frozen=True, slots=True)
class Prose:
    """What remains of an answer.

    `text` is lower-case prose whose paragraphs are parted by blank lines; `code` is the last block of code;
    `delivers` says that code, a document or a bare tool call was among what was taken out.
    """

    text: str
    code: str
    delivers: bool


@dataclass(frozen=True, slots=True)
class Clause:
    """A piece of a sentence; `sentence` counts from 0, `is_question` is that of the whole sentence."""

    text: str
    sentence: int
    is_question: bool


def read_prose(text: str) -> Prose:
    """Take the prose out of an answer; an answer that is quoted as a whole counts as said."""
    lines, code, delivers = _split_code(_characters(text).split("\n"))
    delivers = delivers or bool(code) or text.lstrip().startswith(("{", "<tool_call"))
    own = [line for line in lines if not line.lstrip().startswith(">")]
    said = _plain(_QUOTE.sub(" QUOTE ", _INLINE_CODE.sub(" CODE ", _paragraphs(own))))
    if not has_words(said) and not delivers:
        said = _plain(_paragraphs([line.lstrip().lstrip("> ") for line in lines]).replace('"', " "))
    return Prose(said, code, delivers)


def split_clauses(prose: str) -> list[Clause]:
    """The clauses of prose in their order."""
    clauses = []
    for number, sentence in enumerate(filter(None, map(str.strip, _SENTENCE_END.split(prose)))):
        pieces = filter(None, map(str.strip, _CLAUSE_END.split(sentence)))
        clauses += [Clause(piece, number, sentence.endswith("?")) for piece in pieces]
    return clauses


def has_words(text: str) -> bool:
    """Whether anything but placeholders of code and quotes is left."""
    return any(word not in ("CODE", "QUOTE") for word in re.findall(r"[^\W\d_]+", text))


def _characters(text: str) -> str:
    text = _INVISIBLE.sub("", text).translate(_APOSTROPHES).replace("\r\n", "\n").replace("\r", "\n")
    return unicodedata.normalize("NFKC", text).translate(_APOSTROPHES)


def _split_code(lines: list[str]) -> tuple[list[str], str, bool]:
    """The lines outside of fences up to the first part of a document, the last block, whether one began."""
    prose: list[str] = []
    block: list[str] = []
    fence = ""
    for line in lines:
        opening = _FENCE.match(line)
        if fence:
            if opening and opening[1].startswith(fence):
                fence = ""
            else:
                block.append(line)
        elif opening:
            fence, block = opening[1], []
        elif _DOCUMENT.match(line):
            return prose, "\n".join(block), True
        else:
            prose.append("" if _COMMENT.match(line) else line)
    return prose, "\n".join(block), False


def _paragraphs(lines: list[str]) -> str:
    """Lines as text in which headings and list items are paragraphs and other line breaks are spaces."""
    text: list[str] = []
    for line in lines:
        if item := _HEADING.match(line) or _ITEM.match(line):
            text += ["\n\n", item[1], "\n\n" if _HEADING.match(line) else ""]
        else:
            text.append(f" {line.strip()}" if line.strip() else "\n\n")
    return "".join(text)


def _plain(text: str) -> str:
    text = _EMPHASIS.sub("", _TAG.sub(" ", text))
    text = "".join(" " if unicodedata.category(char) in ("So", "Sk", "Cn", "Cs") else char for char in text)
    words = re.sub(r"[^\S\n]+", " ", text).strip()[:LONGEST]
    return re.sub(r"\b(?!(?:CODE|QUOTE)\b)\w+", lambda match: match[0].lower(), words)
