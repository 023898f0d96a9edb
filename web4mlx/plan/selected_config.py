"""Writing a selection down: a configuration that trains it, and the ids beside it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from web4mlx.config import RunConfig, write_config
from web4mlx.data.selection import write_selection
from web4mlx.errors import UsageError
from web4mlx.plan.select import Selection


@dataclass(frozen=True)
class SelectedConfig:
    """Where a selected configuration stands."""

    config: Path
    ids: Path


def write_selected_config(
    config: RunConfig, file: Path, selection: Selection, out: Path, hours: float | None = None
) -> SelectedConfig:
    """Write a configuration that trains the selected samples only, and the file of their ids.

    The ids are written first, so a configuration never names a file that is not there.

    Args:
        config: The effective configuration; everything but `data.selection` is kept.
        file: Where it came from; never overwritten.
        selection: The chosen samples.
        out: `OUT` or `OUT.toml`; the ids go to `OUT.ids`. Relative to the current directory, as all paths
            in a configuration are.
        hours: The time the selection was made for, noted in the ids file.

    Raises:
        UsageError: `out` is `file`, or an id cannot be written.
        StageCrashed: The folder cannot be written.
    """
    name = out.name.removesuffix(".toml")
    written = SelectedConfig(out.with_name(f"{name}.toml"), out.with_name(f"{name}.ids"))
    if written.config.resolve() == file.resolve():
        raise UsageError(
            f"{written.config}: would overwrite the configuration it is made from", "Choose another name."
        )
    write_selection(written.ids, selection.sample_ids, head_lines(file, selection, hours))
    data = config.data.model_copy(update={"selection": written.ids})
    write_config(config.model_copy(update={"data": data}), written.config)
    return written


def head_lines(file: Path, selection: Selection, hours: float | None) -> list[str]:
    """How a selection was made."""
    goal = "" if hours is None else f"for {hours:g} hours of training, "
    count = len(selection.sample_ids)
    lines = [
        f"Made {goal}from {file} on {datetime.now(UTC):%Y-%m-%d} with seed {selection.seed}.",
        f"{count:,} of {selection.available:,} samples, {selection.tokens:,} tokens an epoch.",
    ]
    lines += [
        f"  {one.file}: {one.chosen:,} of {one.available:,} samples, {one.tokens:,} tokens ({one.share:.1%})"
        for one in selection.files
    ]
    return lines
