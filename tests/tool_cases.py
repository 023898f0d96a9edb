"""Cases of the tool harness, and tables of calls that are right and wrong for them."""

import json

from evals.cases import Case

PATH = "src/a.ts"


def case_for(tool: str, **arguments: dict[str, str]) -> Case:
    expect = {"tools": [tool], "arguments": arguments}
    return Case(id="x", category="c", phrasing="p", source="s", prompt="Do it.", expect=expect)


READ = case_for("read_file", path={"path": PATH})


GREP = case_for("grep", pattern={"search": "init("}, path={"path": "src"})


EDIT = case_for("edit_file", path={"path": PATH}, old_text={"equal": "a"}, new_text={"equal": "b"})


RUN = case_for("run_terminal_command", command={"command": "npm run x"})


CREATE = case_for("create_file", path={"path": PATH}, content={"contains": "class A"})


CALL = f'{{"name": "read_file", "arguments": {{"path": "{PATH}"}}}}'


EDIT_CALL = f'{{"name": "edit_file", "arguments": {{"path": "{PATH}", "old_text": "a", "new_text": "b"}}}}'


def as_call(name: str, **arguments: object) -> str:
    return json.dumps({"name": name, "arguments": arguments})


GOOD = {
    "bare": (READ, CALL),
    "parameters for arguments": (READ, CALL.replace("arguments", "parameters")),
    "arguments first": (READ, f'{{"arguments": {{"path": "{PATH}"}}, "name": "read_file"}}'),
    "in prose": (READ, f"I read the file first: {CALL} Then we see."),
    "in inline code": (READ, f"Call `{CALL}`."),
    "fenced": (READ, f"```json\n{CALL}\n```"),
    "fenced with carriage returns": (READ, f"```json\r\n{CALL}\r\n```"),
    "spread over lines": (READ, json.dumps(json.loads(CALL), indent=4)),
    "in a list": (READ, f"[{CALL}]"),
    "tagged": (READ, f"<tool_call>\n{CALL}\n</tool_call>"),
    "tagged, open at the end": (READ, f"<tool_call>\n{CALL}"),
    "tagged and fenced": (READ, f"<tool_call>\n```json\n{CALL}\n```\n</tool_call>"),
    "OpenAI function with text": (
        READ,
        json.dumps(
            {"type": "function", "function": {"name": "read_file", "arguments": '{"path": "src/a.ts"}'}}
        ),
    ),
    "OpenAI function with an object": (READ, f'{{"id": "call_1", "function": {CALL}}}'),
    "OpenAI message": (
        READ,
        f'{{"role": "assistant", "content": null, "tool_calls": [{{"function": {CALL}}}]}}',
    ),
    "function_call": (READ, f'{{"function_call": {CALL}}}'),
    "arguments as text": (READ, json.dumps({"name": "read_file", "arguments": '{"path": "src/a.ts"}'})),
    "braces in strings": (
        CREATE,
        as_call("create_file", path=PATH, content='class A { x = "}{" }\n{"name": "grep"}'),
    ),
    "a call inside of a string": (CREATE, as_call("create_file", path=PATH, content="class A " + CALL)),
    "path with ./": (READ, as_call("read_file", path="./src//a.ts")),
    "folder with /": (case_for("list_files", path={"path": "src"}), as_call("list_files", path="src/")),
    "escaped pattern": (GREP, as_call("grep", pattern=r"init\(", path="src")),
    "pattern between word boundaries": (
        case_for("grep", pattern={"search": "HACK"}),
        as_call("grep", pattern=r"\bHACK\b"),
    ),
    "command with more space": (RUN, as_call("run_terminal_command", command=" npm  run x")),
    "other JSON before": (READ, '{"private": true, "scripts": {}} ' + CALL),
    "a package file before": (READ, '{"name": "app", "version": "1.0.0"} ' + CALL),
    "TypeScript before": (READ, "class A { init() { return { name: 'x' }; } }\n" + CALL),
    "open brace before": (READ, "a { b " + CALL),
    "XML": (READ, f"<read_file><path>{PATH}</path></read_file>"),
    "XML over lines": (READ, f"Now:\n<read_file>\n  <path>\n{PATH}\n</path>\n</read_file>\nDone."),
    "XML entities": (
        case_for("grep", pattern={"equal": "a<b&c"}),
        "<grep><pattern>a&lt;b&amp;c</pattern></grep>",
    ),
    "XML with raw text": (
        CREATE,
        f"<create_file><path>{PATH}</path><content>class A {{ }}</content></create_file>",
    ),
    "invoke": (
        READ,
        f'<function_calls><invoke name="read_file"><parameter name="path">{PATH}</parameter></invoke>',
    ),
    "invoke with single quotes": (
        READ,
        f"<invoke name='read_file'>\n<parameter name='path'>{PATH}</parameter>\n</invoke>",
    ),
    "XML in tool_call": (READ, f"<tool_call><read_file><path>{PATH}</path></read_file></tool_call>"),
    "a tag that prose speaks of": (READ, f"I use <read_file> for it: {CALL}"),
    "a look at the file before the edit": (EDIT, f"{CALL}\n{EDIT_CALL}"),
}


