"""The evaluation suite, asked as a process: this package does not import it."""

import subprocess
import sys
from pathlib import Path

from pydantic import ValidationError

from web4mlx.deploy.clearance import Suite
from web4mlx.errors import StageCrashed, error_for
from web4mlx.reports import FinalReport

RESCORE_LIMIT_S = 900.0
VERSION = "from evals.version import suite_version; print(suite_version())"


def installed_suite() -> Suite:
    """The suite of this installation."""
    return Suite(rescore=rescore, version=current_version)


def rescore(run: Path) -> FinalReport:
    """Score the stored responses of a run again, without a model.

    Raises:
        Web4Error: It cannot be done; with the suite's own words and exit code.
        StageCrashed: The suite says something that is no report.
    """
    out = ask_suite("-m", "evals", "score", str(run), "--json")
    try:
        return FinalReport.model_validate_json(out)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the output"
        raise StageCrashed(
            f"`evals score {run} --json` printed no report: {place}: {first['msg']}"
        ) from error


def current_version() -> str:
    """The version of the suite as it stands.

    Raises:
        Web4Error: It cannot be asked.
    """
    return ask_suite("-c", VERSION).strip()


def ask_suite(*arguments: str) -> str:
    """Run Python on the suite and return what it prints; a blocked decision (exit 1) is an answer too."""
    command = [sys.executable, "-P", *arguments]  # what stands in the working folder is not the suite
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=RESCORE_LIMIT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise StageCrashed(f"`{' '.join(arguments)}` took more than {RESCORE_LIMIT_S:.0f} s") from error
    is_decision = done.returncode in (0, 1) and bool(done.stdout.strip())
    if not is_decision:
        lines = done.stderr.strip().splitlines()
        said = next((line for line in lines if line.startswith("error: ")), lines[-1] if lines else "nothing")
        raise error_for(done.returncode, f"`{' '.join(arguments)}`: {said.removeprefix('error: ')}")
    return done.stdout
