"""Errors: each kind has its exit code, and problems are all in the message."""

import pytest

from web4mlx.errors import (
    CheckFailed,
    ExitCode,
    MissingPrerequisite,
    Problems,
    StageCrashed,
    UsageError,
    Web4Error,
    error_for,
)


def test_the_exit_codes_are_the_documented_ones() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "OK": 0, "CHECK_FAILED": 1, "USAGE": 2, "MISSING_PREREQUISITE": 3, "STAGE_CRASHED": 4,
        "INTERRUPTED": 130,
    }  # fmt: skip


@pytest.mark.parametrize("kind", [CheckFailed, UsageError, MissingPrerequisite, StageCrashed])
def test_an_error_can_be_told_by_its_exit_code_to_another_process(kind: type[Web4Error]) -> None:
    error = error_for(kind.exit_code, "message", "hint")
    assert (type(error), error.message, error.hint) == (kind, "message", "hint")


@pytest.mark.parametrize("code", [-9, 0, 77, 130])
def test_any_other_exit_code_is_a_crash(code: int) -> None:
    assert type(error_for(code, "message")) is StageCrashed


def test_problems_are_counted_and_listed() -> None:
    assert Problems("run.toml", ["a", "b"]).message == "run.toml: 2 problems\n  - a\n  - b"
    assert Problems("run.toml", ["a"]).message == "run.toml: 1 problem\n  - a"
