"""Numbers as people read them, in few columns."""

import math
from pathlib import Path


def size(count: float) -> str:
    """Bytes: `4.68 GB`, `512 MB`, `3 kB`."""
    for unit, factor, digits in (("TB", 1e12, 2), ("GB", 1e9, 2), ("MB", 1e6, 0), ("kB", 1e3, 0)):
        if count >= factor:
            return f"{count / factor:.{digits}f} {unit}"
    return f"{count:.0f} B"


def duration(seconds: float | None) -> str:
    """A duration: `42 s`, `3:05 min`, `2:07 h`, `3 d 4 h`; a dash for None."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    if whole < 86400:
        return f"{whole // 3600}:{whole % 3600 // 60:02d} h"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def short(value: float) -> str:
    """A number in at most seven columns: `0.0312`, `12.3`, `1.2e-05`, `74k`."""
    if not math.isfinite(value):
        return str(value)
    magnitude = abs(value)
    if magnitude and (magnitude < 1e-3 or magnitude >= 1e7):
        return f"{value:.1e}"
    if magnitude >= 1e4:
        return f"{value / 1e3:.0f}k"
    digits = 0 if magnitude >= 1000 else 1 if magnitude >= 100 else 2 if magnitude >= 1 else 4
    return f"{value:.{digits}f}"


def ago(seconds: float) -> str:
    """How long ago, coarsely: `now`, `5 s ago`, `3 min ago`, `2 days ago`; a clock set back is `now`."""
    if seconds < 2:
        return "now"
    for unit, length in (("day", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            count = int(seconds // length)
            plural = "s" if unit == "day" and count > 1 else ""
            return f"{count} {unit}{plural} ago"
    return f"{int(seconds)} s ago"


def bar(share: float, width: int, colour: str) -> str:
    """Markup of a progress bar: a heavy line as far as it goes, a light one for the rest."""
    halves = round(max(0.0, min(1.0, share)) * width * 2)
    done = "━" * (halves // 2) + "╸" * (halves % 2)
    return f"[{colour}]{done}[/][$line]{'─' * (width - len(done))}[/]"


def short_path(path: Path) -> str:
    """A path from the working folder on, where it lies below it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def near_paths(text: str) -> str:
    """A text whose paths begin at the working folder, where they lie below it."""
    return text.replace(f"{Path.cwd()}/", "")
