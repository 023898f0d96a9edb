"""The words around the table of the gates: the decision and why, the run it is of, what else it rests on."""

import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath

from evals.decision import CANARIES, NO_LEAK_CHECK
from evals.scores import percent
from tui.feed.evaluation import EvaluationReadings
from tui.feed.evaluations import Published
from tui.markup import safe
from tui.themes import sign
from tui.words import ago


@dataclass(frozen=True)
class Banner:
    """The decision: in large letters, in a colour, and lines that say more, as markup."""

    letters: str
    colour: str
    lines: tuple[str, ...]


def no_run_banner(is_starting: bool) -> Banner:
    """Before the first run."""
    if is_starting:
        return Banner("EVALUATING", "$accent", ("● The model is being loaded.",))
    return Banner(
        "NOT EVALUATED", "$muted",
        ("No evaluation is here yet. [b $primary]s[/] asks the newest GGUF 700 questions",
         "and 20 canaries, and decides whether it may be deployed."),
    )  # fmt: skip


def banner(run: EvaluationReadings, published: Published | None, shown_reasons: int) -> Banner:
    """The decision of a run, or why there is none."""
    letters, colour, lines = _decision(run, shown_reasons)
    import_line = [] if run.kind == "baseline" else [_import_line(run, published)]
    notes = [f"[$warning]! {safe(note)}[/]" for note in run.notes]
    return Banner(letters, colour, (*lines, *import_line, *notes))


def _decision(run: EvaluationReadings, shown_reasons: int) -> tuple[str, str, list[str]]:
    missing = run.total - run.done
    match run.state:
        case "running":
            left = f", about {run.eta_s / 60:.0f} min left" if run.eta_s else ""
            return "EVALUATING", "$accent", [
                f"{sign('running')} {run.done} of {run.total} answers{left}; scores are those so far"
            ]  # fmt: skip
        case "gone":
            return (
                "RUN IS GONE",
                "$error",
                ["[$error]! its folder was deleted; this is what was read before[/]"],
            )
        case "damaged":
            return (
                "RUN IS DAMAGED",
                "$error",
                ["[$error]! it cannot be read[/]; [b $primary]o[/] opens another"],
            )
        case "interrupted":
            return "INTERRUPTED", "$warning", [
                f"{sign('interrupted')} {missing} of {run.total} questions have no answer. "
                "The rest is kept: the same command goes on"
            ]  # fmt: skip
        case "unscored":
            return "NOT SCORED", "$warning", [
                "[$warning]? all is answered, nothing decided:[/] [b $primary]r[/] scores the stored answers"
            ]  # fmt: skip
    return _finished(run, shown_reasons)


def _finished(run: EvaluationReadings, shown_reasons: int) -> tuple[str, str, list[str]]:
    final = run.final
    if run.kind == "baseline":
        return "BASE MODEL", "$secondary", ["[$muted]what the untrained model scores; it decides nothing[/]"]
    if not run.is_current and run.header is not None:
        asked = run.header.subject.suite_version
        return "OUT OF DATE", "$warning", [
            f"[$warning]![/] asked with suite {safe(asked)}, an older one: clears nothing. "
            "[b $primary]r[/] shows what the suite of now makes of it"
        ]  # fmt: skip
    if run.kind == "partial":
        return "PARTIAL RUN", "$warning", [
            f"[$warning]? a look at {run.total} of {sum(run.header.planned.values()) if run.header else 0} "
            "questions:[/] it clears nothing, whatever it scores"
        ]  # fmt: skip
    if final is not None and final.cleared:
        return "CLEARED FOR DEPLOYMENT", "$success", ["[$success]✓ cleared:[/] every gate holds"]
    reasons = list(final.reasons or (final.decision,)) if final else []
    leads = ["✗ blocked:", *["✗         "] * shown_reasons]
    lines = [
        f"[$error]{lead}[/] {safe(reason)}"
        for lead, reason in zip(leads, reasons[:shown_reasons], strict=False)
    ]
    if len(reasons) > shown_reasons:
        lines[-1] += f" [$muted]and {len(reasons) - shown_reasons} more[/]"
    return "DEPLOYMENT BLOCKED", "$error", lines


def _import_line(run: EvaluationReadings, published: Published | None) -> str:
    if published is None:
        return "[$muted]import: nothing is published here, so it takes nothing[/]"
    if published.run == run.name:
        return "[$muted]import: reads this decision[/]"
    word = "[$success]✓ cleared[/]" if published.cleared else "[$error]✗ blocked[/]"
    return f"[$muted]import: reads {safe(published.run)},[/] {word}"


def facts_line(run: EvaluationReadings, width: int) -> str:
    """Run, model, digest, seed, suite, age; as many as fit."""
    header = run.header
    if header is None:
        return f"[b]{safe(run.name)}[/]"
    subject = header.subject
    facts = [
        PurePath(subject.model).name, subject.model_sha256[:8] or "no digest", run.kind,
        f"seed {subject.seed}", _age(header.created), f"suite {subject.suite_version}",
        str(subject.engine.get("version") or subject.engine.get("engine") or ""),
    ]  # fmt: skip
    text, room = f"[b]{safe(run.name)}[/]", width - len(run.name)
    for fact in filter(None, facts):
        room -= len(fact) + 2
        if room < 0:
            break
        text += f"  [$muted]{safe(fact)}[/]"
    return text


def _age(created: str) -> str:
    try:
        return ago(time.time() - datetime.fromisoformat(created).timestamp())
    except ValueError:
        return created


def conditions_line(run: EvaluationReadings) -> str:
    """Overall score, canaries, leaks: what the decision rests on beside the gates."""
    final = run.final
    if final is None:
        return ""
    asked = final.canaries_total
    if run.kind != "complete":
        told = f", {final.canaries_passed} of {asked} canaries" if asked else ""
        return f"[$muted]mean of what was asked: {percent(final.overall_score)}{told}[/]"
    overall = final.overall_score >= final.target
    parts = [_met(overall, f"overall {percent(final.overall_score)} [$muted]of {percent(final.target)}[/]")]
    told = f"{final.canaries_passed} of {asked} canaries" if asked else "canaries not asked"
    parts.append(_met(final.canaries_passed == CANARIES, told))
    looked = NO_LEAK_CHECK not in final.reasons
    leaks = f"{len(final.leaked_prompts)} leaked prompts" if looked else NO_LEAK_CHECK
    parts.append(_met(looked and not final.leaked_prompts, leaks))
    return "   ".join(parts)


def _met(is_met: bool, text: str) -> str:
    return f"{'[$success]✓[/]' if is_met else '[$error]✗[/]'} {text}"
