"""The histogram of row lengths: its bins, and its picture as SVG."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from web4mlx.data.report import LengthBin
from web4mlx.svg import draw_bar, draw_line, draw_picture, draw_text

BINS = 24
WIDTHS = (1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000)
LEFT, TOP, WIDTH, HEIGHT = 60, 40, 720, 300
BOTTOM, RIGHT = TOP + HEIGHT, LEFT + WIDTH


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
    axis = draw_line(LEFT, BOTTOM, RIGHT, BOTTOM)
    return draw_picture(820, 400, "Training rows by number of tokens", [axis, *_draw_bars(bins, limit)])


def _draw_bars(bins: Sequence[LengthBin], limit: int) -> Iterator[str]:
    if not bins:
        return
    most, low, high = max(item.rows for item in bins), bins[0].low, bins[-1].high
    scale = WIDTH / (high - low)
    for item in bins:
        x, wide = LEFT + (item.low - low) * scale, max((item.high - item.low) * scale - 1, 1)
        tall = HEIGHT * item.rows / most
        tip = f"{item.low} to {item.high - 1} tokens: {item.rows} rows"
        yield draw_bar(x, BOTTOM - tall, wide, tall, tip)
    yield draw_text(LEFT - 8, TOP + 10, str(most), anchor="end")
    for x, value in ((LEFT, low), (RIGHT, high)):
        yield draw_text(x, BOTTOM + 18, str(value), anchor="middle")
    if low <= limit <= high:
        x_limit = LEFT + (limit - low) * scale
        yield draw_line(x_limit, TOP, x_limit, BOTTOM, "limit")
        yield draw_text(x_limit, TOP - 4, f"limit {limit}", anchor="middle", kind="limit")
