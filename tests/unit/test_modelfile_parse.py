"""The Modelfile's grammar, Ollama's error texts, and where we are stricter."""

from pathlib import Path

import pytest

from web4mlx.errors import MissingPrerequisite, Problems, UsageError
from web4mlx.modelfile import (
    Modelfile,
    advise,
    check_modelfile,
    parse_modelfile,
    read_modelfile,
    resolve_from,
    sampling_options,
)
from web4mlx.modelfile.model import ChatMessage

COMMAND = (
    'command must be one of "from", "license", "template", "system", "adapter", "draft", '
    '"renderer", "parser", "parameter", "message", or "requires"'
)
ROLE = 'message role must be one of "system", "user", or "assistant"'
REFUSED_BY_OLLAMA = {
    "nothing": ("", "no FROM line"),
    "comments only": ("# FROM x\n", "no FROM line"),
    "no from": ("SYSTEM hi", "no FROM line"),
    "bare command at the end": ("FROM", "unexpected EOF"),
    "bare command on a line": ("FROM\n", f"(line 2): {COMMAND}"),
    "unknown command": ("FROM x\nFORM y\n", f"(line 2): {COMMAND}"),
    "newline twice per line": ("FROM x\r\nFORM y\r\n", f"(line 3): {COMMAND}"),
    "command with a digit": ("FROM x\nSYSTEM2 y\n", f"(line 2): {COMMAND}"),
    "command after a digit": ("FROM x\n2SYSTEM y\n", f"(line 2): {COMMAND}"),
    "open quote": ('FROM x\nSYSTEM "a', "unexpected EOF"),
    "open triple quote": ('FROM x\nSYSTEM """a"', "unexpected EOF"),
    "text after a closing quote": ('FROM x\nSYSTEM """a""" b\n', "unexpected EOF"),
    "inline comment": ("FROM x\nPARAMETER temperature 0.7 # hot", "invalid float value [0.7 # hot]"),
    "double space": ("FROM x\nPARAMETER  top_k 40", "unknown parameter ''"),
    "case of a parameter": ("FROM x\nPARAMETER Temperature 1", "unknown parameter 'Temperature'"),
    "dash in a parameter": ("FROM x\nPARAMETER top-k 40", "unexpected EOF: top"),
    "parameter without value": ("FROM x\nPARAMETER top_k\n", "unexpected EOF: top_k"),
    "parameter at the end": ("FROM x\nPARAMETER top_k", "unexpected EOF"),
    "int": ("FROM x\nPARAMETER top_k 4.5", "invalid int value [4.5]"),
    "int too long": ("FROM x\nPARAMETER seed 9223372036854775808", "invalid int value [9223372036854775808]"),
    "int with underscore": ("FROM x\nPARAMETER num_ctx 4_096", "invalid int value [4_096]"),
    "float": ("FROM x\nPARAMETER top_p high", "invalid float value [high]"),
    "bool": ("FROM x\nPARAMETER use_mmap yes", "invalid bool value [yes]"),
    "gone parameters": ("FROM x\nPARAMETER tfs_z 1", "unknown parameter 'tfs_z'"),
    "role": ("FROM x\nMESSAGE robot hi", f"(line 2): {ROLE}"),
    "case of a role": ("FROM x\nMESSAGE User hi", f"(line 2): {ROLE}"),
    "role without text": ("FROM x\nMESSAGE user\n", "unexpected EOF: user"),
    "requires": ("FROM x\nREQUIRES new", "requires must be a valid semver (e.g. 0.14.0)"),
    "requires with zero": ("FROM x\nREQUIRES 0.04.1", "requires must be a valid semver (e.g. 0.14.0)"),
}
REFUSED_BY_US = {
    "command as a parameter": ("FROM x\nPARAMETER system hi", "'system' is a command"),
    "model as a parameter": ("FROM x\nPARAMETER model y", "'model' is a command"),
    "dropped character": ("FROM x\nSYSTEM a\u200db", "U+200D ZERO WIDTH JOINER"),
    "no-break space": ("FROM x\nSYSTEM a\u00a0b", "U+00A0 NO-BREAK SPACE"),
    "control character": ("FROM x\nSYSTEM a\x07b", "U+0007"),
    "empty from": ("FROM \n", "FROM names nothing"),
    "empty stop": ('FROM x\nPARAMETER stop ""', "an empty stop"),
    "no number": ("FROM x\nPARAMETER top_p nan", "invalid float value [nan]"),
}
ACCEPTED = {
    "plain": ("FROM x", Modelfile("x")),
    "any case, anywhere": ("system hi\n  From  x \n", Modelfile("x", system="hi")),
    "tab": ("FROM\tx", Modelfile("x")),
    "byte order mark": ("\ufeffFROM x", Modelfile("x")),
    "carriage returns": ("FROM x\rSYSTEM hi\r", Modelfile("x", system="hi")),
    "comment lines": ("# a\n\n \t# b\nFROM x", Modelfile("x")),
    "hash is text in a value": ("FROM x\nSYSTEM hi # there", Modelfile("x", system="hi # there")),
    "single quotes are text": ("FROM x\nSYSTEM 'hi'", Modelfile("x", system="'hi'")),
    "quoted": ('FROM "x"\nSYSTEM "  hi "', Modelfile("x", system="  hi ")),
    "no escapes": ('FROM x\nSYSTEM "a\\n"', Modelfile("x", system="a\\n")),
    "quote over lines": ('FROM x\nSYSTEM "a\nb"\n', Modelfile("x", system="a\nb")),
    "quotes inside": ('FROM x\nSYSTEM """a "b"\n"c" """\n', Modelfile("x", system='a "b"\n"c" ')),
    "text after triple quotes stays inside": (
        'FROM x\nSYSTEM """a""" b\nc"""\n',
        Modelfile("x", system='a""" b\nc'),
    ),
    "command inside a quote": ('FROM x\nSYSTEM "a\nFROM y"', Modelfile("x", system="a\nFROM y")),
    "last wins": ("FROM x\nSYSTEM a\nSYSTEM b", Modelfile("x", system="b")),
    "from repeats": ("FROM x\nFROM y", Modelfile("x", also_from=("y",))),
    "stops add up": (
        'FROM x\nPARAMETER stop "<|im_end|>"\nPARAMETER stop b\nPARAMETER stop "\n"',
        Modelfile("x", parameters={"stop": ("<|im_end|>", "b", "\n")}),
    ),
    "types": (
        "FROM x\nPARAMETER num_ctx 4096\nPARAMETER top_p .9\nPARAMETER use_mmap F\nPARAMETER seed -1",
        Modelfile("x", parameters={"num_ctx": 4096, "top_p": 0.9, "use_mmap": False, "seed": -1}),
    ),
    "messages": (
        "FROM x\nMESSAGE user a: b\nMESSAGE assistant c",
        Modelfile("x", messages=(ChatMessage("user", "a: b"), ChatMessage("assistant", "c"))),
    ),
    "the rest": (
        "FROM x\nADAPTER a\nDRAFT d\nRENDERER r\nPARSER p\nREQUIRES v0.14.0-rc1+b\nLICENSE l\nLICENSE m",
        Modelfile(
            "x",
            adapter="a",
            draft=("d",),
            renderer="r",
            parser="p",
            requires="0.14.0-rc1+b",
            licenses=("l", "m"),
        ),
    ),
    "emoji with a variation selector": ("FROM x\nSYSTEM ❤️", Modelfile("x", system="❤️")),
}


