"""The text of an incident: a complete PDCA by template 3.2.4.2, made from reports and findings alone.

What a model wrote appears in fences that are longer than any inside, after the five sections, so that
nothing in it can be taken for a part of the document.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from evals.decision import conditions
from evals.findings import Finding
from evals.scores import count, exact, failure_reasons, percent, summarise
from web4mlx.reports import CaseReport, FinalReport, HarnessReport

SHOWN_REASONS = 6
SAMPLES_PER_REASON = 2
SHOWN_CHARACTERS = 1500
TEACHES = {
    "pdca_schema": "domain_representatives and process_framework",
    "pdca_template": "domain_representatives and reporting_protocol",
    "tron_format": "process_framework",
    "empty_constructor": "style_core and style_refactor",
    "tool_success": "tool_awareness",
    "refusal": "guardrails",
    "canary": "the files that teach the groups of these canaries",
}
TEMPLATE = """\
# Incident: deployment of {model} blocked

PRECEDES: [{links.precedes}]
FOLLOWS: [{links.follows}]

- Model: {model}, sha256 {sha256}
- Run: {run} of {timestamp}, suite {suite}, seed {seed}

## Objective
Bring {model} past every gate: find out why the evaluation blocked it, mend the cause and evaluate again.

## Plan
- Trigger: The evaluation {run} ended in DEPLOYMENT BLOCKED for {reason_count}.
- Response: Work through the failures by reason, mend data or training, never a checker, then train again.
- Outcome: Every ship gate passes, the overall score reaches {target}, and all canaries pass.
- Next: {next_step}

## Do
- Asked the model {asked} and wrote each answer to the run {run}.
- Scored every answer with the checkers of suite {suite} and compared each score with its threshold.
- Ran {checks}.

## Check
Verified by the suite, what blocks:

{reasons}

Verified gate by gate:

{gates}

Checked automatically:

{findings}

## Act
- Learned: {lesson}
{next_steps}
- {link_note}

## Evidence
{evidence}
"""


@dataclass(frozen=True, slots=True)
class Links:
    """The neighbours' file names; the first and the newest incident name something else than an incident."""

    precedes: str
    follows: str
    is_first: bool
    is_newest: bool


def write_document(
    final: FinalReport, reports: Sequence[HarnessReport], findings: Sequence[Finding], links: Links
) -> str:
    """The whole document."""
    blocked = [report for report in reports if report.gate != "passed"]
    steps = [_next_step(report) for report in blocked]
    steps += [f"{item.check}: {item.advice}" for item in findings if item.advice]
    steps += _other_steps(final)
    return TEMPLATE.format(
        model=code(PurePath(final.subject.model).name),
        sha256=code(final.subject.model_sha256),
        run=code(final.run),
        timestamp=final.timestamp,
        suite=code(final.subject.suite_version),
        seed=final.subject.seed,
        links=links,
        reason_count=count(len(final.reasons), "reason"),
        target=percent(final.target),
        next_step=steps[0],
        asked=count(sum(report.total for report in reports), "question"),
        checks=", ".join(item.check for item in findings) or "no automatic check",
        reasons=bullets(code(reason) for reason in final.reasons),
        gates=bullets(_gate_lines(final, reports)),
        findings=bullets(f"{item.check} ({item.verdict}): {code(item.text)}" for item in findings),
        lesson=_lesson(blocked),
        next_steps=bullets(f"Improve {step}" for step in steps),
        link_note=_link_note(links),
        evidence="\n".join(line for report in blocked for line in _evidence(report)) or "No case failed.",
    )


def bullets(lines: Iterable[str]) -> str:
    """A list; one line that says so when there is nothing to list."""
    return "\n".join(f"- {line}" for line in lines) or "- Nothing was found."


def code(text: str, most: int = 400) -> str:
    """Text of unknown origin as inline code in one line."""
    line = " ".join(text.replace("`", "'").split())
    return f"`{line[:most]}`" if line else "`(empty)`"


