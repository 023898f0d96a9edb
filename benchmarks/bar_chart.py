"""The pictures of the benchmarks: panels of horizontal bars, one below the other, as SVG.

Which figures a picture shows is decided by its benchmark.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from web4mlx.svg import draw_bar, draw_line, draw_picture, draw_text

WIDTH, MARGIN, TOP = 860, 20, 44
BAR, ROW_GAP, HEAD, FOOT = 15, 9, 34, 44
CHARACTER = 6.7  # width of one at 12 units, generously
VALUE_ROOM = 62
KINDS = ("bar", "bar1", "bar2")
TICKS = 7


@dataclass(frozen=True)
class Panel:
    """Rows of bars on one scale from zero; a row has one value a series, or None where there is none.

    `unit` follows every value, which has so many significant `digits`, one less below 1. In a panel of ratios
    `reference` names what 1 stands for: a dashed line is drawn there.
    """

    title: str
    series: tuple[str, ...]
    rows: Mapping[str, Sequence[float | None]]
    unit: str = ""
    digits: int = 3
    reference: str = ""

    def values(self) -> list[float]:
        """All that there are."""
        return [value for row in self.rows.values() for value in row if value is not None]

    def body_height(self) -> int:
        """Of all bars with the gaps around them."""
        return BAR * len(self.values()) + ROW_GAP * (len(self.rows) + 1)

    def name_value(self, value: float) -> str:
        """The value as it stands behind its bar."""
        power = math.floor(math.log10(value)) if value > 0 else 0
        decimals = self.digits - 1 - power - (value < 1)
        return f"{value:.{max(decimals, 0)}f}{self.unit}"


def draw_charts(title: str, panels: Sequence[Panel], caption: str = "") -> str:
    """The panels that have values, as one SVG picture; the caption is a small line at its bottom."""
    panels = [panel for panel in panels if panel.values()]
    longest = max((len(label) for panel in panels for label in panel.rows), default=0)
    left = MARGIN + CHARACTER * longest + 8
    parts: list[str] = []
    y = TOP
    for panel in panels:
        parts += _draw_head(panel, y)
        parts += _draw_scale(panel, left, y + HEAD)
        parts += _draw_rows(panel, left, y + HEAD)
        y += HEAD + panel.body_height() + FOOT
    if caption:
        parts.append(draw_text(MARGIN, y, caption, kind="small", size=11))
    return draw_picture(WIDTH, y + MARGIN - 4, title, parts)


def _draw_head(panel: Panel, top: float) -> Iterator[str]:
    """The panel's title, and at the right a coloured square for each series when there are several."""
    yield draw_text(MARGIN, top + 16, panel.title, size=13)
    if len(panel.series) < 2:
        return
    x = WIDTH - MARGIN - sum(CHARACTER * len(name) + 30 for name in panel.series)
    for name, kind in zip(panel.series, KINDS, strict=False):
        yield draw_bar(x, top + 6, 11, 11, name, f"key {kind}")
        yield draw_text(x + 16, top + 16, name)
        x += CHARACTER * len(name) + 30


def _draw_scale(panel: Panel, left: float, top: float) -> Iterator[str]:
    """Round figures below the bars, and a thin line up from each."""
    bottom = top + panel.body_height()
    scale = _scale(panel, left)
    step = _tick_step(max(panel.values()))
    for number in range(TICKS + 1):
        if (x := left + number * step * scale) > WIDTH - MARGIN:
            break
        yield draw_line(x, top, x, bottom, "grid" if number else "axis")
        yield draw_text(x, bottom + 15, f"{number * step:g}", anchor="middle", kind="small", size=11)


def _draw_rows(panel: Panel, left: float, top: float) -> Iterator[str]:
    """The bars of each row, the line at 1 across them, labels before the bars and values behind them."""
    scale, texts = _scale(panel, left), []
    y = top + ROW_GAP
    for label, values in panel.rows.items():
        bars = [(*pair, kind) for *pair, kind in zip(panel.series, values, KINDS, strict=False)]
        shown = [(name, value, kind) for name, value, kind in bars if value is not None]
        texts.append(draw_text(left - 8, y + BAR * len(shown) / 2 + 4, label, anchor="end"))
        for name, value, kind in shown:
            text, length = panel.name_value(value), max(value * scale, 1)
            yield draw_bar(left, y + 1, length, BAR - 2, f"{label}, {name}: {text}", kind)
            texts.append(draw_text(left + length + 5, y + BAR - 3.5, text, kind="value", size=11))
            y += BAR
        y += ROW_GAP
    if panel.reference:
        x = left + scale
        yield draw_line(x, top, x, top + panel.body_height(), "limit")
        yield draw_text(x, top - 3, panel.reference, anchor="middle", kind="limit", size=11)
    yield from texts


def _scale(panel: Panel, left: float) -> float:
    """Units of the picture for a value of 1; the line at 1 is always inside."""
    most = max([*panel.values(), 1.0 if panel.reference else 0.0])
    return (WIDTH - MARGIN - VALUE_ROOM - left) / (most or 1.0)


def _tick_step(most: float) -> float:
    """A distance of 1, 2 or 5 times a power of ten that makes at most seven ticks up to `most`."""
    if most <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    return next(step for step in (power / 5, power / 2, power, power * 2, power * 5) if most / step <= TICKS)
