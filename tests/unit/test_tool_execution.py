"""Tools in the sandbox: they do what they are for and refuse what leads out of the project."""

import json

import pytest

from evals.checkers.toolcalls import Call
from evals.harnesses.tool_success import HARNESS
from evals.sandbox import SandboxLimits, run_call
from evals.sandbox_isolation import HOME, PROJECT
from evals.tool_execution import execute_case
from tests.sandboxes import isolated_only, run, use
from web4mlx.errors import UsageError


@isolated_only
@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../../etc/passwd", f"{HOME}/x", f"{PROJECT}x"])
@pytest.mark.parametrize("tool", ["read_file", "list_files", "create_file", "edit_file", "grep"])
def test_paths_that_leave_the_project_are_refused(tool: str, path: str) -> None:
    arguments = {"path": path, "content": "x", "old_text": "r", "new_text": "x", "pattern": "root"}
    names = {"create_file": ("path", "content"), "edit_file": ("path", "old_text", "new_text")}
    used = names.get(tool, ("path", "pattern") if tool == "grep" else ("path",))
    result = run_call(Call(tool, {name: arguments[name] for name in used}, "json"), {})
    assert result.status == "refused"
    assert result.output == ""


@isolated_only
def test_symbolic_links_do_not_lead_out() -> None:
    result = run("ln -s /etc/passwd link; ln -s /etc folder; ls")
    assert result.output.split() == ["folder", "link"]
    assert dict(result.files) == {}


@isolated_only
def test_the_tools_do_what_they_are_for() -> None:
    files = {"src/a.ts": "let init(x)\nlast\n", "src/b.ts": "none\n"}
    assert use("read_file", files, path="./src/a.ts").output == files["src/a.ts"]
    assert use("list_files", files, path="src").output == "a.ts\nb.ts"
    assert use("grep", files, pattern="init(", path="src").output == "src/a.ts:1:let init(x)"
    assert use("grep", files, pattern="^la.t$").output == "src/a.ts:2:last"
    assert use("create_file", files, path="new/c.ts", content="x\n").files["new/c.ts"] == "x\n"
    assert (
        use("edit_file", files, path="src/b.ts", old_text="none", new_text="one").files["src/b.ts"] == "one\n"
    )


@isolated_only
@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("read_file", {"path": "missing"}),
        ("read_file", {"path": "a\0b"}),
        ("list_files", {"path": "a.ts"}),
        ("grep", {"pattern": "x", "path": "missing"}),
        ("create_file", {"path": "a.ts", "content": ""}),
        ("create_file", {"path": "b.ts", "content": "\ud800"}),
        ("edit_file", {"path": "a.ts", "old_text": "missing", "new_text": ""}),
        ("run_terminal_command", {"command": "no-such-program"}),
        ("run_terminal_command", {"command": "echo a\0b"}),
    ],
)
def test_calls_that_cannot_work_fail(tool: str, arguments: dict[str, str]) -> None:
    assert use(tool, {"a.ts": "text"}, **arguments).status == "failed"


@isolated_only
def test_an_expression_that_never_ends_is_stopped() -> None:
    call = Call("grep", {"pattern": "(a+)+$"}, "json")
    result = run_call(call, {"a": "a" * 60 + "b"}, SandboxLimits(cpu_s=1, wall_s=30))
    assert result.status == "killed"
    assert result.wall_s < 29


def test_an_invalid_call_is_never_executed() -> None:
    with pytest.raises(UsageError, match="missing parameter: path"):
        use("read_file")
    with pytest.raises(UsageError, match="unknown tool"):
        use("delete_everything", path="/")


@isolated_only
def test_right_answers_have_their_effect_and_wrong_ones_are_not_executed() -> None:
    seen: set[str] = set()
    for case in HARNESS.cases():
        tool = case.expect["tools"][0]
        if tool in seen:
            continue
        seen.add(tool)
        wanted = {name: next(iter(item.values())) for name, item in case.expect["arguments"].items()}
        content = {"content": "export {};\n"} if tool == "create_file" else {}
        answer = json.dumps({"name": tool, "arguments": wanted | content})
        assert execute_case(case, answer) == {"executed": True, "execution": "succeeded"}
        assert execute_case(case, "I did it.") == {"executed": False, "execution": "not executed: no call"}
    assert len(seen) == 6


@isolated_only
@pytest.mark.parametrize(
    ("command", "is_done"),
    [("npm run x", True), ("npm instal", False), ("npx vitest run", True), ("npx vittest", False)]
    + [("git pull", True), ("git frobnicate", False), ("make test", True), ("make nothing", False)],
)
def test_stand_ins_refuse_what_the_real_programs_refuse(command: str, is_done: bool) -> None:
    expect = {"tools": ["run_terminal_command"], "arguments": {"command": {"command": command}}}
    case = HARNESS.cases()[0].model_copy(update={"expect": expect})
    answer = json.dumps({"name": "run_terminal_command", "arguments": {"command": command}})
    assert execute_case(case, answer)["executed"] is is_done
