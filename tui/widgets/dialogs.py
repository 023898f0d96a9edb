"""Questions that stand before everything else, each typed by its answer."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tui.markup import safe


class Choice(ModalScreen[str | None]):
    """Asks for one of several answers; escape is None.

    Args:
        title: The question.
        options: (answer, text) pairs; texts are markup.
        detail: More about it, as markup.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "cancel", "Cancel")]

    def __init__(self, title: str, options: Sequence[tuple[str, str]], detail: str = "") -> None:
        super().__init__()
        self.question, self.options, self.detail = title, options, detail

    def compose(self) -> ComposeResult:
        """Question, detail, answers."""
        with Vertical(classes="dialog"):
            yield Static(f"[b]{safe(self.question)}[/]", classes="dialog-title")
            if self.detail:
                yield Static(self.detail, classes="dialog-detail")
            yield OptionList(*(Option(text, id=answer) for answer, text in self.options))
            yield Static("[$muted]↑ ↓ choose   ⏎ take it   esc cancel[/]", classes="dialog-keys")

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Answer."""
        self.dismiss(event.option_id)

    def action_cancel(self) -> None:
        """Answer nothing."""
        self.dismiss(None)


def confirm(title: str, yes: str, detail: str = "") -> Choice:
    """A question whose harmless answer stands first; `yes` is the text of the other, answered as `yes`."""
    return Choice(title, [("no", "No, leave it as it is"), ("yes", yes)], detail)


class Reading(ModalScreen[None]):
    """Shows a long text; any of the usual keys closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter,question_mark", "close", "Close"),
        Binding("down,j", "scroll(1)"),
        Binding("up,k", "scroll(-1)"),
        Binding("pagedown,space", "scroll(10)"),
        Binding("pageup", "scroll(-10)"),
    ]

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self.heading, self.text = title, text

    def compose(self) -> ComposeResult:
        """Heading and text."""
        with Vertical(classes="dialog wide"):
            yield Static(f"[b]{safe(self.heading)}[/]", classes="dialog-title")
            with VerticalScroll(id="reading"):
                yield Static(self.text)
            yield Static("[$muted]↑ ↓ scroll   esc close[/]", classes="dialog-keys")

    def action_close(self) -> None:
        """Close it."""
        self.dismiss(None)

    def action_scroll(self, lines: int) -> None:
        """Scroll by some lines."""
        self.query_one("#reading").scroll_relative(y=lines, animate=False)
