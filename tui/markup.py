"""Texts for the screen: what others wrote made harmless, long ones cut, figures drawn as bars."""

from rich.cells import cell_len, set_cell_size


def plain(text: str) -> str:
    """A text that anybody may have written, without what a terminal would take for a command."""
    return "".join(sign if sign.isprintable() or sign == "\n" else " " for sign in text.replace("\t", "  "))


def safe(text: str) -> str:
    r"""A text that stands in markup as it is, whoever wrote it.

    `rich.markup.escape` is made for another markup: `[=` or `[ /` would still end the program here. A
    backslash at the end would take the next tag's bracket with it, so a space keeps them apart.
    """
    shown = plain(text).replace("[", "\\[")
    return f"{shown} " if shown.endswith("\\") else shown


def cut(text: str, width: int) -> str:
    """A text in at most so many columns, with an ellipsis at its end where it was longer."""
    if cell_len(text) <= width:
        return text
    return f"{set_cell_size(text, width - 1)}…" if width > 0 else ""


def clip(text: str, width: int) -> str:
    """A text in at most so many columns, cut in its middle, since paths begin and end with what matters."""
    if len(text) <= width:
        return text
    if width < 4:
        return text[: max(0, width)]
    head = (width - 1) // 3
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"


def gauge(share: float, width: int, colour: str, reach: float = 0.0) -> str:
    """Markup of a bar: heavy up to `share`, dashed up to `reach`, light up to the limit at 1.

    Args:
        share: Part of the limit; anything above 0 shows at least half a column.
        width: Columns.
        colour: Of the heavy and the dashed part, such as `$success`.
        reach: How far it goes in bad cases, e.g. the 95th percentile; 0 for nothing.
    """
    halves = min(2 * width, max(round(max(0.0, share) * width * 2), int(share > 0)))
    done = "━" * (halves // 2) + "╸" * (halves % 2)
    far = min(width, max(0, round(reach * width)))
    dashed = "╍" * max(0, far - len(done))
    rest = "─" * (width - len(done) - len(dashed))
    return f"[{colour}]{done}{dashed}[/][$line]{rest}[/]"
