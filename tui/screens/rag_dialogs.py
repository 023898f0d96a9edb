"""What the RAG screen asks before it builds, checks, marks, or restricts its questions."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from textual import work

from tui.feed.run import list_runs
from tui.markup import safe
from tui.retrieval.hit_text import Filters
from tui.retrieval.readings import RagReadings
from tui.screens.pane import Pane
from tui.widgets.dialogs import Choice, confirm
from tui.widgets.form import Field, Form
from web4mlx.errors import Web4Error
from web4mlx.last_stages import MARKS
from web4mlx.rag.documents import COLLECTIONS
from web4mlx.store_stages import BUILD, CHECK


class StoreDialogs(Pane):
    """The part of the screen that asks and starts commands."""

    filters: Filters
    readings: RagReadings | None

    @property
    def store_arguments(self) -> tuple[str, ...]:
        """The options that name the store and its rules."""
        settings = self.place.settings
        return ("--db", str(settings.store), "--config", settings.rag.settings)

    def record(self, name: str) -> tuple[str, str]:
        """The option by which a command leaves its report where the pipeline leaves its own."""
        return ("--record", str(self.place.outputs / name))

    def empty_text(self) -> str:
        """What there is to do when there is no store."""
        rag = self.place.settings.rag
        where = safe(str(self.place.settings.store))
        if rag.source is None:
            why = "and the configuration names no rag.source"
            return f"No store is at {where}, {why}. [b $primary]b[/] asks for one."
        made = " It is generated first." if rag.sample_scale and not rag.source.is_dir() else ""
        return f"No store is at {where} yet. [b $primary]b[/] builds it from {safe(str(rag.source))}.{made}"

    def do_check(self) -> None:
        """Check the store."""
        arguments = [*self.store_arguments, *self.record(CHECK)]
        self.start_job("rag check", arguments, "web4mlx rag check")

    @work
    async def do_build(self) -> None:
        """Ask how, then index the source, or generate it first."""
        rag = self.place.settings.rag
        source, tools = rag.source, rag.tools
        if source is None:
            answers = await self.app.push_screen_wait(source_form())
            if answers is None:
                return
            source = Path(answers["source"])
            tools = Path(answers["tools"]) if answers["tools"] else None
        elif rag.sample_scale and not source.is_dir():
            await self._generate(source, rag.sample_scale, rag.sample_seed)
            return
        options = [
            ("", f"Bring the store up to date with {safe(str(source))}"),
            ("--rebuild", "The same, and write ChromaDB anew; known vectors cost nothing"),
        ]
        how = await self.app.push_screen_wait(
            Choice("Build the store?", options, "The old one serves until then.")
        )
        if how is not None:
            named = ["--tools", str(tools)] if tools else []
            arguments = [
                str(source),
                *named,
                *self.store_arguments,
                *self.record(BUILD),
                *([how] if how else []),
            ]
            self.start_job("rag build", arguments, f"web4mlx rag build {source}")

    async def _generate(self, source: Path, scale: str, seed: int) -> None:
        detail = f"{safe(str(source))} is not there. Build the store (b) when it is."
        question = confirm("Generate the sample repository?", "Yes, generate it", detail)
        if await self.app.push_screen_wait(question) == "yes":
            arguments = ["--scale", scale, "--seed", str(seed), "--folder", str(source.parent)]
            self.start_job("rag sample", arguments, f"web4mlx rag sample {source.parent}")

    @work
    async def do_mark(self) -> None:
        """Ask what was trained, and mark it."""
        runs = [run for run in list_runs(self.place.outputs) if (run / "manifest.json").is_file()]
        options = [("", "What meets conditions")]
        options += [(str(run), f"What {safe(run.name)} was trained on") for run in runs]
        run = "" if not runs else await self.app.push_screen_wait(Choice("Mark what as trained?", options))
        if run is None:
            return
        if run:
            arguments = ["--from-training", run, *self.store_arguments, *self.record(MARKS)]
            self.start_job("rag mark", arguments, "web4mlx rag mark")
            return
        answers = await self.app.push_screen_wait(mark_form())
        if answers is not None:
            named = ["--batch", answers["batch"], *(["--date", answers["date"]] if answers["date"] else [])]
            arguments = [*named, *conditions(answers), *self.store_arguments]
            self.start_job("rag mark", arguments, f"web4mlx rag mark {answers['batch']}")

    @work
    async def do_unmark(self) -> None:
        """Ask which marks to take away, and once more."""
        answers = await self.app.push_screen_wait(Form("Take marks away?", condition_fields(), CONDITIONS))
        if answers is None:
            return
        which = " ".join(conditions(answers)) or "all of them"
        question = confirm("Take these marks away?", "Yes, take them away", f"Marks: {safe(which)}")
        if await self.app.push_screen_wait(question) == "yes":
            arguments = ["--unmark", *conditions(answers), *self.store_arguments]
            self.start_job("rag mark", arguments, "web4mlx rag mark --unmark")

    @work
    async def do_filters(self) -> None:
        """Ask for what restricts the questions."""
        now = self.filters
        facts = self.readings.facts if self.readings else None
        agents = facts.agents if facts else ()
        fields = (
            Field("start", "from", now.start, facts.first_day if facts else "YYYY-MM-DD"),
            Field("end", "to", now.end, facts.last_day if facts else "YYYY-MM-DD"),
            Field("agent", "agent", now.agent, "any spelling", agents),
            Field(
                "collections", "collections", ", ".join(now.collections), ", ".join(COLLECTIONS), COLLECTIONS
            ),
            Field("hops", "links", str(now.hops), "how many links to follow from what was found"),
            Field("untrained", "untrained", "yes" if now.untrained else "", "yes: only what is not trained"),
        )
        detail = "[$muted]Empty fields restrict nothing. Days and agents concern PDCAs.[/]"
        answers = await self.app.push_screen_wait(Form("Restrict questions", fields, detail, filter_problem))
        if answers is not None:
            self.use_filters(parse_filters(answers))

    def use_filters(self, filters: Filters) -> None:
        """Restrict questions from now on."""
        raise NotImplementedError


CONDITIONS = "[$muted]Empty fields mean everything. Conditions as KEY=VALUE with spaces between them.[/]"


def source_form() -> Form:
    """Asks for a repository."""
    fields = (
        Field("source", "repository", "", "folder with PDCAs, TypeScript, guides"),
        Field("tools", "tools", "", "folder with tool_core.jsonl and tool_neg.jsonl; may stay empty"),
    )
    return Form("Build the store from what?", fields, "", source_problem, "goes on")


def source_problem(answers: Mapping[str, str]) -> str:
    """What is wrong with a repository."""
    source = answers["source"]
    if not source:
        return "a repository is needed"
    return "" if Path(source).is_dir() else f"{source} is no folder"


def collections_field() -> Field:
    """The field that names collections."""
    return Field("collections", "collections", "", ", ".join(COLLECTIONS), COLLECTIONS)


def condition_fields() -> tuple[Field, ...]:
    """The fields that choose chunks."""
    return (
        collections_field(),
        Field("where", "conditions", "", "is_negative=false chunk_type=pdca_plan"),
    )


def mark_form() -> Form:
    """Asks for a training and what it used."""
    fields = (
        Field("batch", "training", "", "its name, such as batch_001"),
        Field("date", "day", "", "YYYY-MM-DD; empty is today"),
        *condition_fields(),
    )
    return Form("Mark what was trained", fields, CONDITIONS, mark_problem, "marks it")


def mark_problem(answers: Mapping[str, str]) -> str:
    """What is wrong with a marking."""
    if not answers["batch"]:
        return "the training needs a name"
    return day_problem(answers["date"]) or condition_problem(answers)


def condition_problem(answers: Mapping[str, str]) -> str:
    """What is wrong with conditions."""
    unknown = [name for name in names_in(answers["collections"]) if name not in COLLECTIONS]
    if unknown:
        return f"no collection {', '.join(unknown)}"
    loose = [pair for pair in answers["where"].split() if "=" not in pair.strip("=")]
    return f"{loose[0]} is not KEY=VALUE" if loose else ""


def day_problem(day: str) -> str:
    """What is wrong with a day."""
    from web4mlx.rag.retrieve import require_day

    try:
        require_day(day or None)
    except Web4Error as error:
        return f"{error.message}. {error.hint}"
    return ""


def filter_problem(answers: Mapping[str, str]) -> str:
    """What is wrong with filters."""
    unknown = [name for name in names_in(answers["collections"]) if name not in COLLECTIONS]
    if unknown:
        return f"no collection {', '.join(unknown)}"
    if not (answers["hops"] or "0").isdecimal() or int(answers["hops"] or 0) > 20:
        return "links: a number from 0 to 20"
    return day_problem(answers["start"]) or day_problem(answers["end"])


def parse_filters(answers: Mapping[str, str]) -> Filters:
    """The filters of a form."""
    filters = Filters(answers["start"], answers["end"], answers["agent"], names_in(answers["collections"]))
    untrained = answers["untrained"].lower() in ("yes", "y", "true", "1", "x")
    return replace(filters, hops=int(answers["hops"] or 0), untrained=untrained)


def conditions(answers: Mapping[str, str]) -> list[str]:
    """The options of `rag mark` that choose chunks."""
    pairs = [("--collection", name) for name in names_in(answers["collections"])]
    pairs += [("--where", pair) for pair in answers["where"].split()]
    return [part for pair in pairs for part in pair]


def names_in(text: str) -> tuple[str, ...]:
    """The names in a text with commas or spaces between them."""
    return tuple(text.replace(",", " ").split())
