"""What a model wrote, highlighted: Markdown with code in it, TypeScript, JSON; and documents of ours."""

import re

from pygments.token import Token  # type: ignore[import-untyped]
from textual.content import Content
from textual.highlight import HighlightTheme, highlight

CODE = re.compile(r"`([^`\n]+)`")
LABEL = re.compile(r"^(Trigger|Response|Outcome|Next|Learned|Model|Run):")
LINK = re.compile(r"^(PRECEDES|FOLLOWS):")


class Calm(HighlightTheme):
    """The dashboard's own colours; few, so that the text stays in front."""

    STYLES = {
        Token.Comment: "$muted italic",
        Token.Generic.Strong: "bold",
        Token.Generic.Emph: "italic",
        Token.Generic.Heading: "bold $primary",
        Token.Generic.Subheading: "bold $primary",
        Token.Keyword: "$secondary",
        Token.Keyword.Type: "$accent",
        Token.Literal.Number: "$warning",
        Token.Literal.String: "$success",
        Token.Name.Class: "bold $accent",
        Token.Name.Function: "$primary",
        Token.Name.Tag: "$primary",
        Token.Name.Attribute: "$accent",
        Token.Operator.Word: "$secondary",
    }


def plain(text: str) -> str:
    """A text without characters that a terminal would obey."""
    return "".join(c if c.isprintable() or c == "\n" else "  " if c == "\t" else "·" for c in text)


def guess_language(text: str) -> str:
    """What an answer is written in: `json`, `typescript` or `markdown`."""
    start = text.lstrip()
    if start.startswith(("{", "[{")):
        return "json"
    is_marked = "```" in text or re.search(r"^#+ |^[-*] ", text, re.MULTILINE)
    is_code = re.search(r"^\s*(export |class |import |interface |constructor\()", text, re.MULTILINE)
    return "typescript" if is_code and not is_marked else "markdown"


def answer_content(text: str) -> Content:
    """An answer, highlighted."""
    shown = plain(text)
    found = highlight(shown, language=guess_language(shown), theme=Calm, tab_size=2)
    return Content(found.plain, spans=[span for span in found.spans if span.style != "$text"])


def document_content(text: str) -> Content:
    """A PDCA document: headings, lists and links marked, what a model wrote set apart."""
    parts: list[Content] = []
    fence = ""
    for line in plain(text).split("\n"):
        mark = re.match(r"`{3,}", line)
        if mark and not fence:
            fence = mark[0]
        elif fence and line.strip() == fence:
            fence = ""
        elif fence:
            parts.append(Content.assemble(("│ ", "$line"), (line, "$muted")))
        else:
            parts.append(_line(line))
    return Content("\n").join(parts)


def _line(line: str) -> Content:
    heading = re.match(r"(#+) (.*)", line)
    if heading:
        return Content.styled(heading[2], "bold $primary" if len(heading[1]) < 3 else "bold $accent")
    lead, rest = ("• ", line[2:]) if line.startswith("- ") else ("", line)
    parts = [Content.styled(lead, "$accent")]
    for style, pattern in (("bold", LABEL), ("bold $secondary", LINK)):
        if found := pattern.match(rest):
            parts.append(Content.styled(found[0], style))
            rest = rest[found.end() :]
    parts += [
        Content.styled(piece, "$accent") if place % 2 else Content(piece)
        for place, piece in enumerate(CODE.split(rest))
    ]
    return Content("").join(parts)
