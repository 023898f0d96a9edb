"""The models: bases, adapters, merged ones, GGUFs, tags in Ollama; where each came from; the disk."""

import time
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.message import Message
from textual.widget import Widget
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tui.actions import Action
from tui.feed.models import ModelsFeed, ModelsReadings
from tui.feed.reader import Problem, Reader
from tui.markup import safe
from tui.place import Place
from tui.screens.models_actions import ModelActions
from tui.screens.models_text import OLLAMA, Entry, disk_text, entries, job_text, looked_text, tag_text
from tui.widgets.dialogs import Reading
from tui.words import duration
from web4mlx.inventory.artifacts import Artifact
from web4mlx.inventory.tags import Server, Tag

OLLAMA_EVERY_S = 10.0
AIRY_HEIGHT = 28
JOBS = ("download", "verify", "fuse", "export", "import", "models verify", "models remove")


class Models(ModelActions):
    """A list at the left, the chosen model at the right, or below it in a narrow terminal."""

    NAME = "models"
    EVERY_S = 2.0
    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("verify", "v", "Verify", "Check the chosen model against what was recorded.", starts=True),
        Action("delete", "x,delete", "Delete", "Remove the chosen model, after a question.", starts=True),
        Action("fuse", "f", "Fuse", "Merge the chosen adapter into its base.", starts=True),
        Action("export", "e", "Export", "Make a GGUF of the chosen merged model.", starts=True),
        Action("import", "i", "Import", "Import the chosen GGUF into Ollama, if cleared.", starts=True),
        Action("rollback", "b", "Roll back", "Put the model before this one into production.", starts=True),
        Action("download", "d", "Download", "Download the configured base model.", starts=True),
        Action("ask", "r", "Ask Ollama", "Ask Ollama again what it has.", footer=False),
        Action("copy", "c", "Copy digest", "Copy the chosen model's digest.", footer=False),
    )

    class Answered(Message):
        """Ollama has answered, or not."""

        def __init__(self, server: Server | Problem) -> None:
            super().__init__()
            self.server = server

    def __init__(self, place: Place) -> None:
        self.feed = ModelsFeed(place.settings, place.outputs)
        self.readings = ModelsReadings((), None, None, 0, 0)
        self.server: Server | None = None
        self.wanted = ""
        self.drawn: list[Entry] = []
        self.running: frozenset[str] = frozenset()
        self.ollama = Reader(self.read_ollama, lambda server: self.post_message(self.Answered(server)))
        super().__init__(place)

    def compose(self) -> ComposeResult:
        """Disk use, list, details."""
        yield Static("reading …", id="models-head")
        with Horizontal(id="models-body"):
            yield OptionList(id="models-list")
            with VerticalScroll(id="models-side", can_focus=True):
                yield Static("", id="models-looked")

    def on_mount(self) -> None:
        """Begin to read the disk and to ask Ollama."""
        super().on_mount()
        self.set_interval(OLLAMA_EVERY_S, self.ask_ollama)
        self.ollama.ask()

    def on_unmount(self) -> None:
        """Stop both."""
        super().on_unmount()
        self.ollama.close()

    def on_resize(self) -> None:
        """Lines as long as there is room now."""
        if self.has_read:
            self.call_after_refresh(self._draw)

    def first_focus(self) -> Widget | None:
        """The list gets the keys."""
        return self.query_one("#models-list")

    def ask_ollama(self) -> None:
        """Ask Ollama, when this screen is shown."""
        if self.display:
            self.ollama.ask()

    def read_ollama(self) -> Server:
        """What Ollama has; in a thread of its own."""
        from web4mlx.inventory.asking import ask_ollama

        return ask_ollama(self.place.settings.deploy.name)

    def read(self) -> ModelsReadings:
        """Read the disk."""
        is_path = bool(self.wanted) and not self.wanted.startswith(OLLAMA)
        return self.feed.read(Path(self.wanted) if is_path else None)

    def show(self, readings: ModelsReadings) -> None:
        """Draw it; when a job has ended, ask Ollama what became of it."""
        self.readings = readings
        running = frozenset(job.order.id for job in self.dashboard.jobs if job.is_alive)
        if self.running - running:
            self.ollama.ask()
        self.running = running
        self._draw()

    def on_models_answered(self, message: Answered) -> None:
        """Show what Ollama has."""
        answer = message.server
        if isinstance(answer, Problem):
            answer = Server(url="", problem=answer.cause, hint=answer.hint)
        self.server = answer
        if self.has_read and not self.dashboard.is_closing:
            self._draw()

    def _draw(self) -> None:
        jobs = [job for job in self.dashboard.jobs if job.is_alive and job.order.kind in JOBS]
        shown = [job_text(j.order.kind, j.state, duration(time.time() - (j.started or 0))) for j in jobs[:1]]
        self.query_one("#models-head", Static).update(
            "  ".join([*shown, disk_text(self.readings, self.server)])
        )
        choices = self.query_one("#models-list", OptionList)
        airy = self.size.height >= AIRY_HEIGHT
        lines = list(entries(self.readings, self.server, choices.content_size.width, airy=airy))
        if lines != self.drawn:
            self._fill(choices, lines)
        self._draw_looked()

    def _fill(self, choices: OptionList, lines: list[Entry]) -> None:
        """Show other lines, and stay at the chosen one."""
        self.drawn = lines
        choices.clear_options()
        choices.add_options([Option(one.text, id=one.id or None, disabled=not one.id) for one in lines])
        at = [number for number, one in enumerate(lines) if one.id]
        chosen = [number for number in at if lines[number].id == self.wanted]
        choices.highlighted = next(iter(chosen or at), None)

    def _draw_looked(self) -> None:
        tag, looked = self.tag, self.readings.looked
        if tag is not None and self.server is not None:
            text = tag_text(tag, self.readings, self.server)
        elif self.wanted.startswith(OLLAMA):
            hint = self.server.hint if self.server else ""
            text = f"[b]Ollama[/]\n{safe(hint)}\n[$muted]r asks again. Everything else works without it.[/]"
        elif looked is None:
            text = "[$muted]Nothing is here yet.[/]"
        elif self.wanted in ("", str(looked.artifact.path)):
            width = self.query_one("#models-side").content_size.width - 1
            text = looked_text(looked, looked.artifact.path in self.readings.trained, width)
        else:
            text = "[$muted]reading …[/]"
        self.query_one("#models-looked", Static).update(text)

    @property
    def artifact(self) -> Artifact | None:
        """The chosen artifact; None when a tag or nothing is chosen."""
        return next((one for one in self.readings.artifacts if str(one.path) == self.wanted), None)

    @property
    def tag(self) -> Tag | None:
        """The chosen tag of Ollama."""
        tags = self.server.tags if self.server else ()
        return next((tag for tag in tags if OLLAMA + tag.name == self.wanted), None)

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Look at another model."""
        event.stop()
        if event.option_id and event.option_id != self.wanted:
            self.wanted = event.option_id
            self.query_one("#models-side").scroll_home(animate=False)
            self._draw_looked()
            self.look()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Read about a model in full."""
        event.stop()
        name = self.artifact.name if self.artifact else self.tag.name if self.tag else "Ollama"
        text = str(self.query_one("#models-looked", Static).content)
        self.app.push_screen(Reading(name, text))

    def do_ask(self) -> None:
        """Ask Ollama again."""
        self.ollama.ask()

    def do_copy(self) -> None:
        """Copy the digest."""
        digest = self.artifact.digest if self.artifact else self.tag.digest if self.tag else ""
        self.app.copy_to_clipboard(digest)
        self.notify(f"copied {digest[:19]}…")
