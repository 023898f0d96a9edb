"""Executes the right calls of the harness `tool_success` in the sandbox and looks whether the task is done.

Only a call that passed the checker is executed: it does what the task asked for and nothing else. The scratch
project holds what the task speaks of, so that success is an effect: the content came back, the file is there,
the text changed.
"""

from collections.abc import Mapping
from functools import cache

import tomli

from evals.cases import DATA, Case
from evals.checkers.tool_task import Expectation, check_tool_task, chosen_call, tool_schemas
from evals.checkers.toolcalls import Call, find_calls
from evals.sandbox import SandboxResult, require_isolation, run_call
from web4mlx.reports import Figure

PROJECT_FILE = DATA / "tool_project.toml"
MARKER = "marker.txt"


def execute_case(case: Case, text: str) -> dict[str, Figure]:
    """Execute the call of an answer, if it is right, and say whether it did what the task asks for.

    Returns:
        `executed`: whether the effect is there; `execution`: what became of it.

    Raises:
        MissingPrerequisite: This machine cannot lock a call in; nothing was executed.
    """
    require_isolation()
    verdict = check_tool_task(case, text)
    calls, _ = find_calls(text, tool_schemas().keys())
    call = chosen_call(calls, Expectation.model_validate(case.expect))
    if verdict.verdict != "passed" or call is None:
        return {"executed": False, "execution": f"not executed: {'; '.join(verdict.reasons)}"}
    wanted = wanted_values(case)
    result = run_call(call, project_for(call.name, wanted))
    if result.status != "succeeded":
        return {"executed": False, "execution": f"{result.status}: {result.reason}"}
    is_done = has_effect(call, wanted, result)
    return {"executed": is_done, "execution": "succeeded" if is_done else "succeeded without the effect"}


def wanted_values(case: Case) -> dict[str, str]:
    """The values that a task names, by parameter."""
    expected = Expectation.model_validate(case.expect)
    return {name: next(iter(comparison.values())) for name, comparison in expected.arguments.items()}


@cache
def base_project() -> Mapping[str, str]:
    """The files that every task finds."""
    files: dict[str, str] = tomli.loads(PROJECT_FILE.read_text("utf-8"))["files"]
    return files


def project_for(tool: str, wanted: Mapping[str, str]) -> dict[str, str]:
    """The scratch project of a task: the base and what the task speaks of.

    Args:
        tool: The tool that the task needs.
        wanted: The values that the task names, by parameter.
    """
    path = wanted.get("path", ".")
    if tool == "read_file":
        return {**base_project(), path: f"{MARKER} {path}\n"}
    if tool == "edit_file":
        return {**base_project(), path: f"first {wanted['old_text']} last\n"}
    if tool == "grep":
        return {**base_project(), f"{path}/{MARKER}": f"first {wanted['pattern']} last\n"}
    if tool == "list_files":
        return {**base_project(), f"{path}/{MARKER}": ""}
    if tool == "run_terminal_command":
        # files that the command names, as `node scripts/x.js` does
        named = [word for word in wanted["command"].split()[1:] if word.endswith((".js", ".ts"))]
        return {**base_project(), **dict.fromkeys(named, "export {};\n")}
    return dict(base_project())


def has_effect(call: Call, wanted: Mapping[str, str], result: SandboxResult) -> bool:
    """Whether a call that ran through did what its task asks for."""
    path = wanted.get("path", ".")
    if call.name == "read_file":
        return result.output == f"{MARKER} {path}\n"
    if call.name == "edit_file":
        return result.files.get(path) == f"first {wanted['new_text']} last\n"
    if call.name in ("grep", "list_files"):
        return MARKER in result.output
    if call.name == "create_file":
        content: str = call.arguments["content"]
        return result.files.get(path) == content
    return result.exit_code == 0