BAD = {
    "nothing": (READ, "", "no call"),
    "prose": (READ, "I would read src/a.ts with read_file.", "no call"),
    "only arguments": (READ, '{"path": "src/a.ts"}', "no call"),
    "HTML": (READ, "<p>read_file</p>", "no call"),
    "in an invented wrapper": (READ, f'{{"answer": {CALL}}}', "no call"),
    "trailing comma": (READ, CALL.replace('"}}', '",}}'), "malformed JSON"),
    "single quotes": (READ, CALL.replace('"', "'"), "malformed JSON"),
    "no quotes": (READ, "{name: read_file, arguments: {path: src/a.ts}}", "malformed JSON"),
    "cut off": (READ, CALL[:-2], "malformed JSON"),
    "cut off in a string": (READ, CALL[:-6], "malformed JSON"),
    "key twice": (
        READ,
        '{"name": "read_file", "arguments": {"path": "b", "path": "src/a.ts"}}',
        "malformed JSON",
    ),
    "a comment": (READ, CALL.replace("{", "{ // now\n", 1), "no call"),
    "a line break in a string": (
        CREATE,
        '{"name": "create_file", "arguments": {"path": "src/a.ts", "content": "class A\n"}}',
        "malformed JSON",
    ),
    "NaN": (READ, '{"name": "read_file", "arguments": {"path": NaN}}', "malformed JSON"),
    "broken text of arguments": (READ, '{"name": "read_file", "arguments": "{path}"}', "malformed JSON"),
    "the template echoed": (READ, '{"name": <function-name>, "arguments": {}}', "malformed JSON"),
    "tool_call without JSON": (READ, "<tool_call>read_file</tool_call>", "malformed JSON"),
    "a number of 5000 digits": (
        READ,
        '{"name": "read_file", "arguments": ' + "9" * 5000 + "}",
        "malformed JSON",
    ),
    "a broken and a right call": (READ, CALL.replace('"}}', '",}}') + "\n" + CALL, "malformed JSON"),
    "no arguments": (READ, '{"name": "read_file", "path": "src/a.ts"}', "wrong structure"),
    "tool for name": (READ, CALL.replace('"name"', '"tool"'), "wrong structure"),
    "function as text": (READ, CALL.replace('"name"', '"function"'), "wrong structure"),
    "arguments in a list": (READ, '{"name": "read_file", "arguments": ["src/a.ts"]}', "wrong structure"),
    "a name that is no text": (READ, '{"name": 5, "arguments": {}}', "wrong structure"),
    "tool_calls of texts": (READ, '{"tool_calls": ["read_file"]}', "wrong structure"),
    "XML attributes": (READ, '<read_file path="src/a.ts"/>', "wrong structure"),
    "XML not closed": (READ, "<read_file><path>src/a.ts</path>", "malformed XML"),
    "XML parameter not closed": (READ, "<read_file><path>src/a.ts", "malformed XML"),
    "XML parameter twice": (
        READ,
        "<read_file><path>a</path><path>src/a.ts</path></read_file>",
        "malformed XML",
    ),
    "XML without parameters": (READ, "<read_file>src/a.ts</read_file>", "malformed XML"),
    "an entity is not resolved": (
        READ,
        '<!DOCTYPE x [<!ENTITY p "src/a.ts">]><read_file><path>&p;</path></read_file>',
        "wrong value",
    ),
    "wrong tool": (READ, as_call("grep", pattern="a", path=PATH), "wrong tool"),
    "unknown tool": (READ, as_call("open_file", path=PATH), "unknown tool"),
    "missing parameter": (READ, as_call("read_file"), "missing parameter"),
    "missing where the task names it": (GREP, as_call("grep", pattern="init("), "missing parameter"),
    "unexpected parameter": (READ, as_call("read_file", path=PATH, encoding="utf-8"), "unexpected parameter"),
    "other name of a parameter": (READ, as_call("read_file", filepath=PATH), "missing parameter"),
    "a number": (READ, as_call("read_file", path=5), "wrong type"),
    "null": (READ, as_call("read_file", path=None), "wrong type"),
    "a list": (READ, as_call("read_file", path=[PATH]), "wrong type"),
    "an empty path": (READ, as_call("read_file", path=""), "wrong value"),
    "another file": (READ, as_call("read_file", path="src/b.ts"), "wrong value"),
    "another case": (READ, as_call("read_file", path="src/A.ts"), "wrong value"),
    "an absolute path": (READ, as_call("read_file", path="/src/a.ts"), "wrong value"),
    "a folder invented": (
        case_for("read_file", path={"path": "a.ts"}),
        as_call("read_file", path=PATH),
        "wrong value",
    ),
    "old and new swapped": (EDIT, EDIT_CALL.replace('"a"', '"c"'), "wrong value"),
    "another command": (RUN, as_call("run_terminal_command", command="npm run x && rm -rf ."), "wrong value"),
    "content without what is asked for": (
        CREATE,
        as_call("create_file", path=PATH, content=""),
        "wrong value",
    ),
    "the same call twice": (READ, f"{CALL}\n{CALL}", "more than one call"),
    "several in tool_calls": (READ, f'{{"tool_calls": [{CALL}, {EDIT_CALL}]}}', "more than one call"),
    "an edit after a look at another file": (
        EDIT,
        CALL.replace("a.ts", "b.ts") + EDIT_CALL,
        "more than one call",
    ),
    "lone surrogate": (READ, as_call("read_file", path="\ud800"), "wrong value"),
    "very deep arguments": (
        READ,
        '{"name": "read_file", "arguments": ' + '{"a":' * 500 + "1" + "}" * 501,
        "malformed JSON",
    ),
}
