"""Real stores for the dashboard's tests: a small source, the real embedder, a real check."""

from pathlib import Path
from typing import Any

from tests.dashboards import place_in
from tests.rag_sources import RULES, write_files, write_tools
from tui.place import Place
from web4mlx.events import EventLog
from web4mlx.rag.build import BuildRequest, build_store
from web4mlx.rag.check import check_store
from web4mlx.rag.embedder_source import open_embedder
from web4mlx.rag.settings import EmbedderSettings, load_settings
from web4mlx.rag.store import open_store

SETTINGS = """\
[source]
process_docs = ["*/docs/*.md"]
[check]
samples = 5
queries = 5
[check.budget]
semantic_ms = 1e6
graph_ms = 1e6
temporal_ms = 1e6
hybrid_ms = 1e6
[expect.team.pdca_historical]
documents = 3
[expect.team.components]
documents = {components}
"""
REPORTS = {"passed": 1, "failed": 9}


def write_store(folder: Path) -> Path:
    """Build a store in FOLDER/rag, with a check that passes and one that does not beside it."""
    embedder = open_embedder(EmbedderSettings())
    source = write_files(folder / "repo")
    log = EventLog(None, "test", "rag")
    build_store(BuildRequest(source, folder / "rag", write_tools(folder / "tools")), RULES, embedder, log)
    for name, components in REPORTS.items():
        settings = folder / f"{name}.toml"
        settings.write_text(SETTINGS.format(components=components), "utf-8")
        with open_store(folder / "rag", embedder) as store:
            report = check_store(store, load_settings(settings), log)
        assert report.passed == (name == "passed"), report
        (folder / f"{name}.json").write_text(report.model_dump_json(), "utf-8")
    return folder


def store_place(folder: Path, made: Path, **rag: Any) -> Place:
    """A place in a folder that uses a store which was made before."""
    place = place_in(folder)
    options = {"settings": str(made / "passed.toml"), "db": made / "rag", "source": made / "repo",
               "tools": made / "tools", **rag}  # fmt: skip
    settings = place.settings.model_copy(update={"rag": place.settings.rag.model_copy(update=options)})
    return Place("demo", settings, place.outputs)
