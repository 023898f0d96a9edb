"""The words of the training screen."""

import time
from collections.abc import Sequence

from tui.feed.run import RunReadings
from tui.markup import safe
from tui.themes import sign
from tui.words import ago, bar, duration, short, size
from web4mlx import events

NAME = 13
SHOWN_CHECKPOINTS = 6
QUIET_S = 120.0


def head_text(run: RunReadings, width: int) -> str:
    """Two lines: the run's name and state; how far it is."""
    where = f"[b]{safe(run.name)}[/]  {sign(run.state)}"
    notes = []
    if run.progress is not None and run.state in ("running", "starting"):
        notes.append(f"{safe(run.progress.message)} {run.progress.done}/{run.progress.total}")
    silent_s = max(0.0, time.time() - run.last_event)
    if run.state == "running" and silent_s > QUIET_S:
        notes.append(f"[$warning]! silent for {duration(silent_s)}[/]")
    if run.state == "gone":
        notes.append("the run folder was deleted; this is what was read before")
    elif run.problem:
        notes.append(f"[$warning]! the event log: {safe(run.problem)}[/]")
    if run.garbage:
        notes.append(f"[$warning]! {run.garbage} lines of the log are no events[/]")
    first = "  ".join([where, *notes])
    return f"{first}\n{_progress(run, width)}"


def _progress(run: RunReadings, width: int) -> str:
    step = run.step
    if step is None:
        return "[$muted]no step yet[/]"
    left = f"  {duration(step.eta_s)} left" if run.state == "running" else ""
    text = f" {step.step:,} of {step.total_steps:,}  epoch {step.epoch:.2f}  {duration(step.elapsed_s)}{left}"
    share = step.step / max(1, step.total_steps)
    return f"{bar(share, max(8, width - len(text) - 6), '$accent')} [b]{share:4.0%}[/]{text}"


def facts_text(run: RunReadings, other: RunReadings | None, memory_limit: float) -> str:
    """Numbers, one a line."""
    rows: list[tuple[str, str]] = []
    loss = run.curves["loss"]
    if loss.smoothed:
        rows.append(("loss", f"{short(loss.smoothed[-1])}{_against(run, other)}"))
    if run.validation.last is not None:
        rows.append(("validation", short(run.validation.last)))
    if run.best is not None:
        rows.append(("best", f"{short(run.best[1])} [$muted]at step {run.best[0]}[/]"))
    step = run.step
    if step is not None:
        memory = run.curves["memory"].last or 0.0
        over = " [$error]! over[/]" if memory > memory_limit else ""
        rows += [
            ("rate", f"{step.learning_rate:.2e}"),
            ("gradient", short(step.grad_norm)),
            ("speed", f"{step.tokens_per_second:,.0f} tok/s"),
            ("", f"{step.samples_per_second:.2f} samples/s"),
            ("memory", f"{size(memory)} [$muted]of {size(memory_limit)}[/]{over}"),
            ("swap", size(step.swap_used_bytes)),
        ]
        if step.skipped_steps:
            rows.append(("skipped", f"[$warning]! {step.skipped_steps} steps[/]"))
    plan = {name: value for name, value in run.plan.items() if name != "steps" and value != 0}
    rows += [(name[: NAME - 1], safe(str(value))) for name, value in plan.items()]
    lines = [f"[$muted]{name:<{NAME}}[/]{value}" for name, value in rows]
    return "\n".join(["[b]Run[/]", *lines, "", *_checkpoints(run)])


def _against(run: RunReadings, other: RunReadings | None) -> str:
    """The difference to the other run at the same step."""
    if other is None or run.step is None:
        return ""
    import bisect

    x, y = other.curves["loss"].smooth_points()
    place = bisect.bisect_right(x, run.step.step) - 1
    mine = run.curves["loss"].smoothed
    if place < 0 or not mine:
        return ""
    difference = mine[-1] - y[place]
    word = "lower" if difference < 0 else "higher"
    return f" [$muted]{short(abs(difference))} {word} than the other[/]"


def _checkpoints(run: RunReadings) -> list[str]:
    lines = ["[b]Checkpoints[/]"]
    now = time.time()
    for step, when in reversed(run.checkpoints[-SHOWN_CHECKPOINTS:]):
        lines.append(f"[$success]✓[/] step {step:<8,} [$muted]{ago(now - when)}[/]")
    if not run.checkpoints:
        lines.append("[$muted]none yet[/]")
    return lines


def newest_sample_text(run: RunReadings) -> str:
    """What the model said last, beside what it said first to the same prompt; empty when it said nothing."""
    if not run.samples:
        return ""
    step = run.samples[0].step
    asked = [sample for sample in run.samples if sample.step == step]
    sample = asked[-1]
    steps = len({other.step for other in run.samples})
    lines = ["", f"[b]It says[/] [$muted]at {_when_said(step)}; a: all {steps}[/]"]
    lines += [f"[$muted]? {safe(one_line_of(sample.prompt))}[/]", safe(_said(sample)), ""]
    return "\n".join(lines)


def samples_text(run: RunReadings) -> str:
    """All that the model said, newest first."""
    blocks = []
    step = None
    for sample in _by_step(run.samples):
        if sample.step != step:
            step = sample.step
            blocks.append(f"[b $accent]{_when_said(step)}[/]")
        blocks.append(f"[$muted]? {safe(sample.prompt)}[/]\n{safe(_said(sample))}\n")
    return "\n".join(blocks)


def _by_step(samples: Sequence[events.Sampled]) -> list[events.Sampled]:
    """Newest step first; within a step in the order of the prompts."""
    return sorted(reversed(samples), key=lambda sample: -sample.step)


def _when_said(step: int) -> str:
    return f"step {step:,}" if step else "step 0, the base model"


def _said(sample: events.Sampled) -> str:
    return f"{sample.answer.strip() or '(nothing)'}{' …' if sample.is_cut else ''}"


def one_line_of(text: str) -> str:
    """A text without its line breaks."""
    return " ".join(text.split())


def warnings_text(run: RunReadings, limit: int = 4) -> str:
    """The newest warnings with their advice."""
    if not run.warnings:
        return ""
    lines = ["", f"[b]Warnings[/] [$muted]{len(run.warnings)}[/]"]
    for warning in run.warnings[:limit]:
        lines.append(f"[$warning]![/] {safe(warning.message)}")
        if warning.advice:
            lines.append(f"  [$muted]{safe(warning.advice)}[/]")
    return "\n".join(lines)
