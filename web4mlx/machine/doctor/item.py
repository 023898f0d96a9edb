"""One line of the doctor's report: what was looked at, the verdict, and what to do."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from web4mlx.errors import ExitCode, Web4Error

Verdict = Literal["ok", "warning", "problem"]


class Item(BaseModel):
    """One thing that was looked at.

    `fix` is one sentence or command, empty when all is well; `exit_code` is what a command that needs this
    would end with.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    verdict: Verdict
    detail: str
    fix: str = ""
    exit_code: ExitCode = ExitCode.OK


def ok(name: str, detail: str) -> Item:
    """All is well."""
    return Item(name=name, verdict="ok", detail=detail)


def warning(name: str, detail: str, fix: str) -> Item:
    """It works, but not as well as it could."""
    return Item(name=name, verdict="warning", detail=detail, fix=fix)


def missing(name: str, detail: str, fix: str) -> Item:
    """A run would stop: something that must exist first is not there."""
    return Item(name=name, verdict="problem", detail=detail, fix=fix, exit_code=ExitCode.MISSING_PREREQUISITE)


def from_error(name: str, error: Web4Error) -> Item:
    """What a command would stop with."""
    return Item(name=name, verdict="problem", detail=error.message, fix=error.hint, exit_code=error.exit_code)


def amount(size_bytes: float) -> str:
    """A number of bytes for people, in decimal units: `830 B`, `1.7 MB`, `25.3 GB`."""
    for unit in ("B", "KB", "MB"):
        if size_bytes < 1000:
            return f"{size_bytes:.0f} B" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} GB"