def errors(text: str) -> list[str]:
    return [problem.ollama_text for problem in check_modelfile(text)[1] if problem.severity == "error"]


@pytest.mark.parametrize("name", REFUSED_BY_OLLAMA)
def test_what_ollama_refuses_is_refused_with_its_words(name: str) -> None:
    text, message = REFUSED_BY_OLLAMA[name]
    assert errors(text)[0] == message


@pytest.mark.parametrize("name", REFUSED_BY_US)
def test_what_ollama_would_misread_is_refused(name: str) -> None:
    text, message = REFUSED_BY_US[name]
    assert message in errors(text)[0]


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_ollama_accepts_is_read_as_it_reads_it(name: str, tmp_path: Path) -> None:
    text, expected = ACCEPTED[name]
    file = tmp_path / "Modelfile"
    file.write_bytes(text.encode())
    assert read_modelfile(file) == expected


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_utf16_is_read_when_it_says_so(encoding: str, tmp_path: Path) -> None:
    file = tmp_path / "Modelfile"
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    file.write_bytes(mark + "FROM x\nSYSTEM Grüße".encode(encoding))
    assert read_modelfile(file).system == "Grüße"


def test_other_bytes_are_not_text(tmp_path: Path) -> None:
    file = tmp_path / "Modelfile"
    file.write_bytes(b"FROM x\nSYSTEM \xff\xff")
    with pytest.raises(UsageError, match="not a UTF-8 text file"):
        read_modelfile(file)


