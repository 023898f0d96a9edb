"""Reading a configuration: TOML or JSON, all problems at once, with a did-you-mean for unknown keys.

Paths in a configuration are relative to the current directory, as on a command line. Values of the
environment do not enter; typed command-line options are applied by `overrides`.
"""

import difflib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import tomli
from pydantic import BaseModel, ValidationError

from web4mlx.artifacts import atomic_write
from web4mlx.config.legacy import is_plan_form, translate_plan_form
from web4mlx.config.schema import RunConfig
from web4mlx.errors import MissingPrerequisite, Problems, UsageError
from web4mlx.textfile import read_text

NO_RUNS = {"rag"}  # shipped files that configure something else than a run
HINT = "Correct the file; configs/demo.toml and configs/balanced_training.toml explain every key."


def find_config(name: str) -> Path:
    """The file of a configuration given by path or by the name of one that ships with the package.

    Raises:
        MissingPrerequisite: Neither a file nor a shipped configuration.
    """
    given = Path(name)
    shipped = shipped_configs()
    candidates = [given]
    if given.parent in (Path(), Path("configs")) and given.suffix != ".json":
        candidates += [folder / f"{given.name.removesuffix('.toml')}.toml" for folder in shipped]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    known = sorted({file.stem for folder in shipped for file in folder.glob("*.toml")} - NO_RUNS)
    raise MissingPrerequisite(f"no configuration {name!r}", f"Give a file, or one of: {', '.join(known)}.")


def find_run_config(name: str, run: Path | None) -> Path:
    """The named configuration, or without a name that of a run folder, or the demo's.

    Args:
        name: What the user gave with --config; may be empty.
        run: A run folder that may hold the `config.toml` it was made with.
    """
    if not name and run is not None and (run / "config.toml").is_file():
        return run / "config.toml"
    return find_config(name or "demo")


def shipped_configs() -> list[Path]:
    """Folders with the configurations that ship: of the installed package, or of the checkout."""
    package = Path(__file__).resolve().parent.parent
    return [folder for folder in (package / "configs", package.parent / "configs") if folder.is_dir()]


def load_config(path: Path, overrides: Mapping[str, Any] | None = None) -> RunConfig:
    """Read and validate a configuration.

    Args:
        path: A `.toml` file, or a `.json` file of the same keys or of the plan's older form.
        overrides: Dotted keys and values that win over the file, e.g. `{"training.epochs": 1}`.

    Raises:
        MissingPrerequisite: The file does not exist.
        UsageError: The file cannot be parsed; names line and column.
        Problems: It is not a valid configuration; lists every problem.
    """
    raw = read_raw(path)
    unread: list[str] = []
    if is_plan_form(raw):
        raw, unread = translate_plan_form(raw)
    for dotted, value in (overrides or {}).items():
        put(raw, dotted, value)
    try:
        config = RunConfig.model_validate(raw)
    except ValidationError as error:
        raise Problems(str(path), [*unread, *describe(error)], HINT) from error
    if unread:
        raise Problems(str(path), unread, HINT)
    return with_shipped_modelfile(config, path)


def with_shipped_modelfile(config: RunConfig, path: Path) -> RunConfig:
    """A shipped configuration used outside a checkout takes the Modelfile that ships beside it."""
    beside = path.parent / config.modelfile.name
    if config.modelfile.is_file() or path.parent not in shipped_configs() or not beside.is_file():
        return config
    return config.model_copy(update={"modelfile": beside})


def put(tables: dict[str, Any], dotted: str, value: Any) -> None:
    """Set a dotted key, making tables on the way; a value that stands in the way stays to be reported."""
    *parents, leaf = dotted.split(".")
    table: Any = tables
    for parent in parents:
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            return
    table[leaf] = value


