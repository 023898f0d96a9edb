"""What to do next, in words, and the command that does it."""

from collections.abc import Sequence
from dataclasses import dataclass

from tui.feed.stages import StageRow
from tui.jobs.record import Job


@dataclass(frozen=True)
class Advice:
    """`text` is a sentence or two. `kind` names the job to start, empty when there is nothing to start.

    `arguments` go before the configuration's options; `screen` is where to look, if that is the advice.
    """

    text: str
    kind: str = ""
    arguments: tuple[str, ...] = ()
    screen: str = ""
    label: str = ""


def what_next(rows: Sequence[StageRow], jobs: Sequence[Job], lease: str = "") -> Advice:
    """The next sensible thing to do; `lease` is what holds the machine's lease, empty when nothing does."""
    active = [job for job in jobs if job.is_alive]
    if active:
        screen = "training" if active[0].order.kind in ("train", "run") else "logs"
        return Advice(f"{active[0].order.title} is running. Nothing to do.", screen=screen, label="watch it")
    if lease:
        return Advice(f"In another terminal: {lease}.", screen="training", label="watch it")
    waiting = [job for job in jobs if job.state == "held"]
    if waiting:
        text = f"{waiting[0].order.title} was queued by an earlier dashboard and has not started."
        return Advice(f"{text} Start or drop it under Logs.", screen="logs", label="go there")
    return _of_stages({row.name: row for row in rows})


def _of_stages(stage: dict[str, StageRow]) -> Advice:
    failed = [row for row in stage.values() if row.state == "failed"]
    if failed:
        row = failed[0]
        if row.name == "evaluate":
            return Advice(f"Deployment is blocked: {row.note}", screen="gates", label="see why")
        hint = f" {row.hint}" if row.hint else ""
        return Advice(f"{row.title} failed: {row.note}.{hint}", "run", label="run the line again")
    done = {name for name, row in stage.items() if row.state == "done"}
    line = [name for name in ("download", "data", "train", "verify", "fuse", "export") if name in stage]
    if not done - {"download"}:
        return Advice(
            "Nothing has been made here yet. The whole line goes from the base model to a decision: "
            "it trains, fuses, exports and evaluates, and can be stopped and resumed anywhere.",
            "run", label="run the whole line",
        )  # fmt: skip
    for name in line:
        row = stage[name]
        if row.state == "stopped":
            return Advice(f"{row.title} was stopped before its end. The line goes on where it stopped.",
                          "run", label="go on")  # fmt: skip
        if name not in done:
            return Advice(f"Next: {row.title}. The line does what is missing and skips what is done.",
                          "run", label="go on with the line")  # fmt: skip
    if "evaluate" not in done:
        return Advice("The GGUF is ready and has not been evaluated.", "evals run", label="evaluate it")
    return Advice("Everything is made and evaluated.", screen="gates", label="see the decision")
