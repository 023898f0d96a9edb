"""Columns of numbers that grow, and their thinning to the width of a plot."""

from array import array
from dataclasses import dataclass
from typing import Any

LEAST_WEIGHT, MOST_WEIGHT, SOON = 0.03, 0.5, 25  # of a new point in the smoothed curve; see `Series.add`


class Series:
    """One curve: x and y, in the order they came; a smoothed y beside it on request.

    Args:
        smooth: Keep an exponential mean too; its window grows with the curve, so it does not lag at first.
    """

    def __init__(self, smooth: bool = False) -> None:
        self.x, self.y = array("d"), array("d")
        self.smoothed = array("d") if smooth else None
        self._mean = 0.0

    def __len__(self) -> int:
        return len(self.x)

    def add(self, x: float, y: float) -> None:
        """Append a point; one at or before the last x replaces what it goes back over (a resumed run)."""
        while self.x and x <= self.x[-1]:
            self.x.pop()
            self.y.pop()
            if self.smoothed is not None:
                self.smoothed.pop()
                self._mean = self.smoothed[-1] if self.smoothed else 0.0
        self.x.append(x)
        self.y.append(y)
        if self.smoothed is not None:
            count = len(self.x)
            weight = max(LEAST_WEIGHT, min(MOST_WEIGHT, SOON / count)) if count > 1 else 1.0
            self._mean += weight * (y - self._mean)
            self.smoothed.append(self._mean)

    def points(self) -> "tuple[array[float], array[float]]":
        """Copies of x and y of equal length, safe to take while another thread appends."""
        x, y = self.x[:], self.y[:]
        count = min(len(x), len(y))
        return x[:count], y[:count]

    def smooth_points(self) -> "tuple[array[float], array[float]]":
        """The same for the smoothed curve; the raw one where nothing is smoothed."""
        if self.smoothed is None:
            return self.points()
        x, y = self.x[:], self.smoothed[:]
        count = min(len(x), len(y))
        return x[:count], y[:count]

    @property
    def last(self) -> float | None:
        """The newest y."""
        return self.y[-1] if self.y else None


@dataclass(frozen=True)
class Thinned:
    """A curve at one value a column: `low` and `high` bound what fell into it, `middle` is their mean.

    All have one entry a column, NaN where there is nothing.
    """

    low: Any
    middle: Any
    high: Any


def thin(x: Any, y: Any, columns: int, first: float, last: float) -> Thinned:
    """Thin a curve to `columns` columns that span x from `first` to `last`.

    Where points are fewer than columns, the gaps between them are filled by straight lines.

    Args:
        x: float64 [n], ascending.
        y: float64 [n]; values that are not finite are left out.
        columns: Number of columns.
        first: x of the first column's left edge.
        last: x of the last column's right edge.
    """
    import numpy as np

    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    keep = np.isfinite(y)
    x, y = x[keep], y[keep]
    empty = np.full(columns, np.nan)
    if not len(x):
        return Thinned(empty, empty, empty)
    width = (last - first) / columns or 1.0
    column = np.clip(((x - first) / width).astype(np.int64), 0, columns - 1)
    starts = np.flatnonzero(np.diff(column, prepend=-1))
    hit = column[starts]
    low, middle, high = empty.copy(), empty.copy(), empty.copy()
    low[hit], high[hit] = np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)
    middle[hit] = np.add.reduceat(y, starts) / np.diff(np.append(starts, len(y)))
    inside = np.arange(hit[0], hit[-1] + 1)
    for values in (low, middle, high):
        values[inside] = np.interp(inside, hit, values[hit])
    return Thinned(low, middle, high)
