"""A question that is answered by typing."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from tui.markup import safe


class Ask(ModalScreen[str | None]):
    """Asks for a text; escape is None.

    Args:
        title: The question.
        placeholder: What an answer looks like.
        value: What stands there at first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "Cancel")]

    def __init__(self, title: str, placeholder: str = "", value: str = "") -> None:
        super().__init__()
        self.question, self.placeholder, self.value = title, placeholder, value

    def compose(self) -> ComposeResult:
        """Question and field."""
        with Vertical(classes="dialog"):
            yield Static(f"[b]{safe(self.question)}[/]", classes="dialog-title")
            yield Input(self.value, placeholder=self.placeholder)
            yield Static("[$muted]⏎ take it   esc cancel[/]", classes="dialog-keys")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Answer."""
        self.dismiss(event.value.strip())

    def action_cancel(self) -> None:
        """Answer nothing."""
        self.dismiss(None)
