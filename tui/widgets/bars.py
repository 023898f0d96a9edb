"""The fixed lines of the dashboard: what is shown and what runs, the tabs, the keys."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Static

from tui.actions import Action
from tui.jobs.record import Job
from tui.markup import safe
from tui.themes import sign
from tui.words import duration


class TopBar(Horizontal):
    """The first line: program and place at the left, running and waiting jobs at the right."""

    def __init__(self, place: str) -> None:
        super().__init__()
        self.place = place

    def compose(self) -> ComposeResult:
        """Place, what is waited for, jobs."""
        yield Static(f"[b $primary]web4mlx[/]  [$muted]{safe(self.place)}[/]", id="place")
        yield Static("", id="waiting")
        yield Static("", id="activity")

    def show_waiting(self, what: str) -> None:
        """Say what a screen has been waiting for; empty when for nothing."""
        self.query_one("#waiting", Static).update(f"[$warning]! {safe(what)}[/]   " if what else "")

    def show_jobs(self, jobs: Sequence[Job], now: float, elsewhere: str = "") -> None:
        """Say what runs and what waits; `elsewhere` is what another terminal runs."""
        parts = [
            f"{sign(job.state)} {job.order.kind} [$muted]{duration(now - (job.started or now))}[/]"
            for job in jobs
            if job.is_alive
        ]
        if elsewhere:
            parts.append(f"{sign('running')} [$muted]in another terminal[/]")
        waiting = sum(job.state in ("queued", "held") for job in jobs)
        if waiting:
            parts.append(f"{sign('queued')} [$muted]{waiting}[/]")
        self.query_one("#activity", Static).update("   ".join(parts[-3:]) or "[$muted]no job runs[/]")


class Tab(Static):
    """One tab; a click chooses it."""

    class Chosen(Message):
        """A tab was clicked."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, number: int, name: str, title: str) -> None:
        super().__init__(f"[$muted]{number}[/] {title}", id=f"tab-{name}")
        self.choice = name

    def on_click(self) -> None:
        """Choose it."""
        self.post_message(self.Chosen(self.choice))


class TabBar(Horizontal):
    """The tabs, numbered."""

    def __init__(self, titles: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self.titles = titles

    def compose(self) -> ComposeResult:
        """One tab a screen."""
        for number, (name, title) in enumerate(self.titles, 1):
            yield Tab(number, name, title)

    def choose(self, name: str) -> None:
        """Mark a tab as the one that is shown."""
        for tab in self.query(Tab):
            tab.set_class(tab.choice == name, "-current")


class KeyBar(Static):
    """The last line: the keys of the screen, then those of the dashboard; a click presses one."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: tuple[Sequence[Action], Sequence[Action]] = ((), ())

    def on_resize(self) -> None:
        """Fit the keys into the new width."""
        self.show(*self.shown)

    def show(self, own: Sequence[Action], everywhere: Sequence[Action]) -> None:
        """Show as many as fit; those of the dashboard always."""
        self.shown = (own, everywhere)
        right = [self._text(action) for action in everywhere if action.footer]
        room = self.size.width - sum(len(plain) + 2 for plain, _ in right) + 2
        left = []
        for action in own:
            plain, marked = self._text(action)
            if action.footer and room >= len(plain) + 2:
                room -= len(plain) + 2
                left.append(marked)
        gap = " " * max(1, room + (2 if left else 0))
        self.update("  ".join(left) + gap + "  ".join(marked for _, marked in right))

    @staticmethod
    def _text(action: Action) -> tuple[str, str]:
        key = action.shown_key.replace("[", r"\[")
        call = f"app.do('{action.where}','{action.id}')"
        text = f"[@click={call}][b $footer-key-foreground]{key}[/] [$muted]{action.name}[/][/]"
        return f"{action.shown_key} {action.name}", text