def test_all_problems_are_found_in_one_pass_with_their_lines() -> None:
    text = "FROM x\nFORM y\nPARAMETER top_k x\n\nMESSAGE robot hi\nPARAMETER temp 1\nREQUIRES z\nSYSTEM ok\n"
    modelfile, problems = check_modelfile(text)
    assert [problem.line for problem in problems] == [2, 3, 5, 6, 7]
    assert modelfile is not None
    assert modelfile.system == "ok"
    with pytest.raises(Problems, match="5 problems"):
        parse_modelfile(text)


def test_deprecated_parameters_and_repetitions_are_warnings() -> None:
    text = "FROM x\nPARAMETER mirostat 1\nPARAMETER top_k 1\nPARAMETER top_k 2\nSYSTEM a\nSYSTEM b"
    modelfile, problems = check_modelfile(text)
    assert [(problem.line, problem.severity) for problem in problems] == [
        (2, "warning"), (4, "warning"), (6, "warning"),
    ]  # fmt: skip
    assert problems[0].message == "parameter mirostat is deprecated"
    assert modelfile is not None
    assert modelfile.parameters == {"top_k": 2}


def test_from_is_relative_to_the_modelfile_and_looked_at_on_demand(in_tmp: Path) -> None:
    file = in_tmp / "sub" / "Modelfile"
    file.parent.mkdir()
    file.write_text("FROM ./model.gguf")
    (in_tmp / "model.gguf").touch()
    modelfile = read_modelfile(file)
    with pytest.raises(MissingPrerequisite, match=r"model\.gguf does not exist"):
        resolve_from(modelfile, file)
    (file.parent / "model.gguf").touch()
    assert resolve_from(modelfile, file) == file.parent / "model.gguf"


def test_a_missing_modelfile_is_a_missing_prerequisite(in_tmp: Path) -> None:
    with pytest.raises(MissingPrerequisite, match="no such Modelfile"):
        read_modelfile(in_tmp / "Modelfile")


def test_parameters_become_sampling_options() -> None:
    text = (
        "FROM x\nPARAMETER temperature 0.7\nPARAMETER top_k 5\nPARAMETER num_predict 9\nPARAMETER seed 3\n"
        "PARAMETER repeat_last_n -1\nPARAMETER num_ctx 99\nPARAMETER stop a\nPARAMETER stop b\n"
    )
    options = sampling_options(parse_modelfile(text))
    assert (options.temperature, options.top_k, options.top_p) == (0.7, 5, 0.9)
    assert (options.max_tokens, options.seed, options.repeat_last_n) == (9, 3, 99)
    assert options.stop == ("a", "b")
    assert sampling_options(parse_modelfile(text), seed=8, max_tokens=None).seed == 8


def test_an_endless_answer_is_capped_all_the_same() -> None:
    options = sampling_options(parse_modelfile("FROM x\nPARAMETER num_predict -1\nPARAMETER seed -1"))
    assert options.max_tokens > 0
    assert options.seed is None


@pytest.mark.parametrize(
    "line", ["temperature -1", "top_p 0", "top_p 1.5", "min_p 2", "repeat_penalty 0", "typical_p 0.5"]
)
def test_options_no_sampler_can_use_are_refused(line: str) -> None:
    with pytest.raises(UsageError, match=line.split()[0]):
        sampling_options(parse_modelfile(f"FROM x\nPARAMETER {line}"))


def test_advice_names_what_a_chat_model_lacks() -> None:
    messages = [problem.message for problem in advise(Modelfile("x", template="{{ .Prompt }}"))]
    for word in ("SYSTEM", "tools", "stop", "num_ctx", "num_predict"):
        assert any(word in message for message in messages), word


@pytest.mark.parametrize("path", ["Modelfile", "configs/demo.Modelfile"])
def test_the_shipped_modelfiles_are_valid_and_complete(path: str) -> None:
    modelfile = read_modelfile(Path(__file__).parents[2] / path)
    assert advise(modelfile) == []
    assert modelfile.stop == ("<|im_end|>", "<|endoftext|>", "<|im_start|>")
    assert sampling_options(modelfile).max_tokens <= modelfile.context


def test_the_agents_system_states_its_method() -> None:
    modelfile = read_modelfile(Path(__file__).parents[2] / "Modelfile")
    assert modelfile.from_ == "./outputs/web4-agent.gguf"
    expected = {"temperature": 0.7, "top_p": 0.9, "top_k": 40, "num_ctx": 4096}
    assert {name: modelfile.parameters[name] for name in expected} == expected
    for term in (
        "Web4 agent", "PDCA", "PRECEDES", "FOLLOWS", "TRON", "CMM", "constructor", "init(", "5 layers",
        "Radical OOP", "toScenario()", "Vitest", "Automation", "Secrets",
    ):  # fmt: skip
        assert term in modelfile.system, term
