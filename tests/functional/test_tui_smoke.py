"""The Smoke screen: real smoke reports, a real server, the real gate and import before the Ollama double."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import ollama
import pytest
from textual.pilot import Pilot

from evals.finish import finish_run
from tests.cleared_reports import subject_of
from tests.complete_runs import complete_run
from tests.dashboards import drive, screen_text, wait_for, wait_until
from tests.micro_gguf import alphabet, sentence, write_micro_gguf
from tests.ollama_double import OllamaDouble, running_double
from tests.ollama_double.agent import ANSWER, write_agent, write_agent_modelfile
from tests.rag_sources import WordEmbedder, build, write_files, write_tools
from tests.smoke_project import CONFIG, MODELFILE, WORDS
from tests.unit.test_tui_serving import free_url
from tui.jobs.record import list_jobs
from tui.place import Place, find_place
from tui.screens.smoke import Smoke
from web4mlx.artifacts import new_manifest, write_manifest
from web4mlx.config import load_config
from web4mlx.errors import StageCrashed
from web4mlx.events import EventLog, Served
from web4mlx.smoke.asking import Bench
from web4mlx.smoke.opening import Asked
from web4mlx.smoke.run import plan_smoke, run_smoke

SIZES = [(80, 24), (120, 40)]
THEMES = ["dark", "light"]
NAME = "web4-agent:latest"


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rag")
    build(write_files(folder / "repo"), folder / "db", tools=write_tools(folder / "tools"))
    return folder / "db"


@pytest.fixture
def place(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A configuration with a scripted model, and no server of anybody's."""
    port = free_url().rpartition(":")[2]
    (in_tmp / "Modelfile").write_text(MODELFILE)
    (in_tmp / "config.toml").write_text(f'{CONFIG}[serve]\nport = {port}\n[deploy]\nname = "{NAME}"\n')
    (in_tmp / "outputs").mkdir()
    words = (WORDS[0], *WORDS[1:])
    gguf = write_micro_gguf(in_tmp / "outputs" / "m.gguf", sentence(*words), words=words, context=8192)
    write_manifest(gguf, new_manifest("export"))
    monkeypatch.setenv("OLLAMA_HOST", free_url())
    return find_place("config.toml")


@pytest.fixture(params=["passed", "failed", "errored"])
def verdict(request: pytest.FixtureRequest, place: Place, db: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A real smoke report of each kind."""
    monkeypatch.setattr("web4mlx.rag.embedder_source.open_embedder", lambda settings: WordEmbedder())
    model = ""
    if request.param == "failed":
        model = str(write_micro_gguf(Path("babble.gguf"), alphabet(), context=8192))
    if request.param == "errored":
        break_history(monkeypatch)
    config = load_config(Path("config.toml"))
    plan = plan_smoke(config, Asked(model=model), None, db)
    report = run_smoke(plan, config, EventLog(None, "smoke", "smoke"))
    assert report.verdict == request.param
    return str(request.param)


def break_history(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the second question end with an error of the engine."""
    original = Bench.ask

    def ask(self: Bench, question: str, max_tokens: int | None = None) -> object:
        if question.startswith("How did we solve"):
            raise StageCrashed("the engine broke [=")
        return original(self, question, max_tokens)

    monkeypatch.setattr(Bench, "ask", ask)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("theme", THEMES)
def test_tests_are_shown_with_what_was_measured_and_expected(
    place: Place, verdict: str, size: tuple[int, int], theme: str
) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        if theme == "light":
            await pilot.press("t")
        await wait_for(
            pilot, "Trained knowledge", "History", "Tools", "m.gguf" if verdict != "failed" else "babble"
        )
        if verdict == "passed":
            await wait_for(pilot, "✓ ALL SMOKE TESTS PASSED", "of 1000000 s")
        elif verdict == "failed":
            await wait_for(pilot, "✗ failed  1 of 3 passed", "without constructor")
        else:
            await wait_for(pilot, "! errored  2 of 3 passed", "the engine broke [=")
        await pilot.press("a")
        await wait_for(pilot, "Explain the empty constructor pattern", "expected trained", "route trained")
        await pilot.press("escape", "tab")
        if size[0] >= 120:
            await pilot.click("#smoke-tests TestCard")
            await wait_for(pilot, "route trained")

    drive(place, steps, size, first="smoke")


@pytest.mark.parametrize("size", [*SIZES, (200, 60)])
def test_with_nothing_there_it_says_what_to_do(in_tmp: Path, place: Place, size: tuple[int, int]) -> None:
    shutil.rmtree(in_tmp / "outputs")

    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "not run yet", "○ not running", "○ not reachable", "no exported GGUF yet")
        for key, reason in (
            ("a", "s runs them"), ("x", "No server runs"), ("g", "no exported GGUF"),
            ("i", "no exported GGUF"), ("r", "Ollama is not reachable"), ("d", "g asks it"),
        ):  # fmt: skip
            await pilot.press(key)
            await wait_for(pilot, reason)

    drive(place, steps, size, first="smoke")


def test_a_smoke_test_that_cannot_run_says_why(place: Place) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await pilot.press("s")
        await wait_for(pilot, "web4mlx smoke --config config.toml: failed", "no RAG store", "rag build")

    drive(place, steps, first="smoke")


