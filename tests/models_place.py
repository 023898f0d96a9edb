"""A project in which everything was really made: base, samples, adapter, merged model, GGUF and its import.

Its paths are relative to its folder, so that a copy is a project of its own: go there with `chdir`.
"""

import os
import shutil
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp

from tests.cleared_reports import Evaluation, evaluate
from tests.data_files import make_eval_row, make_row, write_rows
from tests.merged_models import fuse_quietly
from tests.micro_models import write_micro_llama
from tests.ollama_double.agent import write_agent, write_agent_modelfile
from tests.screens_pilot import Driver
from tests.training_project import train_here
from web4mlx.artifacts import atomic_write, describe_input, new_manifest, sha256_file, write_manifest
from web4mlx.deploy.importing import record_path
from web4mlx.engines.ollama_server import OllamaServer
from web4mlx.inventory.lineage import Origin

CONFIG = """
name = "tiny"
outputs = "outputs"
modelfile = "Modelfile"
[model]
base = "team/tiny-base"
folder = "models"
[data]
train = ["data/style_core.jsonl", "data/guardrails.jsonl"]
eval = "data/eval.jsonl"
max_seq_length = 1000
expected_counts = {style_core = 8, eval = 3}
[training]
epochs = 1
learning_rate = 0.01
warmup_steps = 1
logging_steps = 1
save_steps = 2
eval_steps = 2
final_loss = [0.0, 100.0]
recompute = "none"
[deploy]
name = "web4-agent:latest"
"""
MERGED, GGUF = "web4_merged_20260101_120000", "web4-agent.gguf"
NAME = "web4-agent:latest"


def write_place(folder: Path) -> Path:
    """Configuration, Modelfile, samples and a downloaded base; nothing was made yet."""
    (folder / "config.toml").write_text(CONFIG)
    write_agent_modelfile(folder / "Modelfile")
    write_rows(folder / "data" / "style_core.jsonl", [make_row(f"style-{n}") for n in range(8)])
    write_rows(folder / "data" / "guardrails.jsonl", [make_row(f"guard-{n}") for n in range(6)])
    write_rows(folder / "data" / "eval.jsonl", [make_eval_row(f"eval-{n}") for n in range(3)])
    base = write_micro_llama(folder / "models" / "tiny-base")
    files = sorted(file for file in base.iterdir())
    manifest = new_manifest(
        "download", outputs={file.name: sha256_file(file) for file in files},
        config={"base": "tiny-base", "source": "hub", "commit": "c" * 40},
        metrics={"file_bytes": {file.name: file.stat().st_size for file in files}},
    )  # fmt: skip
    write_manifest(base, manifest)
    return folder


@lru_cache(maxsize=1)
def _made_once() -> Path:
    folder = write_place(Path(mkdtemp(prefix="models_place_")))
    before = Path.cwd()
    os.chdir(folder)
    try:
        run, _ = train_here(Path("config.toml"))
        merged = Path("outputs") / MERGED
        fuse_quietly(run, Path("models/tiny-base"), merged)
        gguf = write_agent(Path("outputs") / GGUF)
        made_from = {"merged": describe_input(merged)}
        digest = {gguf.name: sha256_file(gguf)}
        write_manifest(
            gguf, new_manifest("export", inputs=made_from, config={"type": "Q4_K_M"}, outputs=digest)
        )
    finally:
        os.chdir(before)
    return folder


def copy_place(folder: Path) -> Path:
    """A copy of the project with everything made, in `folder`, which must not exist."""
    return shutil.copytree(_made_once(), folder)


def run_of(folder: Path) -> Path:
    """The adapter of a project."""
    return next((folder / "outputs").glob("tiny_lora_*"))


def clear_gguf(folder: Path) -> Evaluation:
    """Write reports that clear the project's GGUF, or would if its responses were real."""
    from web4mlx.modelfile import read_modelfile

    return evaluate(folder / "outputs" / GGUF, read_modelfile(folder / "Modelfile"))


def import_by_record(place: Path, digest: str = "d" * 64) -> None:
    """The record that an import of the project's GGUF leaves."""
    gguf = place / "outputs" / GGUF
    record = new_manifest(
        "import", inputs={"gguf": describe_input(gguf)}, outputs={NAME: digest}, config={"server": "here"}
    )
    atomic_write(record_path(gguf), record.model_dump_json())


def flat(origins: tuple[Origin, ...]) -> Iterator[Origin]:
    """Origins and theirs."""
    for origin in origins:
        yield origin
        yield from flat(origin.origins)


def put_tags(server: OllamaServer, gguf: Path, *tags: str) -> None:
    """Put a GGUF into a server under each of the tags."""
    digest = server.client.create_blob(gguf)
    for tag in tags:
        server.client.create(tag, files={gguf.name: digest}, system=f"{tag}.")


async def look_at(driver: Driver, name: str) -> None:
    """Choose a model by its name in the list, with the keys."""
    from tui.screens.models import Models

    pane = driver.app.query_one(Models)
    await driver.until(lambda: any(name in one.id for one in pane.drawn), name)
    await driver.press("home")
    for _ in pane.drawn:
        if name in pane.wanted:
            break
        await driver.press("down")
    await driver.until(lambda: name in pane.wanted, f"{name} chosen")
