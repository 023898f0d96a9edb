"""Judging what is installed: the interpreter, the packages that numbers depend on, llama.cpp's tools."""

from collections.abc import Iterator
from pathlib import Path

from web4mlx.errors import Web4Error
from web4mlx.machine.doctor.facts import Facts
from web4mlx.machine.doctor.item import Item, from_error, missing, ok, warning

NEEDED = (
    "mlx", "mlx-lm", "transformers", "huggingface-hub", "numpy", "safetensors", "gguf", "xllamacpp", "torch",
)  # fmt: skip


def check_software(facts: Facts) -> Iterator[Item]:
    """Look at everything that was installed."""
    yield ok("Python", facts.python)
    yield check_packages(facts)
    yield check_llama_tools()
    if facts.environment.get("LLAMA_CPP_DIR"):
        yield check_local_tools(Path(facts.environment["LLAMA_CPP_DIR"]))


def check_packages(facts: Facts) -> Item:
    """Packages that are missing, or of another version than this release was tested with."""
    name, versions = "packages", facts.versions
    lost = [package for package in NEEDED if package not in versions]
    if lost:
        return missing(name, f"not installed: {', '.join(lost)}", "Install again: `pip install web4mlx`.")
    other = [
        f"{package} {versions[package]} (pinned: {pin})"
        for package, pin in facts.pinned.items()
        if package in versions and versions[package].split("+")[0] != pin
    ]
    if other:
        fix = "Install the pinned versions again: `pip install web4mlx`."
        return warning(name, f"other than tested: {', '.join(other)}", fix)
    return ok(name, ", ".join(f"{package} {version}" for package, version in versions.items()))


def check_llama_tools() -> Item:
    """The pinned converter and quantizer."""
    from web4mlx.export.toolchain import find_toolchain

    try:
        versions = find_toolchain().versions
    except Web4Error as error:
        return from_error("llama.cpp tools", error)
    parts = (f"{name} {value[:12]}" for name, value in versions.items())
    return ok("llama.cpp tools", ", ".join(parts))


def check_local_tools(folder: Path) -> Item:
    """The user's own build, used only with `--local-llama-cpp`."""
    from web4mlx.export.toolchain import find_toolchain

    name = "LLAMA_CPP_DIR"
    try:
        versions = find_toolchain("local").versions
    except Web4Error as error:
        return warning(name, error.message, "Build llama.cpp there, or `unset LLAMA_CPP_DIR`.")
    return ok(name, f"{folder}, commit {versions['commit'][:12]}; used with `--local-llama-cpp` only")
