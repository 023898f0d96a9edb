"""The words of the Smoke screen: tests, servers, models, the gate's answer, requests."""

import time
from collections.abc import Sequence
from pathlib import Path

from tui.markup import clip, gauge, plain, safe
from tui.serving.gate import GateAnswer
from tui.serving.requests import Requests
from tui.serving.servers import OllamaModel, OllamaState, ServeState
from tui.serving.smoke import SmokeReadings, Timing, timing_of
from tui.themes import sign
from tui.words import ago, size
from web4mlx.artifacts import Manifest
from web4mlx.events import Served
from web4mlx.serving.failures import CLIENT_LEFT
from web4mlx.smoke.judging import CASES
from web4mlx.smoke.report import ALL_PASSED, SmokeCheck, SmokeTest

MARKS = {"passed": "[$success]✓[/]", "failed": "[$error]✗[/]", "errored": "[$error]![/]"}
SERVE_SIGNS = {
    "answers": "[$success]● answers[/]", "unwell": "[$warning]! unwell[/]",
    "foreign": "[$error]✗ not ours[/]", "silent": "[$muted]○ not running[/]",
}  # fmt: skip
GATE_SIGNS = {
    "running": "[$accent]● running[/]", "cleared": "[$success]✓ CLEARED[/]",
    "refused": "[$error]✗ REFUSED[/]", "imported": "[$success]✓ IMPORTED[/]",
    "rolled back": "[$success]✓ ROLLED BACK[/]", "failed": "[$error]! FAILED[/]",
    "stopped": "[$warning]■ stopped[/]",
}  # fmt: skip
LONG_MS = 10_000  # budgets from here on are told in seconds
NOTE_WIDTH = 30
ACTS = {"asked": "the gate was asked", "import": "import", "rollback": "rollback"}
SHORT = {
    "time to first token": "first token", "total time": "complete in", "numbers in the text": "numbers",
    "detected tools": "tools", "PDCAs in the text": "PDCAs named",
}  # fmt: skip


def smoke_head(readings: SmokeReadings, busy: str) -> str:
    """One line about all three tests."""
    if busy:
        return f"{sign('running')} {busy}"
    if readings.problem:
        return f"[$error]! {safe(readings.problem)}[/]"
    report = readings.report
    if report is None:
        return "[$muted]· not run yet[/]  [b $primary]s[/] asks the three questions of the newest GGUF."
    when = f"[$muted]{ago(time.time() - readings.written)}, {safe(Path(report.model).name)}[/]"
    if report.verdict == "passed":
        return f"[$success]✓ {ALL_PASSED.removeprefix('✅ ')}[/]  {when}"
    return f"{sign(report.verdict)}  {report.passed} of {report.total} passed  {when}"


def test_card(place: int, test: SmokeTest | None, width: int, state: str) -> str:
    """A test as a card: verdict, question, each check, its time against its budget.

    Without a report `state` says how far it is: `running`, a verdict, or nothing.
    """
    case = CASES[place]
    if test is None:
        word = sign(state) if state else "[$muted]· not run yet[/]"
        return f"{word}  [$muted]{safe(case.question)}[/]"
    lines = [f"{sign(test.verdict)}  [$muted]{safe(test.question)}[/]"]
    if test.error:
        lines.append(f"[$error]{safe(test.error)}[/]")
    lines += [check_line(one, width) for one in test.checks]
    return "\n".join(lines)


def check_line(check: SmokeCheck, width: int) -> str:
    """A check: what was measured; of one that failed also what was expected."""
    mark = MARKS.get(check.verdict, "?")
    name = SHORT.get(check.name, check.name)
    timing = timing_of(check)
    if timing is not None:
        return f"{mark} {name:<12}{timing_bar(timing, width - 14)}"
    line = f"{mark} {safe(name):<12}"
    if check.verdict == "passed":
        return f"{line}{safe(clip(check.measured, max(8, width - 14)))}"
    return f"{line}{safe(check.measured)}\n  [$muted]expected {safe(check.expected)}[/]"


def timing_bar(timing: Timing, width: int) -> str:
    """A time as a part of its budget: bar and numbers in so many columns."""
    share = timing.measured_ms / timing.budget_ms
    colour = "$error" if share >= 1 else "$success" if share < 0.8 else "$warning"
    if timing.budget_ms < LONG_MS:
        measured, budget = f"{timing.measured_ms:,.0f}", f" of {timing.budget_ms:,.0f} ms"
    else:
        measured, budget = f"{timing.measured_ms / 1000:.1f}", f" of {timing.budget_ms / 1000:.0f} s"
    bar = gauge(share, max(4, width - len(measured) - len(budget) - 1), colour)
    return f"{bar} {measured}[$muted]{budget}[/]"


def test_row(place: int, test: SmokeTest | None, width: int, state: str) -> str:
    """A test in one line, for small terminals."""
    case = CASES[place]
    if test is None:
        mark = {**MARKS, "running": "[$accent]●[/]"}.get(state, "[$muted]·[/]")
        return f"{mark} [$muted]{case.title:<18} {safe(case.question)}[/]"
    bad = next((one for one in test.checks if one.verdict != "passed"), None)
    timing = next((found for one in test.checks if (found := timing_of(one))), None)
    start = f"{MARKS.get(test.verdict, '?')} {test.title:<18}"
    if test.error or (bad is not None and timing_of(bad) is None):
        why = test.error or (f"{bad.name}: {bad.measured}, expected {bad.expected}" if bad else "")
        return f"{start} {safe(why[: max(0, width - 22)])}"
    return start if timing is None else f"{start} {timing_bar(timing, max(24, width - 22))}"


