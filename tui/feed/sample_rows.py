"""Rows of a sample file by number, without keeping their texts: where each line begins, read once."""

from array import array
from pathlib import Path

from web4mlx.data.samples import BadRow, Sample, parse_row

BLOCK_BYTES = 1 << 20


class SampleRows:
    """The rows of one file; blank lines are none. Follows changes of the file.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, int] | None = None
        self._offsets = array("q")
        self._lines = array("q")

    def refresh(self) -> None:
        """Read where the lines begin, when the file has changed.

        Raises:
            OSError: It cannot be read.
        """
        stat = self.path.stat()
        stamp = (stat.st_size, stat.st_mtime_ns)
        if stamp == self._stamp:
            return
        self._offsets, self._lines = array("q"), array("q")
        offset = 0
        with self.path.open("rb") as file:
            for line, raw in enumerate(file, 1):
                if raw.strip():
                    self._offsets.append(offset)
                    self._lines.append(line)
                offset += len(raw)
        self._stamp = stamp

    def __len__(self) -> int:
        return len(self._offsets)

    def row(self, number: int) -> Sample | BadRow | None:
        """The row of a number from 0 on; None when there is none."""
        if not 0 <= number < len(self):
            return None
        with self.path.open("rb") as file:
            file.seek(self._offsets[number])
            return parse_row(self.path, self._lines[number], file.readline())

    def number_of_line(self, line: int) -> int:
        """The number of the row in a line, or of the next one after it; the last when there is none."""
        import bisect

        return min(bisect.bisect_left(self._lines, line), max(0, len(self) - 1))

    def find_id(self, sample_id: str) -> int | None:
        """The number of the row with an id; None when no row has it."""
        for number in range(len(self)):
            row = self.row(number)
            if isinstance(row, Sample) and row.sample_id == sample_id:
                return number
        return None
