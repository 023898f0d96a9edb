"""What the Smoke screen asks before it tests, serves, imports, or goes back."""

from textual import work

from tui.jobs.record import Job
from tui.jobs.stop import stop
from tui.markup import safe
from tui.screens.pane import Pane
from tui.serving.gate import find_gguf
from tui.widgets.dialogs import Choice, confirm


def is_serving(job: Job) -> bool:
    """Whether a job of `web4mlx serve` serves; it also checks."""
    return "--check" not in job.order.command


class ServingDialogs(Pane):
    """The part of the screen that asks and starts commands."""

    @property
    def serving_job(self) -> Job | None:
        """The server that was started here and runs."""
        raise NotImplementedError

    @property
    def address(self) -> str:
        """Where our server is, or would be."""
        raise NotImplementedError

    def do_smoke(self) -> None:
        """Run the smoke tests."""
        self.start_job("smoke", self.place.config_arguments)

    @work
    async def do_serve(self) -> None:
        """Ask what is served, and start the server."""
        gguf = find_gguf(self.place.outputs)
        options = [
            ("front", "In front of Ollama, which runs already"),
            ("start", "In front of Ollama, and start Ollama too"),
        ]
        if gguf is not None:
            options.append(("gguf", f"The newest GGUF itself: {safe(gguf.name)}"))
        detail = f"It listens on {safe(self.address)}, and goes on when the dashboard is closed."
        answer = await self.app.push_screen_wait(Choice("Serve what?", options, detail))
        if answer is None:
            return
        more = {"front": [], "start": ["--start-ollama"], "gguf": ["--gguf", str(gguf)]}[answer]
        self.start_job("serve", [*self.place.config_arguments, *more])

    @work
    async def do_halt(self) -> None:
        """Ask, then stop the server."""
        question = confirm("Stop the server?", "Yes, stop it", "Answers under way get 5 seconds.")
        job = self.serving_job
        if await self.app.push_screen_wait(question) == "yes" and job is not None:
            stop(job)
            self.notify(job.order.title, title="◑ stopping")

    @work
    async def do_check(self) -> None:
        """Ask, then check Ollama."""
        detail = "The model is unloaded once, so that its loading can be measured. The result is its log."
        question = confirm("Check Ollama and its speed?", "Yes, check it", detail)
        if await self.app.push_screen_wait(question) == "yes":
            self.start_job("serve", [*self.place.config_arguments, "--check"])

    def do_gate(self) -> None:
        """Ask the gate; nothing is sent."""
        title = "web4mlx import --dry-run"
        self.start_job("import", [*self.place.config_arguments, "--dry-run", "--json"], title)

    @work
    async def do_import(self) -> None:
        """Ask, then import what the gate lets through."""
        gguf = find_gguf(self.place.outputs)
        name = self.place.settings.deploy.name
        detail = (
            f"{safe(gguf.name if gguf else '')} becomes {safe(name)} in Ollama if its evaluation has cleared "
            "it. What is there now is kept for a rollback."
        )
        question = confirm("Import the model?", "Yes, import it", detail)
        if await self.app.push_screen_wait(question) == "yes":
            self.start_job("import", [*self.place.config_arguments, "--json"], "web4mlx import")

    @work
    async def do_rollback(self) -> None:
        """Ask, then put the model before this one back."""
        name = self.place.settings.deploy.name
        detail = f"{safe(name)} in Ollama becomes what it was before. What is there now is kept."
        question = confirm("Put the model before this one back?", "Yes, put it back", detail)
        if await self.app.push_screen_wait(question) == "yes":
            arguments = [*self.place.config_arguments, "--rollback", "--json"]
            self.start_job("import", arguments, "web4mlx import --rollback")