def test_the_server_is_started_watched_and_stopped(place: Place) -> None:
    url = f"http://127.0.0.1:{place.settings.serve.port}"

    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "○ not running", url)
        await pilot.press("w")
        await wait_for(pilot, "Serve what?", "The newest GGUF itself: m.gguf")
        await pilot.press("down", "down", "enter")
        await wait_for(pilot, "● answers", "in front of m.gguf", "● running as a job")
        await pilot.press("w")
        await wait_for(pilot, "A server is there already")
        body = {"model": NAME, "stream": False, "messages": [{"role": "user", "content": "hi"}]}
        assert httpx.post(f"{url}/api/chat", json=body, timeout=60).status_code == 200
        assert httpx.get(f"{url}/nothing").status_code == 404
        await wait_for(pilot, "✓ 200", "POST /api/chat", "trained", "✗ 404", "2, 1 failed")
        pilot.app.query_one("#smoke-requests").focus()
        await pilot.press("up", "enter")
        await wait_for(pilot, "Request", "first_byte_ms")
        await pilot.press("escape", "x")
        await wait_for(pilot, "Stop the server?")
        await pilot.press("down", "enter")
        await wait_for(pilot, "○ not running", "no job runs")

    drive(place, steps, first="smoke")
    (job,) = list_jobs(place.outputs)
    assert not job.is_alive
    assert job.order.command[-2] == "--gguf"


def test_requests_stay_in_order_when_their_log_is_cut_and_deleted(place: Place) -> None:
    path = place.outputs / "serve.jsonl"

    def write(*names: str) -> None:
        with EventLog(path, "serve", "serve") as log:
            for name in names:
                log.write(Served, method="GET", path=f"/{name}", status=200, first_byte_ms=1, total_ms=1)

    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "No request has been answered yet")
        write("one", "two")
        await wait_for(pilot, "/one", "/two")
        with path.open("ab") as file:
            file.write(b"\xff garbage\n")
        write("three")
        await wait_for(pilot, "/three", "1 lines are no events")
        await pilot.press("t")
        await wait_for(pilot, "/one", "/three")
        write(*(f"n{number}" for number in range(700)))
        await wait_for(pilot, "/n699", "703")
        path.write_bytes(b"")
        write("again")
        await wait_for(pilot, "/again")
        path.unlink()
        await pilot.pause()
        await wait_for(pilot, "/again")

    drive(place, steps, first="smoke")


@pytest.fixture
def double(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OllamaDouble]:
    with running_double(tmp_path / "models") as running:
        monkeypatch.setenv("OLLAMA_HOST", running.url)
        yield running


@pytest.fixture
def cleared(in_tmp: Path, place: Place, double: OllamaDouble) -> Place:
    """A GGUF with a complete evaluation of right answers, as the suite leaves it."""
    outputs = in_tmp / "outputs"
    (outputs / "m.gguf").unlink()
    (outputs / "m.manifest.json").unlink(missing_ok=True)
    gguf = write_agent(outputs / "web4-agent.gguf")
    modelfile = write_agent_modelfile(in_tmp / "Modelfile")
    from evals.version import suite_version

    of_it = subject_of(gguf, modelfile).model_copy(update={"suite_version": suite_version()})
    finish_run(complete_run(outputs, subject=of_it), outputs)
    write_manifest(gguf, new_manifest("export"))
    return place


def test_the_gate_refuses_then_clears_and_import_and_rollback_follow(
    in_tmp: Path, cleared: Place, double: OllamaDouble
) -> None:
    report = in_tmp / "outputs" / "eval_report_final.json"
    whole = report.read_bytes()
    client = ollama.Client(double.url, trust_env=False)
    old = client.create_blob(write_agent(in_tmp / "old.gguf", ("Old", " words.")))
    client.create(NAME, files={"old.gguf": old}, system="Old.")

    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "● answers", "web4-agent:latest", "production", "g asks whether")
        report.unlink()
        await pilot.press("g")
        await wait_for(pilot, "✗ REFUSED", "there is no such report", "Evaluate it")
        await pilot.press("escape", "d")
        await wait_for(pilot, "The gate", "no such report")
        report.write_bytes(whole)
        await pilot.press("escape", "g")
        await wait_for(pilot, "✓ CLEARED", "decision: CLEARED FOR DEPLOYMENT")
        await pilot.press("i")
        await wait_for(pilot, "Import the model?", "kept for a rollback")
        await pilot.press("enter")  # the harmless answer stands first
        await pilot.press("i", "down", "enter")
        await wait_for(pilot, "✓ IMPORTED", "imported as web4-agent:latest", "backup")
        assert client.chat(NAME, [{"role": "user", "content": "What?"}]).message.content == ANSWER
        await pilot.press("r")
        await wait_for(pilot, "Put the model before this one back?")
        await pilot.press("down", "enter")
        await wait_for(pilot, "✓ ROLLED BACK", "undone")
        double.die()
        await wait_for(pilot, "○ not reachable")

    drive(cleared, steps, (120, 44), first="smoke")
    assert [job.state for job in list_jobs(cleared.outputs)] == ["done", "done", "done", "refused"]


def test_checking_ollama_asks_first(place: Place, double: OllamaDouble) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "● answers", "it has no models")
        await pilot.press("k")
        await wait_for(pilot, "Check Ollama and its speed?", "unloaded once")
        await pilot.press("down", "enter")
        await wait_for(pilot, "serve --config config.toml --check")
        wait_until(lambda: not any(job.is_alive for job in list_jobs(place.outputs)))
        assert pilot.app.query_one(Smoke).serving_job is None

    drive(place, steps, first="smoke")


def test_a_recording_looks_at_no_server(place: Place) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await wait_for(pilot, "a recording has no servers")
        await pilot.press("w")
        await wait_for(pilot, "This is a recording")
        assert "not reachable" not in screen_text(pilot.app)  # type: ignore[arg-type]

    drive(Place(place.config, place.settings, place.outputs, "a-run"), steps, first="smoke")
