"""The one table of actions: bindings, footer, help and command palette are all made from it.

A screen's actions stand in its own module, as `ACTIONS` of its class; those of the whole dashboard stand
here. An action `id` is carried out by the method `do_<id>` of its screen, or of the app.
"""

from dataclasses import dataclass

EVERYWHERE = ""


@dataclass(frozen=True)
class Action:
    """One thing a user can do.

    `key` is one key or several with commas, in the names of Textual (`question_mark`, `ctrl+q`). `where` is
    the screen's name, filled in by the table. `footer` says whether it is shown there; help and palette
    show all. `starts` marks what begins or ends work: a recording refuses it.
    """

    id: str
    key: str
    name: str
    help: str
    where: str = EVERYWHERE
    footer: bool = True
    starts: bool = False

    @property
    def shown_key(self) -> str:
        """The first key as people write it."""
        return SHOWN_KEYS.get(self.key.partition(",")[0], self.key.partition(",")[0])


SHOWN_KEYS = {
    "question_mark": "?", "ctrl+q": "^q", "ctrl+p": "^p", "left_square_bracket": "[", "slash": "/",
    "right_square_bracket": "]", "enter": "⏎", "escape": "esc", "end": "End", "home": "Home",
}  # fmt: skip

EVERYWHERE_ACTIONS = (
    Action("help", "question_mark", "Help", "Show all keys."),
    Action("palette", "ctrl+p,colon", "Commands", "Find an action by its name.", footer=False),
    Action("theme", "t", "Theme", "Change between dark and light.", footer=False),
    Action("jobs", "j", "Jobs", "Show the jobs and the queue: start, drop or stop one."),
    Action("close_problem", "escape", "Close", "Close the error panel.", footer=False),
    Action("copy_problem", "y", "Copy error", "Copy the error panel's text.", footer=False),
    Action("quit", "q,ctrl+q", "Quit", "Leave; with jobs running, choose what becomes of them."),
)
