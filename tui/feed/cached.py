"""A file that is read and parsed again only when it has changed."""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

Value = TypeVar("Value")


class CachedFile(Generic[Value]):
    """What a file holds, as `parse` reads it.

    Args:
        path: The file.
        parse: Reads the file; may raise.

    A failed reading is remembered, too, and raised again until the file changes.
    """

    def __init__(self, path: Path, parse: Callable[[Path], Value]) -> None:
        self.path, self._parse = path, parse
        self._mark: tuple[int, int, int] | None = None
        self._value: Value | None = None
        self._error: Exception | None = None

    def read(self) -> Value | None:
        """The content; None when there is no such file.

        Raises:
            Exception: What `parse` raised.
        """
        try:
            stat = self.path.stat()
        except OSError:
            self._mark = None
            return None
        mark = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if mark != self._mark:
            self._mark, self._value, self._error = mark, None, None
            try:
                self._value = self._parse(self.path)
            except Exception as error:  # kept, so that a broken file is not parsed every second
                self._error = error
        if self._error is not None:
            raise self._error
        return self._value
