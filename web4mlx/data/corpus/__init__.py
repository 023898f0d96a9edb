"""The sample corpus: generated Web4 samples in the exact schema of the real ones.

Demo scale teaches a small model the forms in a quarter of an hour; full scale has the real counts and about
20 M tokens. What evaluation needs stays out of training: see `held_out()`.
"""

from web4mlx.data.corpus.plan import Scale
from web4mlx.data.corpus.words import HeldOut, held_out
from web4mlx.data.corpus.write import corpus_counts, foreign_files, require_own_files, write_corpus

__all__ = [
    "HeldOut",
    "Scale",
    "corpus_counts",
    "foreign_files",
    "held_out",
    "require_own_files",
    "write_corpus",
]
