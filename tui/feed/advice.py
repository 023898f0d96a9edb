"""What to do next, in words, and the command that does it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tui.feed.stages import StageRow
from tui.jobs.record import Job

LINE = ("data", "train", "verify", "fuse", "export", "evaluate")
KINDS = {
    "train": "train", "verify": "verify", "fuse": "fuse", "export": "export", "evaluate": "evals run",
}  # fmt: skip
VERBS = {
    "train": "train it", "verify": "verify it", "fuse": "fuse it", "export": "export it",
    "evaluate": "evaluate it",
}  # fmt: skip
AFTERWARDS = {"rag build": "rag", "rag check": "rag", "smoke": "smoke", "import": "smoke"}


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
        return Advice(f"{text} Start or drop it: press j.", screen="logs", label="see the logs")
    return _of_stages({row.name: row for row in rows})


def _of_stages(stage: Mapping[str, StageRow]) -> Advice:
    failed = [row for row in stage.values() if row.state == "failed"]
    if failed:
        row = failed[0]
        if row.name == "evaluate":
            return Advice(f"Deployment is blocked: {row.note}", screen="gates", label="see why")
        hint = f" {row.hint}" if row.hint else ""
        return Advice(f"{row.title} failed: {row.note}.{hint}", "run", label="run the line again")
    for row in stage.values():
        if row.state == "stopped":
            text = f"{row.title} was stopped before its end. The line goes on where it stopped."
            return Advice(text, "run", label="go on")
    done = {name for name, row in stage.items() if row.state == "done"}
    made = [name for name in LINE if name in done]
    if not made:
        return Advice(
            "Nothing has been made here yet. The whole line goes from the base model to a decision: "
            "it trains, fuses, exports and evaluates, and can be stopped and resumed anywhere.",
            "run", label="run the whole line",
        )  # fmt: skip
    if "evaluate" in done:
        return _afterwards(stage, done)
    return _go_on(stage, LINE.index(made[-1]), [name for name in LINE if name in stage and name not in done])


def _go_on(stage: Mapping[str, StageRow], furthest: int, missing: list[str]) -> Advice:
    """The stage after the furthest one; by itself where the line would make again what is here."""
    following = LINE[furthest + 1]
    title = stage[following].title
    earlier = [stage[name].title for name in missing if LINE.index(name) < furthest]
    if not earlier:
        text = f"Next: {title}. The line does what is missing and skips what is done."
        return Advice(text, "run", label="go on with the line")
    text = (
        f"Next: {title}, of {stage[LINE[furthest]].artifact or stage[LINE[furthest]].title}. "
        f"{_and(earlier)} {'was' if len(earlier) == 1 else 'were'} not made here, so only this stage is run."
    )
    return Advice(text, KINDS[following], label=VERBS[following])


def _afterwards(stage: Mapping[str, StageRow], done: set[str]) -> Advice:
    """What comes after the decision."""
    for name, screen in AFTERWARDS.items():
        if name in stage and name not in done:
            text = f"The model is made and evaluated. Next: {stage[name].title}."
            return Advice(text, screen=screen, label="go there")
    return Advice("Everything is made and evaluated.", screen="gates", label="see the decision")


def _and(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