def fenced(text: str) -> str:
    """Text of unknown origin between fences longer than any inside, cut when it is long."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    rest = len(text) - SHOWN_CHARACTERS
    cut = f"\n(cut: {count(rest, 'more character')})" if rest > 0 else ""
    return f"{fence}text\n{text[:SHOWN_CHARACTERS]}{cut}\n{fence}"


def _gate_lines(final: FinalReport, reports: Sequence[HarnessReport]) -> Iterator[str]:
    for report in reports:
        low, high = (percent(end) for end in report.interval)
        why = f": {'; '.join(report.gate_reasons)}{_distance(report)}" if report.gate_reasons else ""
        yield (
            f"{code(report.test_name)} ({report.gate_type}) {report.gate} with {percent(report.score)}{why};"
            f" {report.passed} of {report.total} passed, 95 % interval {low} to {high}"
        )
        for reason, number in list(summarise(report.cases).items())[:SHOWN_REASONS]:
            yield f"{count(number, 'case')} of {code(report.test_name)}: {code(reason)}"
    for condition in conditions(final):
        yield f"{'met' if condition.is_met else 'not met'}: {condition.text}"


def _distance(report: HarnessReport) -> str:
    """By how much a failed gate was missed."""
    if report.gate != "failed":
        return ""
    if report.measure == "f1":
        return f", short by {percent(exact(report.threshold) - exact(report.score))}"
    needed = math.ceil(exact(report.threshold) * report.total) - report.passed
    return f", {count(needed, 'more case')} needed"


def _next_step(report: HarnessReport) -> str:
    if report.gate == "errored":
        return f"{report.test_name}: ask again what has no answer with `evals run --resume`."
    if report.gate == "inconclusive":
        return f"{report.test_name}: run all of its {report.planned} cases with `evals run`."
    reason, number = next(iter(summarise(report.cases).items()))
    files = TEACHES.get(report.test_name, "the file that teaches this")
    return (
        f"{report.test_name}: {count(number, 'case')} failed with {code(reason)};"
        f" add samples that show the right form to {files}, then train again."
    )


def _other_steps(final: FinalReport) -> list[str]:
    steps = []
    if final.canaries_total == 0:
        steps.append("the run: ask the canaries, too, with `evals run`.")
    if final.overall_score < final.target:
        weakest = min(final.harnesses, key=lambda item: item.score, default=None)
        name = f"the weakest harness, {weakest.test_name}, first" if weakest else "the run: no harness ran"
        steps.append(f"the overall score: {name}.")
    return [
        *steps,
        "the next attempt: evaluate with `evals run` after each change and compare with this run.",
    ]


def _lesson(blocked: Sequence[HarnessReport]) -> str:
    """The most frequent reason over all gates that did not pass."""
    total = Counter[str]()
    for report in blocked:
        total.update(summarise(report.cases))
    if not total:
        return "no answer of the model was wrong; the run itself was not complete or not sound."
    reason, number = total.most_common(1)[0]
    cases = sum(case.verdict != "passed" for report in blocked for case in report.cases)
    return (
        f"{code(reason)} is the most frequent reason: {number} of {count(cases, 'case')} that did not pass."
    )


def _link_note(links: Links) -> str:
    after = "the follow-up still to be written" if links.is_newest else "the next incident"
    before = "the evaluation that was blocked" if links.is_first else "the incident before"
    return f"Link PRECEDES names {after}; FOLLOWS names {before}."


def _evidence(report: HarnessReport) -> Iterator[str]:
    """Sample failures of one harness, by reason; a case is shown once."""
    shown: set[str] = set()
    for reason, number in list(summarise(report.cases).items())[:SHOWN_REASONS]:
        samples = [case for case in report.cases if case.id not in shown and reason in failure_reasons(case)][
            :SAMPLES_PER_REASON
        ]
        shown.update(case.id for case in samples)
        if samples:
            yield f"\n### {report.test_name}: {code(reason)} ({count(number, 'case')})"
        for case in samples:
            yield from _sample(case)


def _sample(case: CaseReport) -> Iterator[str]:
    yield f"\nCase {code(case.id)}, {case.verdict}: {code('; '.join(case.reasons))}. Prompt:\n"
    yield fenced(case.prompt)
    yield "\nResponse:\n"
    yield fenced(case.response)
