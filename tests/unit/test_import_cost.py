"""What starting the program loads. Modules are counted: time depends on who else uses the machine."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    "mlx", "mlx_lm", "torch", "transformers", "tokenizers", "chromadb", "textual", "numpy", "huggingface_hub",
    "datasketch", "detect_secrets", "sentence_transformers", "gguf", "xllamacpp", "cyllama", "plotext",
    "psutil", "tensorboardX", "safetensors",
}  # fmt: skip
EMPTY_APP = """
import typer
app = typer.Typer(help="An app.", add_completion=False)
@app.callback()
def options(): "Options."
@app.command()
def command(): "A command."
app()
"""
OURS = "from web4mlx.cli.main import main; main()"
REPORT = """
import atexit, sys
sys.argv = ["web4mlx", *{arguments!r}]
atexit.register(lambda: print("\\n".join(sys.modules), file=sys.stderr))
"""


def loaded_modules(code: str, *arguments: str) -> set[str]:
    """The modules a program has loaded when it ends."""
    program = REPORT.format(arguments=arguments) + code
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    return set(done.stderr.split("\n"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("doctor", "--help"),
        ("train", "-h"),
        ("data", "check", "-h"),
        ("rag", "build", "-h"),
    ],
    ids=" ".join,
)
def test_help_loads_nothing_heavy(arguments: tuple[str, ...]) -> None:
    roots = {name.split(".")[0] for name in loaded_modules(OURS, *arguments)}
    assert roots & HEAVY == set()
    assert "web4mlx" in roots


def test_help_loads_at_most_half_again_as_much_as_an_empty_app() -> None:
    ours, empty = loaded_modules(OURS, "--help"), loaded_modules(EMPTY_APP, "--help")
    own = {name for name in ours if name.startswith("web4mlx")}
    assert len(ours) <= 1.5 * len(empty), sorted(ours - empty - own)


def test_web4mlx_never_loads_evals_or_tui() -> None:
    code = "import pkgutil, web4mlx, importlib\n" + (
        "for module in pkgutil.walk_packages(web4mlx.__path__, 'web4mlx.'):\n"
        "    if module.name != 'web4mlx.__main__': importlib.import_module(module.name)\n"
        "print('done')"
    )
    roots = {name.split(".")[0] for name in loaded_modules(code)}
    assert roots & {"evals", "tui", "chromadb", "textual"} == set()


def test_the_packages_depend_in_one_direction() -> None:
    program = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("NOT TESTED HERE: import-linter is not installed")
    repository = Path(__file__).parents[2]
    done = subprocess.run(
        [program, "--no-cache"], cwd=repository, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert " 0 broken" in done.stdout
