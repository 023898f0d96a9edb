"""What can be done with a model: each the same command as on the command line, after a question."""

from functools import partial
from pathlib import Path

from textual import work
from textual.message import Message

from tui.feed.models import ModelsFeed, ModelsReadings
from tui.feed.reader import Problem, attempt
from tui.markup import safe
from tui.screens.pane import Pane
from tui.widgets.dialogs import confirm
from tui.words import size
from web4mlx.inventory.artifacts import Artifact, Kind
from web4mlx.inventory.removal import Removal, plan_removal
from web4mlx.inventory.tags import Server, Tag, freed_bytes, why_not_tag

EXPORTED = "web4-agent.gguf"
NEEDS: dict[str, tuple[Kind, str]] = {
    "fuse": ("adapter", "Choose an adapter to fuse."),
    "export": ("merged", "Choose a merged model to export."),
    "import": ("gguf", "Choose a GGUF to import."),
}


class ModelActions(Pane):
    """The actions of the models screen; the screen says which model is chosen."""

    feed: ModelsFeed
    readings: ModelsReadings
    server: Server | None

    class Planned(Message):
        """What a removal would do, or why that cannot be known."""

        def __init__(self, plan: Removal | Problem) -> None:
            super().__init__()
            self.plan = plan

    @property
    def artifact(self) -> Artifact | None:
        """The chosen artifact."""
        raise NotImplementedError

    @property
    def tag(self) -> Tag | None:
        """The chosen tag."""
        raise NotImplementedError

    def why_not(self, action: str) -> str:
        """What must be so for an action."""
        one, tag = self.artifact, self.tag
        if action in NEEDS:
            kind, text = NEEDS[action]
            if one is None or one.kind != kind:
                return text
            return "" if one.is_finished else f"{one.name} is not finished."
        if action == "verify":
            return self._why_not_verified(one)
        if action == "delete":
            return self._why_not_removed(one, tag)
        if action == "rollback":
            return self._why_not_back()
        if action == "copy" and not (one.digest if one else tag.digest if tag else ""):
            return "Nothing is chosen that has a digest."
        return ""

    def _why_not_verified(self, one: Artifact | None) -> str:
        if one is None:
            return "Choose a model on the disk."
        is_needed = one.kind in ("adapter", "gguf", "merged") and not one.is_finished
        return f"{one.name} is not finished." if is_needed else ""

    def _why_not_removed(self, one: Artifact | None, tag: Tag | None) -> str:
        if tag is not None:
            reason = why_not_tag(tag)
            return f"{tag.name} is not removed: {reason}." if reason else ""
        if one is None:
            return "Choose a model to remove."
        return f"{one.name} is being trained." if one.path in self.readings.trained else ""

    def _why_not_back(self) -> str:
        if self.server is None:
            return "Ollama has not answered yet."
        if self.server.problem:
            return f"{self.server.problem} {self.server.hint}"
        if not any(tag.role == "backup" for tag in self.server.tags):
            return "Ollama has no backup of this model; an import makes one when it replaces a model."
        return ""

    def do_verify(self) -> None:
        """Verify the chosen model by the command of its kind."""
        one = self.artifact
        if one is None:
            return
        if one.kind == "base":
            model = self.place.settings.model
            name = str(one.manifest.config.get("base", one.name)) if one.manifest else str(one.path)
            self.start_job("download", [name, "--folder", str(model.folder), "--verify-only"])
        elif one.kind == "adapter":
            self.start_job("verify", [str(one.path), *self.place.config_arguments])
        else:
            self.start_job("models verify", [str(one.path), *self.place.config_arguments])

    def do_fuse(self) -> None:
        """Fuse the chosen adapter."""
        self._ask_and_start("fuse", "Merge it into its base?", "Yes, fuse it")

    def do_export(self) -> None:
        """Export the chosen merged model."""
        is_there = any(one.name == EXPORTED for one in self.readings.artifacts)
        detail = f"It replaces {EXPORTED}: what was evaluated is then gone." if is_there else ""
        self._ask_and_start("export", "Make a GGUF of it?", "Yes, export it", detail)

    def do_import(self) -> None:
        """Import the chosen GGUF."""
        one = self.artifact
        name = self.place.settings.deploy.name
        cleared = one is not None and "cleared" in one.marks
        said = (
            "Its evaluation has cleared it."
            if cleared
            else "Nothing here says that it is cleared: the gate will refuse it."
        )
        missing = f"\n{self.server.problem} {self.server.hint}" if self.server and self.server.problem else ""
        detail = f"{said} The gate checks again, then it becomes {name} in Ollama; the model before is kept."
        self._ask_and_start("import", "Import it into Ollama?", "Yes, import it", detail + missing)

    def do_rollback(self) -> None:
        """Put the newest backup into production."""
        backups = [tag for tag in (self.server.tags if self.server else ()) if tag.role == "backup"]
        name = self.place.settings.deploy.name
        detail = f"{backups[0].name} becomes {name}; what is there now is kept as an “undone” tag."
        self.ask_and_start(
            f"Roll {name} back?",
            "Yes, roll back",
            detail,
            "import",
            ["--rollback", *self.place.config_arguments],
        )

    def do_download(self) -> None:
        """Download the configured base."""
        model = self.place.settings.model
        revision = ["--revision", model.revision] if model.revision else []
        detail = f"Into {model.folder}. What is there and whole stays."
        arguments = [model.base, "--folder", str(model.folder), *revision]
        self.ask_and_start(f"Download {model.base}?", "Yes, download it", detail, "download", arguments)

    def _ask_and_start(self, kind: str, question: str, yes: str, detail: str = "") -> None:
        one = self.artifact
        if one is not None:
            arguments = [str(one.path), *self.place.config_arguments]
            self.ask_and_start(
                question, yes, f"{one.name}, {size(one.size_bytes)}. {detail}", kind, arguments
            )

    @work
    async def ask_and_start(
        self, question: str, yes: str, detail: str, kind: str, arguments: list[str]
    ) -> None:
        """Ask, then start a command."""
        if await self.app.push_screen_wait(confirm(question, yes, safe(detail))) == "yes":
            self.start_job(kind, arguments)

    def do_delete(self) -> None:
        """Find out what removing the chosen model would do; then ask."""
        one, tag = self.artifact, self.tag
        if tag is not None and self.server is not None:
            freed = size(freed_bytes(tag, self.server.tags))
            self.ask_and_start(
                f"Remove {tag.name} from Ollama?", "Yes, remove it", f"{freed} become free.", "models remove",
                [tag.name, "--yes", *self.place.config_arguments],
            )  # fmt: skip
        elif one is not None:
            served = self.server.digests if self.server else None
            plan = partial(plan_removal, one.path, self.feed.settings, served)
            attempt(plan, lambda result: self.post_message(self.Planned(result)))

    def on_model_actions_planned(self, message: Planned) -> None:
        """Say why not, or ask."""
        plan = message.plan
        if isinstance(plan, Problem):
            self.show_problem(plan)
        elif plan.refusal:
            self.notify(f"{plan.artifact.name} stays: {plan.refusal}. {plan.hint}", severity="warning")
        else:
            self.ask_and_start(
                f"Remove {plan.artifact.name}?", "Yes, remove it", removal_text(plan), "models remove",
                [str(plan.artifact.path), "--yes", *self.place.config_arguments],
            )  # fmt: skip


def removal_text(plan: Removal) -> str:
    """What goes, what becomes free, what follows from it."""
    names = ", ".join(_shown(path) for path in plan.paths)
    return "\n".join([f"{size(plan.frees_bytes)} become free: {names}", *plan.effects])


def _shown(path: Path) -> str:
    return f"{path.name}/" if path.is_dir() else path.name
