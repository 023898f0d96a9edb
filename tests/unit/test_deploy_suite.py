"""The suite is asked as a process: its decision, its refusals, its crashes."""

import os
from pathlib import Path

import pytest

from tests.cleared_reports import evaluate
from web4mlx.deploy.suite import current_version, rescore
from web4mlx.errors import CheckFailed, MissingPrerequisite, StageCrashed, Web4Error
from web4mlx.modelfile import Modelfile


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A suite in place of the real one; its `__main__` is for the test to write."""
    folder = tmp_path / "fake" / "evals"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "version.py").write_text("def suite_version():\n    return '1.fake'\n")
    monkeypatch.setenv("PYTHONPATH", f"{folder.parent}{os.pathsep}{os.environ['PYTHONPATH']}")
    return folder


def script(package: Path, *lines: str) -> None:
    (package / "__main__.py").write_text("\n".join(["import sys, pathlib", *lines]))


@pytest.mark.parametrize("code", [0, 1])
def test_the_printed_report_counts_cleared_or_blocked(package: Path, tmp_path: Path, code: int) -> None:
    gguf = tmp_path / "m.gguf"
    gguf.write_bytes(b"GGUF")
    report = evaluate(gguf, Modelfile("m.gguf")).final
    (tmp_path / "r.json").write_text(report.model_dump_json())
    script(
        package,
        f"assert sys.argv[1:] == ['score', {str(tmp_path / 'run')!r}, '--json']",
        f"print(pathlib.Path({str(tmp_path / 'r.json')!r}).read_text())",
        f"sys.exit({code})",
    )
    assert rescore(tmp_path / "run") == report


@pytest.mark.parametrize(
    ("lines", "kind", "said"),
    [
        (["print('error: run.json: damaged', file=sys.stderr)", "sys.exit(1)"], CheckFailed, "damaged"),
        (["print('error: no run', file=sys.stderr)", "sys.exit(3)"], MissingPrerequisite, "no run"),
        (["raise RuntimeError('boom')"], CheckFailed, "boom"),
        (["import os", "os.abort()"], StageCrashed, "evals score"),
        (["print('{}')"], StageCrashed, "printed no report"),
        (["print('fine')"], StageCrashed, "printed no report"),
        ([], StageCrashed, "evals score"),
    ],
    ids=["refused", "missing", "traceback", "killed", "no report", "text", "silent"],
)
def test_anything_else_is_no_decision(
    package: Path, tmp_path: Path, lines: list[str], kind: type[Web4Error], said: str
) -> None:
    script(package, *lines)
    with pytest.raises(kind, match=said):
        rescore(tmp_path / "run")


def test_the_version_is_the_installed_suites_not_that_of_the_working_folder(
    package: Path, in_tmp: Path
) -> None:
    (in_tmp / "evals").mkdir()
    (in_tmp / "evals" / "__init__.py").write_text("")
    (in_tmp / "evals" / "version.py").write_text("def suite_version():\n    return '1.planted'\n")
    assert current_version() == "1.fake"
