"""The leak check looks at the files that the evaluated model was trained on, or has not looked."""

from pathlib import Path

import pytest

from evals.lineage import find_settings, find_training_run, require_trained_files
from evals.run_file import LeakCheck
from web4mlx.artifacts import Input, new_manifest, write_manifest

CONFIG = '[data]\ntrain = ["data/a.jsonl", "data/b.jsonl"]\neval = "data/e.jsonl"\n'
TRAINED = {"a.jsonl": "a" * 64, "b.jsonl": "b" * 64}


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    """A GGUF, the merged folder and the training run that it came from, as far as manifests tell."""
    run, merged, gguf = tmp_path / "run", tmp_path / "merged", tmp_path / "m.gguf"
    run.mkdir()
    merged.mkdir()
    gguf.write_bytes(b"weights")
    (run / "config.toml").write_text(CONFIG)
    data = {f"data:{name}": Input(path=name, sha256=sha) for name, sha in TRAINED.items()}
    data["data:e.jsonl"] = Input(path="e.jsonl", sha256="e" * 64)
    write_manifest(run, new_manifest("train", inputs=data | {"base": Input(path="base", sha256="0")}))
    write_manifest(merged, new_manifest("fuse", inputs={"adapter": Input(path=str(run), sha256="0")}))
    write_manifest(gguf, new_manifest("export", inputs={"merged": Input(path=str(merged), sha256="0")}))
    return gguf


def looked_at(files: dict[str, str]) -> LeakCheck:
    return LeakCheck(verdict="passed", files=files)


def test_the_run_of_a_gguf_and_of_a_merged_folder_is_found(gguf: Path, tmp_path: Path) -> None:
    for model in (gguf, tmp_path / "merged"):
        assert find_training_run(model) == tmp_path / "run"
        assert find_settings("", str(model)) == tmp_path / "run" / "config.toml"
    assert find_training_run(tmp_path / "other.gguf") is None
    assert find_settings("", "served-name").name == find_settings("demo", str(gguf)).name == "demo.toml"


def test_the_files_of_the_training_are_accepted(gguf: Path) -> None:
    assert require_trained_files(looked_at(TRAINED), str(gguf)) == looked_at(TRAINED)


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({**TRAINED, "b.jsonl": "c" * 64}, "b.jsonl"),
        ({"a.jsonl": "a" * 64}, "b.jsonl"),
        ({**TRAINED, "demo.jsonl": "d" * 64}, "demo.jsonl"),
    ],
    ids=["changed since", "one left out", "others"],
)
def test_other_files_than_those_of_the_training_are_no_leak_check(
    gguf: Path, files: dict[str, str], named: str
) -> None:
    check = require_trained_files(looked_at(files), str(gguf))
    assert check.verdict == "errored"
    assert check.detail.endswith(f": {named}")


def test_a_found_leak_stays_one_and_without_manifests_nothing_is_compared(gguf: Path, tmp_path: Path) -> None:
    leaked = LeakCheck(verdict="failed", leaks=("h/c ~ a.jsonl:1 (1.00)",))
    assert require_trained_files(leaked, str(gguf)) == leaked
    other = looked_at({"x.jsonl": "f" * 64})
    assert require_trained_files(other, str(tmp_path / "other.gguf")) == other
