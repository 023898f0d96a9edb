"""Places whose evaluation is in one of the states that the Gates screen knows."""

from pathlib import Path

from tests import gate_runs
from tests.complete_runs import complete_run, first_ids
from tests.dashboards import place_in
from tests.run_files import subject
from tui.place import Place


def make(state: str, outputs: Path) -> None:
    match state:
        case "running" | "cleared" | "blocked":
            gate_runs.baseline(outputs)
            getattr(gate_runs, state)(outputs)
        case "base":
            gate_runs.baseline(outputs)
        case "partial":
            cases = {"tron_format": tuple(key.partition("/")[2] for key in first_ids("tron_format", 100))}
            gate_runs.finished_run(outputs, "run_20260106_120000", cases=cases)
        case "interrupted":
            gate_runs.age(gate_runs.running(outputs), 1000.0)
        case "unscored":
            gate_runs.write_events(complete_run(outputs))
        case "outdated":
            run = gate_runs.cleared(outputs)
            for path in [*run.folder.glob("*.json"), run.folder / "responses.jsonl"]:
                text = path.read_text("utf-8").replace(run.header.subject.suite_version, "1.0123456789ab")
                old = subject(suite_version="1.0123456789ab")
                header = run.header.model_copy(update={"subject": old})
                path.write_text(text.replace(run.header.subject_sha256, header.subject_sha256), "utf-8")
        case "damaged":
            (gate_runs.blocked(outputs).folder / "run.json").write_text('{"format": 2}')


def place_with(tmp_path: Path, state: str) -> Place:
    place = place_in(tmp_path)
    make(state, place.outputs)
    return place


def rows(shown: str) -> list[str]:
    """The harness lines of the table."""
    titles = ("PDCA ", "TRON ", "Empty ", "Tool ", "Refusal", "Canaries ")
    names = ("pdca_", "tron_", "empty_", "tool_", "refusal", "canary", *titles)
    return [line.strip() for line in shown.splitlines() if line.strip().startswith(names)]
