"""Cutting a stream of text at the first stop string, without ever letting a part of one through."""

from collections.abc import Sequence


class StopFilter:
    """Holds back text that may turn out to be the beginning of a stop string.

    Args:
        stops: Texts that end the answer; they are not part of it.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self.stops = tuple(stops)
        self.is_stopped = False
        self._held = ""

    def push(self, text: str) -> str:
        """Add generated text; returns what is certain to belong to the answer."""
        if self.is_stopped:
            return ""
        self._held += text
        found = [at for stop in self.stops if (at := self._held.find(stop)) >= 0]
        if found:
            self.is_stopped = True
            return self._release(min(found))
        return self._release(len(self._held) - self._doubtful())

    def flush(self) -> str:
        """The text still held back, when the answer has ended without a stop string."""
        return "" if self.is_stopped else self._release(len(self._held))

    def _release(self, length: int) -> str:
        certain, self._held = self._held[:length], self._held[length:]
        return certain

    def _doubtful(self) -> int:
        """Length of the longest end of the held text that a stop string begins with."""
        longest = max((len(stop) - 1 for stop in self.stops), default=0)
        for length in range(min(longest, len(self._held)), 0, -1):
            if any(stop.startswith(self._held[-length:]) for stop in self.stops):
                return length
        return 0
