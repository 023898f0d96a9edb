"""Writing the sample corpus: nine files, the same bytes for the same seed, never over somebody's own data."""

import json
import time
from collections import defaultdict
from pathlib import Path
from random import Random

from web4mlx.artifacts import atomic_write
from web4mlx.data.corpus.grammar import Dealer
from web4mlx.data.corpus.plan import VARIETY, Scale, Share, plan
from web4mlx.data.corpus.rows import FILES, SOURCE, TRAIN_FILES, NearDuplicates, Row
from web4mlx.errors import StageCrashed, UsageError
from web4mlx.events import EventLog, Finished, Progress, Started

SIMILARITY = 0.75
LONGEST_COMPARED = 1250
ATTEMPTS = 400


def corpus_counts(scale: Scale) -> dict[str, int]:
    """Samples per file that a scale will write."""
    counts = dict.fromkeys(FILES, 0)
    for share in plan(scale):
        counts[share.file] += share.train
        counts["eval"] += share.eval
    return counts


def foreign_files(folder: Path) -> list[Path]:
    """Files of the corpus's names in a folder that this generator did not write."""
    paths = [folder / f"{name}.jsonl" for name in FILES]
    return [path for path in paths if path.exists() and not _is_generated(path)]


def _is_generated(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8") as file:
            return bool(json.loads(file.readline())["metadata"]["source"] == SOURCE)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def require_own_files(folder: Path) -> None:
    """Refuse to overwrite data that was not generated.

    Raises:
        UsageError: Such files stand in the folder; names them.
    """
    if foreign := foreign_files(folder):
        names = ", ".join(path.name for path in foreign)
        raise UsageError(
            f"{folder}: {names} were not written by `web4mlx data sample`",
            "Choose another --folder, or overwrite them with --force.",
        )


def write_corpus(folder: Path, scale: Scale, seed: int, log: EventLog) -> dict[str, int]:
    """Write the nine files of the sample corpus; equal scale and seed give equal bytes.

    Existing files of these names are replaced; `require_own_files` guards the user's own.

    Returns:
        The number of samples per file.
    """
    began = time.monotonic()
    shares = plan(scale)
    log.write(Started, plan={"scale": scale, "seed": seed, "folder": str(folder)})
    rows = {"eval": _eval_rows(shares, Dealer("held_out", f"{seed}/eval", VARIETY[scale]))}
    rows |= _train_rows(shares, Dealer("train", f"{seed}/train", VARIETY[scale]), rows["eval"], log)
    counts = {}
    for name in FILES:
        Random(f"{seed}/{name}").shuffle(rows[name])
        marks = {"is_eval": True, "never_train": True} if name == "eval" else {}
        lines = [row.json_line(f"{name}_{number:05d}", **marks) for number, row in enumerate(rows[name], 1)]
        atomic_write(folder / f"{name}.jsonl", "".join(lines))
        counts[name] = len(lines)
    log.write(Finished, duration_s=time.monotonic() - began, artifact=str(folder), metrics=dict(counts))
    return counts


def _eval_rows(shares: list[Share], dealer: Dealer) -> list[Row]:
    guard = NearDuplicates(SIMILARITY, LONGEST_COMPARED)
    rows = []
    for share in shares:
        for _ in range(share.eval):
            row = _distinct_row(share, dealer, guard)
            row.extra["stratum"] = share.file
            rows.append(row)
    return rows


def _train_rows(
    shares: list[Share], dealer: Dealer, held_out: list[Row], log: EventLog
) -> dict[str, list[Row]]:
    guard = NearDuplicates(SIMILARITY, LONGEST_COMPARED)
    for row in held_out:
        guard.accept(row)
    rows: dict[str, list[Row]] = defaultdict(list)
    total, done, began = sum(share.train for share in shares), 0, time.monotonic()
    for share in shares:
        for _ in range(share.train):
            rows[share.file].append(_distinct_row(share, dealer, guard))
            done += 1
            if done % 200 == 0 or done == total:
                eta_s = (time.monotonic() - began) * (total - done) / done
                log.write(Progress, done=done, total=total, unit="samples", eta_s=eta_s)
    return {name: rows[name] for name in TRAIN_FILES}


def _distinct_row(share: Share, dealer: Dealer, guard: NearDuplicates) -> Row:
    for _ in range(ATTEMPTS):
        row = share.produce(dealer)
        if guard.accept(row):
            return row
    raise StageCrashed(
        f"the word lists are too small for {share.train} distinct samples of {share.file} ({share.produce})"
    )
