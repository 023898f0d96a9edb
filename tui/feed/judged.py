"""What reports say no to: a stage that has made its report is not thereby passed."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

LIMIT_BYTES = 4 << 20


def refusal(report: Path) -> str:
    """Why a report of evaluation, store check or smoke tests says no; empty when it does not."""
    try:
        stat = report.stat()
    except OSError:
        return ""
    return _read(report, stat.st_mtime_ns, stat.st_size) if stat.st_size <= LIMIT_BYTES else ""


@lru_cache(maxsize=16)
def _read(report: Path, changed_ns: int, size: int) -> str:
    """The same for one version of the file, so that it is read once."""
    try:
        content = json.loads(report.read_bytes())
    except (OSError, ValueError):
        return f"{report.name} cannot be read"
    return _refusal_of(content) if isinstance(content, dict) else f"{report.name} is no report"


def _refusal_of(content: dict[str, Any]) -> str:
    if content.get("cleared") is False:
        reasons = content.get("reasons") or [content.get("decision") or "not cleared"]
        return "; ".join(map(str, reasons))
    if content.get("verdict") in ("failed", "errored", "inconclusive"):
        failed = [one.get("name", "?") for one in content.get("tests", ()) if one.get("verdict") != "passed"]
        return f"{content['verdict']}: {', '.join(map(str, failed))}".removesuffix(": ")
    findings = [one for one in content.get("findings", ()) if isinstance(one, dict)]
    failed = [str(one.get("name")) for one in findings if one.get("verdict") in ("failed", "errored")]
    return f"failed: {', '.join(failed)}" if failed else ""
