"""Exact and near likeness of texts: word shingles, MinHash signatures, and an index of similar rows.

datasketch supplies MinHash and the locality-sensitive hashing; it only proposes candidates. What is
reported is the true Jaccard similarity of the shingle sets, so no verdict rests on an estimate.
"""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from datasketch import MinHash

SHINGLE_WORDS = 5
PERMUTATIONS = 128
ESTIMATE_SLACK = 0.12  # over 3 standard deviations of an estimate from 128 permutations
WORD = re.compile(r"\w+")
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
Shingles = NDArray[np.uint32]
Signature = NDArray[np.uint32]


def shingle(text: str) -> Shingles:
    """The sorted set of 32-bit hashes of all runs of five words, letter case and punctuation ignored.

    A text of fewer words is one shingle.
    """
    words = WORD.findall(text.lower()) or [text]
    hashes = np.fromiter((zlib.crc32(word.encode("utf-8")) for word in words), np.uint64, len(words))
    size = min(SHINGLE_WORDS, len(words))
    count = len(words) - size + 1
    mixed = np.zeros(count, np.uint64)
    for offset in range(size):
        mixed = (mixed ^ hashes[offset : offset + count]) * MULTIPLIER
    return np.unique((mixed >> np.uint64(32)).astype(np.uint32))


@lru_cache(maxsize=1)
def _empty_minhash() -> "MinHash":
    from datasketch import MinHash

    return MinHash(num_perm=PERMUTATIONS, hashfunc=int)


def sign(shingles: Shingles) -> Signature:
    """The MinHash signature of a shingle set: 128 values, the same in every process."""
    minhash = _empty_minhash().copy()
    minhash.update_batch(shingles.tolist())
    return np.asarray(minhash.hashvalues, np.uint32)


def similarity(one: Shingles, other: Shingles) -> float:
    """Jaccard similarity of two shingle sets."""
    common = len(np.intersect1d(one, other, assume_unique=True))
    return common / (len(one) + len(other) - common)


@dataclass(frozen=True, slots=True)
class Match:
    """A similar row: its number and its Jaccard similarity."""

    row: int
    similarity: float


class NearIndex:
    """Finds a row whose shingle set is at least `threshold` similar.

    Rows are named by their number in `shingles` and `signatures`; only added rows are found.

    Args:
        threshold: Jaccard similarity from which rows count as near copies.
        shingles: The shingle set of each row.
        signatures: Array (rows, 128) of their signatures.
        recall: Share of the pairs exactly at the threshold that must be found; more similar ones nearly
            always are. A smaller share makes queries among many half similar rows faster.
    """

    def __init__(
        self, threshold: float, shingles: Sequence[Shingles], signatures: Signature, recall: float
    ) -> None:
        from datasketch import MinHashLSH

        self.threshold = threshold
        self.shingles = shingles
        self.signatures = signatures
        self._lsh = MinHashLSH(num_perm=PERMUTATIONS, params=choose_bands(threshold, recall))

    def add(self, row: int) -> None:
        """Make a row findable."""
        self._lsh.insert(row, self._minhash(row), check_duplication=False)

    def find(self, row: int) -> Match | None:
        """An added row that is similar enough: the first that proves so, in order of estimated similarity."""
        for candidate in self._likely(row):
            value = similarity(self.shingles[row], self.shingles[candidate])
            if value >= self.threshold:
                return Match(candidate, value)
        return None

    def _minhash(self, row: int) -> Any:
        from datasketch import LeanMinHash

        return LeanMinHash(seed=1, hashvalues=self.signatures[row], scheme="affine32")

    def _likely(self, row: int) -> list[int]:
        """Candidates whose estimated similarity is near the threshold or above, most similar first."""
        candidates = self._lsh.query(self._minhash(row))
        if not candidates:
            return []
        keys = np.sort(np.asarray(candidates))
        estimates = (self.signatures[keys] == self.signatures[row]).mean(axis=1)
        order = np.argsort(-estimates, kind="stable")
        kept: list[int] = keys[order[estimates[order] >= self.threshold - ESTIMATE_SLACK]].tolist()
        return kept


def choose_bands(threshold: float, recall: float) -> tuple[int, int]:
    """Bands and rows per band: the most selective choice that proposes this share of pairs at the threshold.

    A pair of similarity s shares one of b bands of r values with probability 1 - (1 - s^r)^b
    (Leskovec, Rajaraman, Ullman: Mining of Massive Datasets, section 3.4).
    """
    fitting = [
        (PERMUTATIONS // size, size)
        for size in range(1, PERMUTATIONS // 2 + 1)
        if 1 - (1 - threshold**size) ** (PERMUTATIONS // size) >= recall
    ]
    return fitting[-1]