def read_raw(path: Path) -> dict[str, Any]:
    """Parse a TOML or JSON file into plain tables."""
    text = read_text(path, f"{path}: no such configuration file")
    try:
        raw = json.loads(text) if path.suffix == ".json" else tomli.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(f"{path}:{error.lineno}:{error.colno}: not valid JSON: {error.msg}") from error
    except tomli.TOMLDecodeError as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from error
    except RecursionError as error:
        raise UsageError(f"{path}: nested too deeply for a configuration") from error
    if not isinstance(raw, dict):
        raise UsageError(f"{path}: expected a table of settings, found {type(raw).__name__}")
    return raw


def describe(error: ValidationError, model: type[BaseModel] = RunConfig) -> Iterator[str]:
    """One line a problem: dotted key, value, what was expected, and the nearest known key of the model."""
    for item in error.errors():
        location = [str(part) for part in item["loc"]]
        key = ".".join(location) or "configuration"
        if item["type"] == "extra_forbidden":
            known = known_keys(location[:-1], model)
            near = difflib.get_close_matches(location[-1], known, n=1)
            advice = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
            yield f"{key} = {item['input']!r}: unknown key; {advice}"
        elif item["type"] == "missing":
            yield f"{key}: required, but missing"
        else:
            message = item["msg"].removeprefix("Value error, ")
            value = "" if isinstance(item["input"], Mapping) else f" = {item['input']!r}"
            yield f"{key}{value}: {message[0].lower()}{message[1:]}"


def known_keys(location: list[str], model: type[BaseModel] = RunConfig) -> list[str]:
    """Names of the keys of the table at a dotted location of a model."""
    for part in location:
        field = model.model_fields.get(part)
        annotation = field.annotation if field else None
        options = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
        models = [option for option in options if isinstance(option, type) and issubclass(option, BaseModel)]
        if not models:
            return []
        model = models[0]
    return sorted(model.model_fields)


def check_paths(config: RunConfig, path: Path, *, need_data: bool = True) -> None:
    """Check that files the run needs exist and that its outputs folder is writable.

    Raises:
        Problems: Lists each path that is missing or cannot be written.
    """
    problems = []
    if not config.modelfile.is_file():
        problems.append(f"modelfile = '{config.modelfile}': no such file")
    if need_data:
        files = [("data.train", file) for file in config.data.train] + [("data.eval", config.data.eval)]
        files += [("data.selection", config.data.selection)] if config.data.selection else []
        problems += [f"{key} = '{file}': no such file" for key, file in files if not file.is_file()]
    problems += [
        f"{key} = '{folder}': {reason}"
        for key, folder in (("outputs", config.outputs), ("model.folder", config.model.folder))
        if (reason := why_not_writable(folder))
    ]
    if problems:
        raise Problems(str(path), problems, "Create the files or correct the paths (relative to here).")


def why_not_writable(folder: Path) -> str:
    """Why a folder cannot be written or created; empty when it can."""
    nearest = folder.absolute()
    while not nearest.exists():
        nearest = nearest.parent
    if not nearest.is_dir():
        return f"{nearest} is not a folder"
    if not os.access(nearest, os.W_OK | os.X_OK):
        return "not writable"
    if os.statvfs(nearest).f_flag & os.ST_RDONLY:
        return "on a read-only file system"
    return ""


def write_config(config: RunConfig, path: Path) -> None:
    """Save the effective configuration as TOML that `load_config` reads back to an equal one."""
    atomic_write(path, "\n".join(toml_lines(config.model_dump(mode="json", exclude_none=True))) + "\n")


def toml_lines(table: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """TOML of a table: plain values first, then sub-tables."""
    for key, value in table.items():
        if not isinstance(value, Mapping):
            yield f"{toml_key(key)} = {toml_value(value)}"
    for key, value in table.items():
        if isinstance(value, Mapping):
            name = f"{prefix}{toml_key(key)}"
            yield f"\n[{name}]"
            yield from toml_lines(value, f"{name}.")


def toml_value(value: Any) -> str:
    """A string, number or list as TOML: its JSON form, but that the delete character must be escaped too."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_key(key: str) -> str:
    """A bare key where TOML allows it, else a quoted one."""
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else toml_value(key)
