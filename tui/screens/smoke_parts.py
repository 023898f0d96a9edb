"""Parts of the Smoke screen: the card of a test, the table of requests."""

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import DataTable, Static

from tui.serving.requests import Requests
from tui.serving.text import request_cells, request_text, requests_title
from tui.widgets.dialogs import Reading
from web4mlx.smoke.judging import CASES

MOST_ROWS = 1500
COLUMNS = ("time", "status", "request", "route", "docs + ex.", "tokens", "first ms", "all ms", "note")


class TestCard(Static, can_focus=True):
    """One smoke test; enter or a click shows its answer."""

    BINDINGS: ClassVar = [("enter", "read", "Read")]

    class Opened(Message):
        """The answer is to be shown."""

        def __init__(self, place: int) -> None:
            super().__init__()
            self.place = place

    def __init__(self, place: int) -> None:
        super().__init__("", classes="box smoke-card")
        self.place = place
        self.border_title = CASES[place].title

    def on_click(self) -> None:
        """Show the answer."""
        self.action_read()

    def action_read(self) -> None:
        """Show the answer."""
        self.post_message(self.Opened(self.place))


class RequestTable(Vertical):
    """The newest requests; stays at the end unless somebody looks at an earlier one."""

    def __init__(self) -> None:
        super().__init__(classes="box", id="smoke-requests-box")
        self.border_title = "Requests"
        self.requests = Requests()
        self.first = self.end = 0
        self.painted = ""

    def compose(self) -> ComposeResult:
        """A note while there are none, and the table."""
        yield Static("[$muted]No request has been answered yet.[/]", id="smoke-no-requests")
        yield DataTable(id="smoke-requests", cursor_type="row", zebra_stripes=False)

    def on_mount(self) -> None:
        """Set the columns."""
        table = self.query_one(DataTable)
        for name in COLUMNS:
            table.add_column(name, key=name)
        table.display = False

    def show(self, requests: Requests) -> None:
        """Add what is new; a log that was cut, or another theme, makes all of it new."""
        self.border_title = requests_title(requests)
        self.border_subtitle = f"! {requests.garbage} lines are no events" if requests.garbage else ""
        table = self.query_one(DataTable)
        table.display = bool(requests.served)
        self.query_one("#smoke-no-requests").display = not table.display
        end = requests.first + len(requests.served)
        if (end, self.app.theme) == (self.end, self.painted):
            return
        is_at_end = table.cursor_row >= table.row_count - 1
        if requests.first > self.end or table.row_count > MOST_ROWS or self.painted != self.app.theme:
            table.clear()
            self.first = self.end = requests.first
        for one in requests.served[self.end - requests.first :]:
            cells = [Text(cell) for cell in request_cells(one)]
            cells[1].stylize(self.app.theme_variables["success" if one.status < 400 else "error"])
            table.add_row(*cells)
        self.requests, self.end, self.painted = requests, end, self.app.theme
        if is_at_end:
            last = table.row_count - 1
            self.call_after_refresh(lambda: table.move_cursor(row=last, animate=False, scroll=True))

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Read one request, if it is still known."""
        event.stop()
        place = self.first + event.cursor_row - self.requests.first
        if 0 <= place < len(self.requests.served):
            self.app.push_screen(Reading("Request", request_text(self.requests.served[place])))
