"""Where a model comes from: its training run by the manifests, that run's settings and training files."""

from pathlib import Path

from evals.run_file import LeakCheck
from web4mlx.artifacts import read_manifest
from web4mlx.config import find_run_config, load_config

DATA = "data:"


def find_training_run(model: Path) -> Path | None:
    """The adapter's folder, followed through the manifests of a GGUF and of the merged model."""
    place = model
    for _ in range(2):
        manifest = read_manifest(place)
        found = manifest and (manifest.inputs.get("adapter") or manifest.inputs.get("merged"))
        if manifest is None or not found:
            return None
        place = Path(found.path)
        if "adapter" in manifest.inputs:
            return place
    return None


def find_settings(config: str, model: str) -> Path:
    """The named configuration, else that of the run which a model was trained in, else the demo's."""
    return find_run_config(config, find_training_run(Path(model)) if model else None)


def require_trained_files(check: LeakCheck, model: str) -> LeakCheck:
    """A leak check that looked at other files than the model was trained on has not looked.

    Args:
        check: What was found in the configured training files.
        model: A GGUF or a model folder; of one without a training run nothing more can be known.
    """
    run = find_training_run(Path(model))
    manifest = read_manifest(run) if run else None
    if check.verdict != "passed" or run is None or manifest is None:
        return check
    data = {name: item.sha256 for name, item in manifest.inputs.items() if name.startswith(DATA)}
    trained = {name.removeprefix(DATA): digest for name, digest in data.items()}
    trained.pop(held_out_name(run), None)
    if check.files == trained:
        return check
    differing = sorted(name for name, _ in trained.items() ^ check.files.items())
    detail = f"{run} was not trained on the files that were looked at: {', '.join(dict.fromkeys(differing))}"
    return check.model_copy(update={"verdict": "errored", "detail": detail})


def held_out_name(run: Path) -> str:
    """The name of a run's held-out file, on which it was not trained; empty without its configuration."""
    file = run / "config.toml"
    return load_config(file).data.eval.name if file.is_file() else ""
