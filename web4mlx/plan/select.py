"""Which samples to train when there is time for some of them only.

Every file keeps its share of the tokens, no sample stands twice or is a copy of a held-out one, the better
samples go first, and a file's kinds of task all stay in. Chance breaks ties, and only by the seed.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from web4mlx.data.duplicates import NearIndex
from web4mlx.data.findings import COPY_RECALL, LEAK_RECALL
from web4mlx.errors import CheckFailed, UsageError
from web4mlx.plan.candidates import Candidate


@dataclass(frozen=True)
class FileShare:
    """What a selection takes of one file.

    `available` samples may be trained on: not held out, no copy of a held-out one, not dropped for their
    length; `duplicates` of them are copies of better ones, in this file or another. `tokens` are those of
    the `chosen`, `share` is their part of the selection's tokens and `corpus_share` that of the available.
    """

    file: str
    available: int
    duplicates: int
    chosen: int
    tokens: int
    share: float
    corpus_share: float


@dataclass(frozen=True)
class Selection:
    """The chosen samples in the order of the files; `tokens` are those of one epoch."""

    sample_ids: tuple[str, ...]
    tokens: int
    budget_tokens: int
    files: tuple[FileShare, ...]
    seed: int

    @property
    def available(self) -> int:
        """Samples that could have been chosen, copies among them."""
        return sum(file.available for file in self.files)


@dataclass(frozen=True)
class Stratum:
    """One file: what may be trained on, in its order; and what of that is no copy, best first."""

    file: str
    available: Sequence[Candidate]
    ranked: Sequence[Candidate]


def propose(
    files: Mapping[str, Sequence[Candidate]],
    budget_tokens: int,
    seed: int,
    near_duplicate_similarity: float,
) -> Selection:
    """Choose the samples of one epoch.

    Args:
        files: The samples of each file, held-out ones among them, as `read_candidates` gives them.
        budget_tokens: Most tokens an epoch may have.
        seed: Decides between equally good samples.
        near_duplicate_similarity: Jaccard similarity from which two samples are copies of each other.

    Raises:
        CheckFailed: Two samples have the same id.
        UsageError: The budget is too small for any sample.
    """
    require_unique_ids(files)
    strata = stratify(files, seed, near_duplicate_similarity)
    weights = [count_tokens(stratum.available) for stratum in strata]
    budgets = share_out(budget_tokens, weights, [count_tokens(stratum.ranked) for stratum in strata])
    chosen = [choose(stratum.ranked, budget) for stratum, budget in zip(strata, budgets, strict=True)]
    if not any(chosen):
        raise UsageError(f"{budget_tokens:,} tokens an epoch: no sample fits", "Allow more time.")
    names = {candidate.sample_id for picked in chosen for candidate in picked}
    return Selection(
        sample_ids=tuple(
            one.sample_id for stratum in strata for one in stratum.available if one.sample_id in names
        ),
        tokens=sum(map(count_tokens, chosen)),
        budget_tokens=budget_tokens,
        files=describe_shares(strata, chosen),
        seed=seed,
    )


def describe_shares(
    strata: Sequence[Stratum], chosen: Sequence[Sequence[Candidate]]
) -> tuple[FileShare, ...]:
    """What was chosen of each file, and what part of the whole that is."""
    corpus = sum(count_tokens(stratum.available) for stratum in strata)
    total = sum(map(count_tokens, chosen))
    return tuple(
        FileShare(
            file=stratum.file,
            available=len(stratum.available),
            duplicates=len(stratum.available) - len(stratum.ranked),
            chosen=len(picked),
            tokens=count_tokens(picked),
            share=count_tokens(picked) / total,
            corpus_share=count_tokens(stratum.available) / corpus,
        )
        for stratum, picked in zip(strata, chosen, strict=True)
    )


def count_tokens(candidates: Iterable[Candidate]) -> int:
    """Tokens of some samples."""
    return sum(candidate.tokens for candidate in candidates)


def require_unique_ids(files: Mapping[str, Sequence[Candidate]]) -> None:
    """Refuse samples that a selection could not tell apart."""
    counts = Counter(candidate.sample_id for candidates in files.values() for candidate in candidates)
    repeated = [sample_id for sample_id, count in counts.items() if count > 1]
    if repeated:
        raise CheckFailed(
            f"{len(repeated)} sample ids stand more than once, the first of them {repeated[0]!r}",
            "`web4mlx data check` shows where; `--quarantine` moves the second ones away.",
        )


def stratify(files: Mapping[str, Sequence[Candidate]], seed: int, threshold: float) -> list[Stratum]:
    """The samples that may be trained on, by file; a file without any has no stratum."""

    def rank(candidate: Candidate) -> tuple[bool, float, bytes]:
        chance = blake2b(f"{seed}|{candidate.sample_id}".encode(), digest_size=8).digest()
        return candidate.quality is None, -(candidate.quality or 0.0), chance

    everything = [candidate for candidates in files.values() for candidate in candidates]
    held_out = [candidate for candidate in everything if candidate.is_held_out]
    usable = [candidate for candidate in everything if candidate.tokens and not candidate.is_held_out]
    leaks, copies = find_copies(held_out, sorted(usable, key=rank), threshold)
    allowed = {candidate.sample_id for candidate in usable} - leaks
    strata = []
    for file, candidates in files.items():
        available = [candidate for candidate in candidates if candidate.sample_id in allowed]
        originals = [candidate for candidate in available if candidate.sample_id not in copies]
        if available:
            strata.append(Stratum(file, available, sorted(originals, key=rank)))
    return strata


def find_copies(
    held_out: Sequence[Candidate], ranked: Sequence[Candidate], threshold: float
) -> tuple[set[str], set[str]]:
    """Ids of the samples that are copies of held-out ones, and of those that are copies of better ones."""
    both = [*held_out, *ranked]
    if not both:
        return set(), set()
    shingles = [candidate.shingles for candidate in both]
    signatures = np.stack([candidate.signature for candidate in both])
    secret = NearIndex(threshold, shingles, signatures, LEAK_RECALL)
    originals = NearIndex(threshold, shingles, signatures, COPY_RECALL)
    for number in range(len(held_out)):
        secret.add(number)
    leaks: set[str] = set()
    copies: set[str] = set()
    for number, candidate in enumerate(ranked, len(held_out)):
        if secret.find(number):
            leaks.add(candidate.sample_id)
        elif originals.find(number):
            copies.add(candidate.sample_id)
        else:
            originals.add(number)
    return leaks, copies


def share_out(budget: int, weights: Sequence[int], limits: Sequence[int]) -> list[int]:
    """Split a budget in proportion to weights, by largest remainders.

    What a limit does not let one part have goes to the others, in proportion again, so that the whole budget
    is given out unless all parts are at their limits.
    """
    given = [0] * len(weights)
    left = max(0, min(budget, sum(limits)))
    parts = list(range(len(weights)))
    while parts:
        total = sum(weights[part] for part in parts)
        quota = {part: left * weights[part] // total for part in parts}
        remainder = {part: left * weights[part] % total for part in parts}
        for part in sorted(parts, key=remainder.__getitem__, reverse=True)[: left - sum(quota.values())]:
            quota[part] += 1
        full = [part for part in parts if quota[part] >= limits[part]]
        for part in full or parts:
            given[part] = limits[part] if full else quota[part]
            left -= given[part]
        parts = [part for part in parts if part not in full] if full else []
    return given


def choose(ranked: Sequence[Candidate], budget: int) -> list[Candidate]:
    """The samples of one file within a budget: one of each kind of task, then the best.

    A sample that is too long for what is left is passed over for the next one that fits.
    """
    chosen = represent(ranked, budget)
    names = {candidate.sample_id for candidate in chosen}
    left = budget - count_tokens(chosen)
    for candidate in ranked:
        if candidate.tokens <= left and candidate.sample_id not in names:
            chosen.append(candidate)
            left -= candidate.tokens
    return chosen


def represent(ranked: Sequence[Candidate], budget: int) -> list[Candidate]:
    """The best sample of each kind of task that leaves room for one of every other kind.

    Where there is no room for all kinds, those with the shortest samples are taken.
    """
    shortest: dict[str, int] = {}
    for candidate in ranked:
        kind = candidate.task_type
        shortest[kind] = min(candidate.tokens, shortest.get(kind, candidate.tokens))
    spare, wanted = budget, set()
    for kind in sorted(shortest, key=lambda kind: shortest[kind]):
        if shortest[kind] <= spare:
            wanted.add(kind)
            spare -= shortest[kind]
    chosen = []
    for candidate in ranked:
        extra = candidate.tokens - shortest[candidate.task_type]
        if candidate.task_type in wanted and extra <= spare:
            chosen.append(candidate)
            wanted.remove(candidate.task_type)
            spare -= extra
    return chosen
