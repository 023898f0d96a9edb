"""A bar that says how much of a limit something takes, and how far it reaches at times."""


def gauge(share: float, width: int, colour: str, reach: float = 0.0) -> str:
    """Markup of a bar: heavy up to `share`, dashed up to `reach`, light up to the limit at 1.

    Args:
        share: Part of the limit; anything above 0 shows at least half a column.
        width: Columns.
        colour: Of the heavy part, such as `$success`.
        reach: How far it goes in bad cases, e.g. the 95th percentile; 0 for nothing.
    """
    halves = min(2 * width, max(round(max(0.0, share) * width * 2), int(share > 0)))
    done = "━" * (halves // 2) + "╸" * (halves % 2)
    far = min(width, max(0, round(reach * width)))
    dashed = "╍" * max(0, far - len(done))
    rest = "─" * (width - len(done) - len(dashed))
    return f"[{colour}]{done}{dashed}[/][$line]{rest}[/]"


def clip(text: str, width: int) -> str:
    """A text in at most so many columns, cut in its middle, where paths differ least."""
    if len(text) <= width:
        return text
    if width < 4:
        return text[: max(0, width)]
    head = (width - 1) // 3
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"


def plain(text: str) -> str:
    """A text that anybody may have written, without what a terminal would take for a command."""
    return "".join(sign if sign.isprintable() or sign == "\n" else " " for sign in text.replace("\t", "  "))
