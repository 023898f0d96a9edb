"""The sample corpus: generated Web4 samples in the exact schema of the real ones.

Demo scale teaches a small model the forms in about an hour; full scale has the real counts and about
20 M tokens. What evaluation needs stays out of training: see `held_out()`.
"""

from web4mlx.data.corpus.plan import Scale
from web4mlx.data.corpus.words import HeldOut, held_out
from web4mlx.data.corpus.write import corpus_counts, foreign_files, require_own_files, write_corpus

# Asked of the base and of the tuned model at the end of the demo; none stands in a training file.
DEMO_QUESTIONS = (
    "What is the empty constructor pattern?",
    "Please write AuctionLimiter, a TypeScript class that allows only so many auctions.",
    "Produce a PDCA document for the task: fix TurbineMonitor, which repeats a failed request forever.",
)

__all__ = [
    "DEMO_QUESTIONS",
    "HeldOut",
    "Scale",
    "corpus_counts",
    "foreign_files",
    "held_out",
    "require_own_files",
    "write_corpus",
]
