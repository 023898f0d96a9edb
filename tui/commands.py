"""The command palette, made from the action table."""

from collections.abc import Coroutine, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

from tui.screens import SCREENS, action_table

if TYPE_CHECKING:
    from tui.app import Dashboard


class ActionCommands(Provider):
    """Offers every action, and every screen."""

    def _entries(self) -> Iterator[tuple[str, str, partial[Coroutine[Any, Any, None]]]]:
        app = cast("Dashboard", self.app)
        titles = {entry.name: entry.title for entry in SCREENS}
        for number, entry in enumerate(SCREENS, 1):
            yield f"Go to {entry.title}", f"Key {number}", partial(app.action_go, entry.name)
        for action in action_table():
            if action.id == "palette":
                continue
            name = f"{titles[action.where]}: {action.name}" if action.where else action.name
            yield name, action.help, partial(app.run_from_palette, action.where, action.id)

    async def discover(self) -> Hits:
        """All, before anything is typed."""
        for name, text, call in self._entries():
            yield DiscoveryHit(name, call, help=text)

    async def search(self, query: str) -> Hits:
        """Those that match."""
        matcher = self.matcher(query)
        for name, text, call in self._entries():
            if (score := matcher.match(name)) > 0:
                yield Hit(score, matcher.highlight(name), call, help=text)
