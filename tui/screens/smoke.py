"""The Smoke screen: three tests with their times, the servers, the requests, the gate before the import."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.message import Message
from textual.widgets import Static

from tui.actions import Action
from tui.feed.job_output import alive, read_output
from tui.feed.reader import Reader
from tui.jobs.record import Job
from tui.markup import safe
from tui.place import Place
from tui.screens.smoke_dialogs import ServingDialogs, is_serving
from tui.screens.smoke_parts import RequestTable, TestCard
from tui.serving.gate import GateAnswer, find_gguf, read_gate, read_import
from tui.serving.requests import RequestFeed, Requests
from tui.serving.servers import OllamaState, ServeFeed, ServeState, read_ollama
from tui.serving.smoke import SmokeReadings, progress_of, read_smoke
from tui.serving.text import (
    answer_text,
    gate_text,
    ollama_text,
    serve_text,
    smoke_head,
    test_card,
    test_row,
)
from tui.themes import sign
from tui.widgets.dialogs import Reading
from tui.words import duration
from web4mlx.artifacts import Manifest
from web4mlx.cli.serve import LOG
from web4mlx.smoke.judging import CASES

SERVERS_EVERY_S = 2.0


@dataclass(frozen=True)
class ServingReadings:
    """Report, requests, the gate's answer; `busy` is the smoke test that runs, `lines` what it printed."""

    smoke: SmokeReadings
    requests: Requests
    gate: GateAnswer | None
    gguf: Path | None
    record: Manifest | None
    busy: Job | None = None
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Servers:
    """Both servers."""

    serve: ServeState
    ollama: OllamaState