def answer_text(test: SmokeTest) -> str:
    """Everything about one test, for reading."""
    lines = [f"[b $primary]{safe(test.title)}[/]  {sign(test.verdict)}", f"[b]{safe(test.question)}[/]", ""]
    if test.error:
        lines += [f"[$error]{safe(test.error)}[/]", ""]
    lines.append(safe(test.response.strip()) or "[$muted]no answer[/]")
    lines += ["", *(f"[$muted]{safe(source)}[/]" for source in test.sources)]
    for one in test.checks:
        lines.append(
            f"{MARKS.get(one.verdict, '?')} {safe(one.name):<20} {safe(one.measured)}"
            f"  [$muted]expected {safe(one.expected)}[/]"
        )
    times = f"retrieval {test.retrieve_ms:.0f} ms, first token {test.first_token_ms:.0f} ms, "
    times += f"complete {test.total_ms:.0f} ms; {test.prompt_tokens} + {test.completion_tokens} tokens"
    facts = f"route {test.route or 'none'}; {test.examples} examples; {times}"
    return "\n".join([*lines, f"[$muted]{safe(facts)}[/]"])


def serve_text(state: ServeState, requests: Requests, job: str) -> list[str]:
    """Our server in a few lines."""
    lines = [f"{SERVE_SIGNS[state.word]}  {safe(state.url)}"]
    if state.detail:
        lines.append(f"[$warning]{safe(state.detail)}[/]")
    if state.word in ("answers", "unwell") and (state.behind or requests.behind):
        waits = f", {state.waiting} wait" if state.waiting else ""
        lines.append(f"[$muted]{safe(names_only(requests.behind or state.behind))}{waits}[/]")
    if job:
        lines.append(job)
    elif state.word == "silent":
        lines.append("[b $primary]w[/] [$muted]starts it[/]")
    else:
        lines.append("[$muted]started elsewhere[/]")
    return lines


def names_only(text: str) -> str:
    """A text with the names of files instead of their places."""
    return " ".join(word.rpartition("/")[2] if word.startswith("/") else word for word in text.split(" "))


def ollama_text(state: OllamaState, width: int, rows: int) -> list[str]:
    """Ollama and its models."""
    if state.problem:
        return ["[$muted]○ not reachable[/]", safe(state.url), f"[$muted]{safe(state.problem)}[/]"]
    lines = [f"[$success]● answers[/]  {safe(state.url)}  [$muted]{safe(state.version)}[/]"]
    lines += [model_line(one, width) for one in state.models[:rows]]
    if len(state.models) > rows:
        lines.append(f"[$muted]and {len(state.models) - rows} more models[/]")
    if not state.models:
        lines.append("[$muted]it has no models[/]")
    return lines


def model_line(one: OllamaModel, width: int) -> str:
    """One model: name, size, what it is to us, whether it is in memory."""
    role = "other tag" if one.role == "other" else one.role
    state = ", ".join(word for word in (role, "● in memory" if one.is_loaded else "") if word)
    tail = f"{size(one.size):>8} {state}"
    name = clip(one.name, max(12, width - len(tail) - 1))
    mark = "[b]" if one.role == "production" else "[$muted]"
    return f"{mark}{safe(name)}[/] [$muted]{tail}[/]"


def gate_text(answer: GateAnswer | None, gguf: Path | None, record: Manifest | None) -> str:
    """What the gate said, with its reasons; which file it is about."""
    file = f"[b]{safe(gguf.name)}[/]" if gguf else "[$muted]no exported GGUF yet[/]"
    lines = []
    if answer is None:
        lines.append(file)
        if gguf is not None:
            lines.append("[b $primary]g[/] [$muted]asks whether it may be imported[/]")
    else:
        when = f"[$muted]{ACTS[answer.act]} {ago(time.time() - answer.when)}[/]"
        lines.append(f"[b]{GATE_SIGNS[answer.word]}[/]  {file}  {when}")
        lines += [safe(line) for line in answer.lines]
        if answer.hint:
            lines.append(f"[b]Hint[/] [$muted]{safe(answer.hint)}[/]")
    if record is not None:
        served = ", ".join(name for name in record.outputs) or "?"
        lines.append(f"[$muted]imported as {safe(served)} on {record.created[:16].replace('T', ' ')}[/]")
    return "\n".join(lines)


def requests_title(requests: Requests) -> str:
    """The title of the request log."""
    if not requests.served:
        return "Requests"
    failed = f", {requests.failed} failed" if requests.failed else ""
    count = f"{requests.first + len(requests.served):,}"
    return f"Requests  {count}{failed}, first byte {requests.median_ms:,.0f} ms in the middle"


def request_cells(one: Served) -> Sequence[str]:
    """One request as the cells of a row, as plain text."""
    mark = "✓" if one.status < 400 else "■" if one.status == CLIENT_LEFT else "✗"
    context = f"{one.hits} + {one.examples}" if one.context_tokens else ""
    return (
        time.strftime("%H:%M:%S", time.localtime(one.ts)), f"{mark} {one.status}",
        plain(f"{one.method} {one.path}"), one.route, context,
        f"{one.context_tokens}" if one.context_tokens else "",
        f"{one.first_byte_ms:,.0f}", f"{one.total_ms:,.0f}", clip(plain(one.note or one.model), NOTE_WIDTH),
    )  # fmt: skip


def request_text(one: Served) -> str:
    """One request for reading."""
    rows = [(key, value) for key, value in one.model_dump().items() if value not in ("", 0, 0.0)]
    return "\n".join(f"[$muted]{key:<16}[/]{safe(str(value))}" for key, value in rows)
