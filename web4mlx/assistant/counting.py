"""Counting tokens once: the earlier turns of a chat come again with every question."""

import hashlib
import threading
from collections import OrderedDict

from web4mlx.assistant.fitting import CountTokens

SHORT = 200  # characters that are counted faster than looked up
MOST = 4096


class RememberedCounts:
    """Counts tokens and remembers how many a long text had; safe from several threads, keeps no text.

    Args:
        count: Counts them.
        most: Texts that are remembered; those that were not asked for longest are forgotten.
    """

    def __init__(self, count: CountTokens, most: int = MOST) -> None:
        self._count = count
        self._most = most
        self._known: OrderedDict[bytes, int] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, text: str) -> int:
        """Tokens of a text."""
        if len(text) <= SHORT:
            return self._count(text)
        key = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        tokens = self._count(text)
        with self._lock:
            self._known[key] = tokens
            while len(self._known) > self._most:
                self._known.popitem(last=False)
        return tokens
