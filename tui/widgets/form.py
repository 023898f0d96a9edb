"""A question with several fields, answered as a whole."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Input, Static

from tui.markup import safe


@dataclass(frozen=True)
class Field:
    """One field: its key, its label, what stands in it, an example, and what is suggested while typing."""

    key: str
    label: str
    value: str = ""
    example: str = ""
    suggestions: tuple[str, ...] = ()


class Form(ModalScreen[dict[str, str] | None]):
    """Asks for texts; enter goes on, in the last field it answers; escape is None.

    Args:
        title: The question.
        fields: Its fields.
        detail: More about it, as markup.
        check: Says what is wrong with the answers, in words; empty when nothing is.
        yes: What the answer does, for the line of keys.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel"),
        Binding("up", "app.focus_previous"),
        Binding("down", "app.focus_next"),
        Binding("ctrl+s", "answer", "Answer"),
    ]
    DEFAULT_CSS = """
    Form .row { height: 1; margin-bottom: 1; }
    Form .label { width: 14; color: $muted; }
    Form Input { width: 1fr; margin: 0; background: $panel; }
    Form Input:focus { background: $primary 25%; }
    Form #form-fields { height: auto; max-height: 14; scrollbar-size-vertical: 1; }
    Form #form-problem { color: $error; height: auto; }
    """

    def __init__(
        self,
        title: str,
        fields: Sequence[Field],
        detail: str = "",
        check: Callable[[Mapping[str, str]], str] = lambda answers: "",
        yes: str = "take it",
    ) -> None:
        super().__init__()
        self.heading, self.fields, self.detail, self.check, self.yes = title, fields, detail, check, yes

    def compose(self) -> ComposeResult:
        """Question, detail, fields."""
        with Vertical(classes="dialog"):
            yield Static(f"[b]{safe(self.heading)}[/]", classes="dialog-title")
            if self.detail:
                yield Static(self.detail, classes="dialog-detail")
            with VerticalScroll(id="form-fields", can_focus=False):
                for field in self.fields:
                    with Horizontal(classes="row"):
                        yield Static(field.label, classes="label")
                        suggester = SuggestFromList(field.suggestions, case_sensitive=False)
                        yield Input(
                            field.value, field.example, compact=True, id=f"field-{field.key}",
                            suggester=suggester if field.suggestions else None,
                        )  # fmt: skip
            yield Static("", id="form-problem")
            keys = f"↑ ↓ fields   → take what is suggested   ⏎ next, at the end {self.yes}   esc cancel"
            yield Static(f"[$muted]{keys}[/]", classes="dialog-keys")

    def on_mount(self) -> None:
        """Begin in the first field."""
        self.query(Input).first().focus()

    @property
    def answers(self) -> dict[str, str]:
        """What stands in the fields, without spaces around it."""
        return {
            field.key: self.query_one(f"#field-{field.key}", Input).value.strip() for field in self.fields
        }

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go on to the next field, or answer."""
        event.stop()
        if event.input.id == f"field-{self.fields[-1].key}":
            self.action_answer()
        else:
            self.focus_next()

    def action_answer(self) -> None:
        """Answer, unless something is wrong."""
        answers = self.answers
        problem = self.check(answers)
        self.query_one("#form-problem", Static).update(f"✗ {safe(problem)}" if problem else "")
        if not problem:
            self.dismiss(answers)

    def action_cancel(self) -> None:
        """Answer nothing."""
        self.dismiss(None)
