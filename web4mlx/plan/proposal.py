"""`plan --hours`: the samples that can be trained in a given time, and a configuration that trains them."""

from pathlib import Path

from pydantic import BaseModel

from web4mlx.errors import CheckFailed
from web4mlx.events import EventLog
from web4mlx.models.tokenizer import ChatTokenizer
from web4mlx.plan.candidates import read_candidates
from web4mlx.plan.report import Plan, PlanReport
from web4mlx.plan.select import propose
from web4mlx.plan.selected_config import write_selected_config


class Proposal(BaseModel):
    """What was written: `share_of_tokens` is of all tokens; one entry of `files` a training file."""

    hours: float
    config: Path
    ids: Path
    samples: int
    tokens_per_epoch: int
    share_of_tokens: float
    files: list[dict[str, object]]


def write_proposal(
    plan: Plan, report: PlanReport, hours: float, source: Path, out: Path, log: EventLog
) -> Proposal:
    """Choose samples for `hours` of training and write the configuration that trains them.

    Args:
        plan: The plan of the whole corpus.
        report: Its report.
        hours: Time for training and validations.
        source: Where the configuration came from.
        out: Where the new one goes.
        log: Receives progress.

    Raises:
        CheckFailed: No way to train fits the memory limit.
    """
    if report.chosen is None or report.total_s is None:
        raise CheckFailed(
            "no way to train fits the memory limit", "Lower data.max_seq_length, or raise --memory."
        )
    config = plan.fitted(report.chosen)
    budget = int(report.tokens_per_epoch * min(1.0, hours * 3600 / report.total_s))
    files = read_candidates(config.data, ChatTokenizer(plan.base), plan.data.system, log)
    selection = propose(files, budget, config.training.seed, config.data.near_duplicate_similarity)
    written = write_selected_config(config, source, selection, out, hours)
    return Proposal(
        hours=hours,
        config=written.config,
        ids=written.ids,
        samples=len(selection.sample_ids),
        tokens_per_epoch=selection.tokens,
        share_of_tokens=selection.tokens / report.tokens_per_epoch,
        files=[vars(file) for file in selection.files],
    )
