"""A folder with all that `evals` needs, a scripted model in it, and the commands run in this process."""

import json
from pathlib import Path

from evals.cli.main import app, load_commands
from tests.micro_gguf import alphabet, write_micro_gguf
from web4mlx.cli.main import run_program

CONFIG = (
    'outputs = "outputs"\nmodelfile = "Modelfile"\n[data]\ntrain = ["data/a.jsonl"]\neval = "data/e.jsonl"\n'
)
METADATA = {"task_type": "t", "sample_id": "s"}
SAMPLE = {"instruction": "Count to ten.", "input": "", "output": "1", "metadata": METADATA}


def fill(folder: Path) -> Path:
    """Write the configuration, the data, the Modelfile and a model that answers `abcdef`."""
    write_micro_gguf(folder / "model.gguf", alphabet())
    write_modelfile(folder, tokens=6)
    (folder / "config.toml").write_text(CONFIG)
    (folder / "data").mkdir()
    for name in ("a.jsonl", "e.jsonl"):
        (folder / "data" / name).write_text(json.dumps(SAMPLE) + "\n")
    return folder


def write_modelfile(folder: Path, tokens: int) -> None:
    (folder / "Modelfile").write_text(
        f"FROM ./model.gguf\nSYSTEM Spell.\nPARAMETER temperature 0\nPARAMETER num_ctx 512\n"
        f"PARAMETER num_predict {tokens}\n"
    )


def evals(*arguments: str) -> int:
    """Run `evals …` in this process; returns the exit code."""
    load_commands()
    try:
        run_program(lambda: app([*arguments]))
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def run(*arguments: str) -> int:
    return evals("run", "--model", "model.gguf", "-c", "config.toml", *arguments)


def runs(folder: Path) -> list[Path]:
    return sorted((folder / "outputs" / "evals").glob("run_*"))


def lines(folder: Path) -> list[str]:
    return (folder / "responses.jsonl").read_text("utf-8").splitlines()
