"""Facts and documents of stores, reports of checks, the worker process and its end."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from tests.dashboards import wait_until
from tests.rag_sources import BUS, START, VERSION, WordEmbedder, build, write_files, write_tools
from tui.feed.job_output import Output, read_output
from tui.retrieval.asker import Asker, Stopped
from tui.retrieval.documents import read_document
from tui.retrieval.facts import Batch, StoreFeed
from tui.retrieval.hit_text import name_of
from tui.retrieval.reports import CheckFeed, expectations
from tui.retrieval.worker import Question
from web4mlx.errors import StageCrashed
from web4mlx.events import EventLog
from web4mlx.rag.findings import CheckReport, Finding
from web4mlx.rag.folder import current_generation
from web4mlx.rag.markers import MarkRequest, mark_store
from web4mlx.rag.schema import DATABASE
from web4mlx.rag.settings import RagSettings


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    build(write_files(folder / "repo"), folder / "rag", tools=write_tools(folder / "tools"))
    return folder / "rag"


def test_facts_are_those_of_the_build_and_of_later_marks(made: Path, tmp_path: Path) -> None:
    db = Path(shutil.copytree(made, tmp_path / "rag"))
    feed = StoreFeed(db)
    facts = feed.read()
    assert facts is not None
    assert (facts.pdcas, facts.links, facts.first_day, facts.last_day) == (3, 2, "2025-10-26", "2025-10-28")
    assert {one.name: one.documents for one in facts.collections} == {
        "pdca_historical": 3, "components": 1, "process_docs": 1, "tool_examples": 6, "process_framework": 20,
    }  # fmt: skip
    assert feed.read() is facts
    request = MarkRequest(db, "b1", "2026-01-01", collections=("pdca_historical",))
    mark_store(request, WordEmbedder(), EventLog(None, "test", "rag"))
    marked = feed.read()
    assert marked is not None
    assert marked.trained == 15
    assert marked.batches == (Batch("b1", "2026-01-01", 15, 3),)
    shutil.rmtree(db)
    assert feed.read() is None


def test_a_store_that_others_made_has_what_is_published(made: Path, tmp_path: Path) -> None:
    generation = current_generation(made)
    assert generation is not None
    shutil.copy(generation / DATABASE, tmp_path / DATABASE)
    with sqlite3.connect(tmp_path / DATABASE) as connection:
        connection.executescript("PRAGMA foreign_keys = OFF; DROP TABLE chunks; DROP TABLE dangling_links;")
    facts = StoreFeed(tmp_path).read()
    assert facts is not None
    assert (facts.pdcas, facts.links, facts.collections) == (3, 2, ())
    document = read_document(tmp_path, VERSION)
    assert [one.id for one in document.before] == [START]


def test_a_document_has_its_text_and_both_neighbours(made: Path) -> None:
    document = read_document(made, VERSION)
    assert ([one.id for one in document.before], [one.id for one in document.after]) == ([START], [BUS])
    assert document.after[0].date == "2025-10-28"
    assert "Pin versions of all components" in document.text
    generation = current_generation(made)
    assert generation is not None
    with sqlite3.connect(generation / DATABASE) as connection:
        chunk, path = connection.execute(
            "SELECT id, path FROM chunks WHERE collection = 'tool_examples'"
        ).fetchone()
    assert read_document(made, chunk).id == path
    assert not read_document(made, chunk).is_pdca
    assert read_document(made, "nowhere").text == ""


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("a/2025-01-07-UTC-1140-0007-automate-it.md", "automate-it"),
        ("20251028-101500-Ada.Developer.pdca.md", "Ada.Developer"),
        ("src/layer2/DefaultUnicorn.ts", "DefaultUnicorn.ts"),
        ("2025-10-27.md", "2025-10-27"),
    ],
)
def test_names_are_without_what_all_have(place: str, name: str) -> None:
    assert name_of(place) == name


def test_the_result_is_found_between_what_else_a_job_printed(tmp_path: Path) -> None:
    text = 'passed {\n{\n  "a": [\n    1\n  ]\n}\nerror: one\n  - two\nhint: three\nfour\n'
    assert Output(text).result() == {"a": [1]}
    assert Output(text).error() == ("one\n  - two", "three")
    assert Output("{\n  half").result() is None
    assert Output("all is well").error() == ("", "")
    assert Output("a\rb 1\x1b[K\rb 2\n\nc\n").lines == ("b 2", "c")
    assert read_output(tmp_path / "none").problem


def test_the_check_is_read_again_when_another_one_was_kept(tmp_path: Path) -> None:
    feed = CheckFeed(tmp_path)
    assert feed.read().report is None
    report = CheckReport(store="x/generation-1", expected="none", findings=())
    (tmp_path / "rag_check.json").write_text(report.model_dump_json())
    assert feed.read().report == report
    assert feed.read().is_of(Path("y/generation-1"))
    failed = Finding(name="counts", verdict="failed", detail="[b] is [=no] tag")
    newer = report.model_copy(update={"findings": (failed,)})
    (tmp_path / "rag_check.json").write_text(newer.model_dump_json())
    assert feed.read().report == newer
    (tmp_path / "rag_check.json").write_text("{")
    assert "cannot be read" in feed.read().problem
    (tmp_path / "rag_check.json").unlink()
    assert feed.read().report is None


def test_expectations_are_those_the_check_takes() -> None:
    settings = RagSettings.model_validate({"expect": {"team": {}, "demo": {"components": {"documents": 80}}}})
    assert expectations(settings, "demo")[0] == "demo"
    assert expectations(settings, "")[0] == "team"
    assert expectations(settings, "demo", "none") == ("none", {})
    assert expectations(RagSettings(), "demo") == ("none", {})


def question(number: int, db: Path, text: str = "x") -> Question:
    return Question(number=number, db=str(db), settings="rag", text=text)


def test_a_missing_store_is_an_answer_and_the_worker_lives_on(tmp_path: Path) -> None:
    asker = Asker()
    try:
        first = asker.ask(question(1, tmp_path))
        assert "no RAG store" in first.error
        assert "rag build" in first.hint
        process = asker.worker and asker.worker.process
        assert asker.ask(question(2, tmp_path)).number == 2
        assert asker.worker
        assert asker.worker.process is process
        with pytest.raises(Stopped):
            asker.ask(question(1, tmp_path))  # something newer was asked
    finally:
        asker.stop()
    assert not asker.is_warm


def test_a_worker_that_was_killed_is_named_and_replaced(tmp_path: Path) -> None:
    asker = Asker()
    hanging = tmp_path / "hanging"
    hanging.mkdir()
    os.mkfifo(hanging / "CURRENT")  # whoever reads it waits for a writer
    failures: list[BaseException] = []
    thread = threading.Thread(target=lambda: failures.append(caught(asker, question(1, hanging))))
    thread.start()
    try:
        wait_until(lambda: has_reader(hanging / "CURRENT"), "the question")
        assert asker.worker
        os.kill(asker.worker.process.pid, signal.SIGKILL)
        thread.join(60)
        assert "killed by SIGKILL" in str(failures[0])
        assert asker.ask(question(2, tmp_path)).error
    finally:
        asker.stop()


def has_reader(pipe: Path) -> bool:
    """Whether somebody reads a named pipe."""
    try:
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def caught(asker: Asker, asked: Question) -> BaseException:
    try:
        asker.ask(asked)
    except StageCrashed as error:
        return error
    return AssertionError("it answered")


def test_no_worker_outlives_a_dashboard_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom tui.retrieval.asker import Asker\nfrom tui.retrieval.worker import Question\n"
        "asker = Asker()\nasker.ask(Question(number=1, db=sys.argv[1], settings='rag', text='x'))\n"
        "print(asker.worker.process.pid, flush=True)\ntime.sleep(600)"
    )
    dashboard = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert dashboard.stdout is not None
    worker = int(dashboard.stdout.readline())
    assert psutil.pid_exists(worker)
    dashboard.kill()
    dashboard.wait()
    dashboard.stdout.close()
    wait_until(lambda: not psutil.pid_exists(worker), "the worker's end")
