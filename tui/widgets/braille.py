"""Drawing curves with braille characters: two by four dots in each character cell."""

from typing import Any

import numpy as np

BLANK, DOTS = ord(" "), 0x2800
WEIGHTS = np.array([[1, 8], [2, 16], [4, 32], [64, 128]], dtype=np.uint8)  # [dot row, dot column]
DASH = 6  # dots of a dash and its gap


class Canvas:
    """A grid of cells; what is drawn later covers what stands in the same cell.

    Args:
        columns: Cells in a row.
        rows: Rows.
        low: y of the lowest dot row.
        high: y of the highest dot row.
    """

    def __init__(self, columns: int, rows: int, low: float, high: float) -> None:
        self.columns, self.rows = columns, rows
        self.low, self.high = low, high if high > low else low + 1.0
        self.codes = np.full((rows, columns), BLANK, dtype=np.uint32)
        self.styles = np.zeros((rows, columns), dtype=np.uint8)

    def row_of(self, y: Any) -> Any:
        """The dot row of values of y, float64; row 0 is the highest."""
        return (self.high - y) / (self.high - self.low) * (self.rows * 4 - 1)

    def line(self, y: Any, style: int, *, dashed: bool = False) -> None:
        """Draw a connected line; `y` has one value for each of the 2 × columns dot columns, or NaN."""
        row = self.row_of(y)
        before, after = np.roll(row, 1), np.roll(row, -1)
        before[0], after[-1] = row[0], row[-1]
        before, after = (np.where(np.isnan(side), row, (row + side) / 2) for side in (before, after))
        top = np.minimum(np.minimum(before, after), row)
        bottom = np.maximum(np.maximum(before, after), row)
        if dashed:
            gaps = np.arange(len(row)) % (2 * DASH) >= DASH
            top = np.where(gaps, np.nan, top)
        self._fill(np.round(top), np.round(bottom), style)

    def band(self, low: Any, high: Any, style: int) -> None:
        """Draw the area between two curves of 2 × columns values."""
        self._fill(np.round(self.row_of(high)), np.round(self.row_of(low)), style)

    def level(self, y: float, style: int) -> None:
        """Draw a horizontal dotted line."""
        row = round(float(self.row_of(np.float64(y))))
        dots = np.full(self.columns * 2, np.nan)
        dots[:: 3 if self.columns * 2 % 3 else 2] = row
        self._fill(dots, dots, style, covers=False)

    def mark(self, column: int, y: float, glyph: str, style: int) -> None:
        """Put a character at a cell column and a value."""
        row = int(np.clip(self.row_of(np.float64(y)) / 4, 0, self.rows - 1))
        if 0 <= column < self.columns:
            self.codes[row, column], self.styles[row, column] = ord(glyph), style

    def _fill(self, top: Any, bottom: Any, style: int, *, covers: bool = True) -> None:
        dot_rows = np.arange(self.rows * 4)[:, None]
        with np.errstate(invalid="ignore"):
            dots = (dot_rows >= top[None, :]) & (dot_rows <= bottom[None, :])
        cells = dots.reshape(self.rows, 4, self.columns, 2).transpose(0, 2, 1, 3)
        bits = (cells * WEIGHTS).sum(axis=(2, 3)).astype(np.uint32)
        hit = bits > 0
        if not covers:
            hit &= self.codes == BLANK
        self.codes[hit] = DOTS + bits[hit]
        self.styles[hit] = style
