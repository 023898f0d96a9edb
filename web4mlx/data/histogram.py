"""The histogram of row lengths: its bins, and its picture as SVG."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from web4mlx.data.report import LengthBin

BINS = 24
WIDTHS = (1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000)
LEFT, TOP, WIDTH, HEIGHT = 60, 40, 720, 300
BOTTOM, RIGHT = TOP + HEIGHT, LEFT + WIDTH
HEAD = f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 820 400" font-family="sans-serif"
  font-size="12">
<style>.bar {{ fill: #3b6ea5 }} .axis {{ stroke: #222 }} .limit {{ stroke: #b03030; fill: #b03030 }}</style>
<rect width="820" height="400" fill="#fff"/>
<text x="{LEFT}" y="22" font-size="15">Training rows by number of tokens</text>
<line class="axis" x1="{LEFT}" y1="{BOTTOM}" x2="{RIGHT}" y2="{BOTTOM}"/>"""


def make_histogram(lengths: Sequence[int]) -> tuple[LengthBin, ...]:
    """Count lengths in about 24 bins of a round width, from the first to the last occupied one."""
    if not lengths:
        return ()
    values = np.asarray(lengths)
    span = int(values.max() - values.min()) + 1
    width = next((width for width in WIDTHS if span <= width * BINS), math.ceil(span / BINS / 1000) * 1000)
    first = int(values.min()) // width
    counts = np.bincount(values // width - first)
    return tuple(
        LengthBin(low=(first + index) * width, high=(first + index + 1) * width, rows=int(count))
        for index, count in enumerate(counts)
    )


def draw_histogram(bins: Sequence[LengthBin], limit: int) -> str:
    """The histogram as an SVG picture; the length limit (tokens) is a dashed line where it is in range."""
    return "\n".join([HEAD, *_draw_bars(bins, limit), "</svg>", ""])


def _draw_bars(bins: Sequence[LengthBin], limit: int) -> Iterator[str]:
    if not bins:
        return
    most, low, high = max(item.rows for item in bins), bins[0].low, bins[-1].high
    scale = WIDTH / (high - low)
    for item in bins:
        x, wide = LEFT + (item.low - low) * scale, max((item.high - item.low) * scale - 1, 1)
        tall = HEIGHT * item.rows / most
        yield f'<rect class="bar" x="{x:.1f}" y="{BOTTOM - tall:.1f}" width="{wide:.1f}" height="{tall:.1f}">'
        yield f"<title>{item.low} to {item.high - 1} tokens: {item.rows} rows</title></rect>"
    yield f'<text x="{LEFT - 8}" y="{TOP + 10}" text-anchor="end">{most}</text>'
    for x, value in ((LEFT, low), (RIGHT, high)):
        yield f'<text x="{x}" y="{BOTTOM + 18}" text-anchor="middle">{value}</text>'
    if low <= limit <= high:
        x_limit = LEFT + (limit - low) * scale
        ends = f'x1="{x_limit:.1f}" x2="{x_limit:.1f}" y1="{TOP}" y2="{BOTTOM}"'
        yield f'<line class="limit" {ends} stroke-dasharray="5 4"/>'
        yield f'<text class="limit" x="{x_limit:.1f}" y="{TOP - 4}" text-anchor="middle">limit {limit}</text>'
