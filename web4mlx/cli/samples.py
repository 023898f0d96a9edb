"""What the commands that write samples share: their scales, and how they tell what was written."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from web4mlx.cli.output import note, print_json

if TYPE_CHECKING:
    from web4mlx.data.corpus import Scale


def parse_scale(text: str) -> "Scale":
    """The scale of that name.

    Raises:
        UsageError: There is no such scale.
    """
    from web4mlx.errors import UsageError

    if text == "demo":
        return "demo"
    if text == "full":
        return "full"
    raise UsageError(f"--scale {text}: expected demo or full")


def show_sample(counts: Mapping[str, int], facts: Mapping[str, Any], is_dry_run: bool, as_json: bool) -> None:
    """Print how many of each were written, or all facts as JSON.

    Args:
        counts: By what a person calls it.
        facts: Folder, scale, seed and counts.
        is_dry_run: Whether nothing was written.
        as_json: Whether the facts are printed.
    """
    if is_dry_run:
        note("nothing written (--dry-run)")
    if as_json:
        print_json({**facts, "folder": str(facts["folder"]), "written": not is_dry_run})
    else:
        print("\n".join(f"{count:6d}  {name}" for name, count in counts.items()))