class Smoke(ServingDialogs):
    """Tests on top, servers and gate below them, requests at the bottom."""

    NAME = "smoke"
    EVERY_S = 0.5
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("smoke", "s", "Smoke", "Ask the three questions of the newest GGUF.", starts=True),
        Action("answers", "a", "Answers", "Read the answers of the smoke tests."),
        Action("serve", "w", "Serve", "Start the server for editors.", starts=True),
        Action("halt", "x", "Stop", "Stop the server that was started here.", starts=True),
        Action("check", "k", "Check", "Check Ollama: exposure, model, speed (serve --check).", starts=True),
        Action("gate", "g", "Gate", "Ask whether the GGUF may be imported (import --dry-run).", starts=True),
        Action("import", "i", "Import", "Import the GGUF into Ollama, if the gate lets it.", starts=True),
        Action("rollback", "r", "Rollback", "Put the model before this one back.", starts=True),
        Action("reasons", "d", "Details", "Read the gate's whole answer.", footer=False),
    )

    class ServersRead(Message):
        """The servers were looked at."""

        def __init__(self, servers: Servers) -> None:
            super().__init__()
            self.servers = servers

    def __init__(self, place: Place) -> None:
        self.requests = RequestFeed(place.outputs / LOG)
        self.serve_feed = ServeFeed()
        self.readings: ServingReadings | None = None
        self.servers: Servers | None = None
        super().__init__(place)
        self.server_reader = Reader(self._read_servers, self._deliver_servers)

    def compose(self) -> ComposeResult:
        """Tests, servers, gate, requests."""
        yield Static("reading …", id="smoke-head")
        with Horizontal(id="smoke-tests"):
            for place in range(len(CASES)):
                yield TestCard(place)
        with Horizontal(id="smoke-middle"):
            for name, title in (("serve", "Our server"), ("ollama", "Ollama"), ("gate", "Gate")):
                with VerticalScroll(classes="box", id=f"smoke-{name}-box", can_focus=False) as box:
                    box.border_title = title
                    yield Static("looking …", id=f"smoke-{name}")
        yield RequestTable()

    def on_mount(self) -> None:
        """Begin to read files and servers."""
        self.set_interval(SERVERS_EVERY_S, self.look_at_servers)
        super().on_mount()
        self.look_at_servers()

    def on_unmount(self) -> None:
        """Stop reading."""
        super().on_unmount()
        self.server_reader.close()

    def on_resize(self) -> None:
        """Cards or rows, as there is room."""
        if self.readings is not None:
            self.call_after_refresh(self.show, self.readings)

    def look_at_servers(self) -> None:
        """Ask for the servers' states, when this screen is shown; a recording has none."""
        if self.display and not self.place.replayed:
            self.server_reader.ask()

    @property
    def address(self) -> str:
        """Where our server is, or would be."""
        serve = self.place.settings.serve
        known = self.readings.requests.url if self.readings else ""
        return known or f"http://{serve.host}:{serve.port}"

    @property
    def is_small(self) -> bool:
        """Whether the terminal has room for a line each only."""
        screen = self.app.screen_stack[0]
        return screen.has_class("-narrow") or screen.has_class("-low")

    def _read_servers(self) -> Servers:
        return Servers(self.serve_feed.read(self.address), read_ollama(self.place.settings.deploy.name))

    def _deliver_servers(self, servers: object) -> None:
        if isinstance(servers, Servers):
            self.post_message(self.ServersRead(servers))

    def read(self) -> ServingReadings:
        """Read the files."""
        jobs, outputs = self.dashboard.jobs, self.place.outputs
        busy = alive(jobs, "smoke")
        lines = read_output(busy.log).lines if busy else ()
        gguf = find_gguf(outputs)
        return ServingReadings(
            read_smoke(outputs), self.requests.read(), read_gate(jobs), gguf, read_import(gguf), busy, lines
        )

    def show(self, readings: ServingReadings) -> None:
        """Show tests, gate and requests."""
        self.readings = readings
        busy = ""
        if readings.busy is not None:
            import time

            since = duration(time.time() - (readings.busy.started or time.time()))
            busy = f"{since}  [$muted]{safe(''.join(readings.lines[-1:]).strip()[:160])}[/]"
        self.query_one("#smoke-head", Static).update(smoke_head(readings.smoke, busy))
        self._show_tests(readings.smoke, progress_of(readings.lines) if busy else {})
        gate = gate_text(readings.gate, readings.gguf, readings.record)
        self.query_one("#smoke-gate", Static).update(gate)
        self.query_one(RequestTable).show(readings.requests)
        self.show_servers()

    def _show_tests(self, smoke: SmokeReadings, progress: dict[str, str]) -> None:
        tests = {test.name: test for test in smoke.report.tests} if smoke.report else {}
        for card in self.query(TestCard):
            width = max(20, card.content_size.width)
            name = CASES[card.place].name
            draw = test_row if self.is_small else test_card
            card.update(draw(card.place, tests.get(name), width, progress.get(name, "")))

    def on_smoke_servers_read(self, message: ServersRead) -> None:
        """Show the servers."""
        self.servers = message.servers
        if not self.dashboard.is_closing:
            self.show_servers()

    def show_servers(self) -> None:
        """Show both servers."""
        if self.place.replayed:
            for name in ("serve", "ollama"):
                self.query_one(f"#smoke-{name}", Static).update("[$muted]a recording has no servers[/]")
            return
        if self.servers is None or self.readings is None:
            return
        job = self.serving_job
        text = f"{sign(job.state)} [$muted]as a job[/]" if job else ""
        between = "  " if self.is_small else "\n"
        serve = serve_text(self.servers.serve, self.readings.requests, text)
        self.query_one("#smoke-serve", Static).update(between.join(serve))
        box = self.query_one("#smoke-ollama-box").content_size
        rows = 1 if self.is_small else max(2, box.height - 2)
        ollama = ollama_text(self.servers.ollama, max(24, box.width), rows)
        self.query_one("#smoke-ollama", Static).update(between.join(ollama))

    @property
    def serving_job(self) -> Job | None:
        """The server that was started here and runs."""
        return alive(self.dashboard.jobs, "serve", is_serving)

    def why_not(self, action: str) -> str:
        """What must be so for an action."""
        readings = self.readings
        if action == "answers" and (readings is None or readings.smoke.report is None):
            return "The smoke tests have not been run yet: s runs them."
        if action == "serve" and (self.serving_job or self._is_served_elsewhere):
            return f"A server is there already: {self.address}"
        if action == "halt" and self.serving_job is None:
            elsewhere = "It was not started here: stop it where it was started."
            return elsewhere if self._is_served_elsewhere else "No server runs."
        if action in ("gate", "import") and (readings is None or readings.gguf is None):
            return "There is no exported GGUF yet."
        if action == "reasons" and (readings is None or readings.gate is None):
            return "The gate has not been asked yet: g asks it."
        if action == "rollback" and self.servers is not None and self.servers.ollama.problem:
            return f"Ollama is not reachable: {self.servers.ollama.problem}."
        return ""

    @property
    def _is_served_elsewhere(self) -> bool:
        return self.servers is not None and self.servers.serve.word in ("answers", "unwell")

    def do_answers(self) -> None:
        """Read all answers."""
        report = self.readings.smoke.report if self.readings else None
        if report is not None:
            text = "\n\n".join(answer_text(test) for test in report.tests)
            self.app.push_screen(Reading("Smoke tests", text))

    def on_test_card_opened(self, message: TestCard.Opened) -> None:
        """Read one answer."""
        report = self.readings.smoke.report if self.readings else None
        name = CASES[message.place].name
        test = next((one for one in report.tests if one.name == name), None) if report else None
        if test is None:
            self.notify("This test has not been run yet: s runs it.")
        else:
            self.app.push_screen(Reading(test.title, answer_text(test)))

    def do_reasons(self) -> None:
        """Read the gate's answer."""
        if self.readings is not None:
            text = gate_text(self.readings.gate, self.readings.gguf, self.readings.record)
            self.app.push_screen(Reading("The gate", text))
