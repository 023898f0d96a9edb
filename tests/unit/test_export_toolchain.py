"""Which llama.cpp is used, and what is refused."""

from pathlib import Path

import pytest

from web4mlx.errors import MissingPrerequisite
from web4mlx.export import toolchain
from web4mlx.export.toolchain import find_toolchain


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "llama.cpp"
    (folder / "gguf-py").mkdir(parents=True)
    (folder / "convert_hf_to_gguf.py").write_text("print('convert')")
    program = folder / "build" / "bin" / "llama-quantize"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("LLAMA_CPP_DIR", str(folder))
    return folder


def test_the_pinned_packages_are_the_default_even_beside_a_checkout(checkout: Path) -> None:
    tools = find_toolchain()
    assert tools.quantizer is None
    assert checkout not in tools.converter.parents
    assert tools.versions["cyllama"] == toolchain.PINNED["cyllama"]
    assert len(tools.versions["converter_sha256"]) == 64


def test_other_package_versions_are_refused_unless_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "installed_version", lambda package: "9.9.9")
    with pytest.raises(MissingPrerequisite, match=r"9\.9\.9 \(pinned"):
        find_toolchain()
    assert find_toolchain(allow_unpinned=True).versions["cyllama"] == "9.9.9"


def test_the_pins_are_those_of_the_project() -> None:
    import tomli

    project = tomli.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    for name, version in toolchain.PINNED.items():
        assert f"{name}=={version}" in project["project"]["dependencies"]


def test_a_checkout_is_used_when_asked_for(checkout: Path) -> None:
    tools = find_toolchain("local")
    assert tools.converter == checkout / "convert_hf_to_gguf.py"
    assert tools.quantizer == checkout / "build" / "bin" / "llama-quantize"
    command = tools.quantize_command(Path("a"), Path("b"), ("Q4_K_M", 15))
    assert command[:4] == [str(tools.quantizer), "a", "b", "Q4_K_M"]


def test_a_checkout_without_quantizer_is_a_mix_refused_unless_allowed(checkout: Path) -> None:
    (checkout / "build" / "bin" / "llama-quantize").unlink()
    with pytest.raises(MissingPrerequisite, match="has no llama-quantize"):
        find_toolchain("local")
    tools = find_toolchain("local", allow_unpinned=True)
    assert tools.converter.parent == checkout
    assert tools.quantizer is None


def test_a_script_that_lost_its_checkout_is_not_used(checkout: Path) -> None:
    (checkout / "gguf-py").rmdir()
    with pytest.raises(MissingPrerequisite, match="convert_hf_to_gguf"):
        find_toolchain("local")


def test_path_is_searched_when_no_checkout_is_named(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("LLAMA_CPP_DIR")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(MissingPrerequisite, match="PATH has no"):
        find_toolchain("local")
    monkeypatch.setenv("PATH", f"{checkout}:{checkout / 'build' / 'bin'}")
    (checkout / "convert_hf_to_gguf.py").chmod(0o755)
    assert find_toolchain("local").quantizer == checkout / "build" / "bin" / "llama-quantize"
