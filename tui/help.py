"""The help, made from the action table."""

from itertools import groupby
from textwrap import wrap

from tui.screens import SCREENS, action_table

TEXT = 24  # columns before an action's help


def help_text(current: str, width: int = 100) -> str:
    """All keys as markup, in lines of `width` columns: those of the screen that is shown first."""
    titles = {entry.name: entry.title for entry in SCREENS} | {"": "Everywhere"}
    groups = {where: list(found) for where, found in groupby(action_table(), key=lambda a: a.where)}
    order = [current, "", *(name for name in groups if name not in (current, ""))]
    lines: list[str] = []
    for where in order:
        if where not in groups:
            continue
        lines.append(f"[b $primary]{titles[where]}[/]")
        if not where:
            lines.append(f"  [b]{f'1–{len(SCREENS)}':<8}[/][$muted]{'Screens':<14}[/]Go to a screen.")
        for action in groups[where]:
            key = action.shown_key.replace("[", r"\[")
            pad = " " * max(1, 8 - len(action.shown_key))
            first, *rest = wrap(action.help, max(20, width - TEXT))
            lines.append(f"  [b]{key}[/]{pad}[$muted]{action.name:<14}[/]{first}")
            lines += [" " * TEXT + line for line in rest]
        lines.append("")
    return "\n".join(lines)
