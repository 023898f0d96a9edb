"""Which file reaches the server, and what the server says of a damaged one. Contract tests 3 and 7."""

import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import ollama
import pytest

from tests.cleared_reports import evaluate
from tests.ollama_double import OllamaDouble
from tests.ollama_double.agent import ANSWER, write_agent, write_agent_modelfile
from web4mlx.deploy.importing import import_model, plan_import
from web4mlx.deploy.names import parse_model_name
from web4mlx.engines.ollama_server import OllamaServer
from web4mlx.events import EventLog
from web4mlx.modelfile import write_modelfile

NAME = parse_model_name("web4-agent")
TENSOR, KEY = b"token_embd.weight", b"general.architecture"
NUMBER, LONG = struct.calcsize("<I"), struct.calcsize("<Q")
CONFIG = 'outputs = "o"\nmodelfile = "Modelfile"\n[data]\ntrain = ["a.jsonl"]\neval = "e.jsonl"\n'


@pytest.mark.parametrize(("modelfile", "missing"), [("FROM ./gone.gguf\n", "gone.gguf"), (None, "Modelfile")])
def test_3_a_file_that_is_not_there_is_refused_before_any_request(
    in_tmp: Path, double: OllamaDouble, modelfile: str | None, missing: str
) -> None:
    (in_tmp / "config.toml").write_text(CONFIG)
    if modelfile:
        (in_tmp / "Modelfile").write_text(modelfile)
    command = [sys.executable, "-m", "web4mlx", "import", "gone.gguf", "-c", "config.toml"]
    done = subprocess.run([*command, "--host", double.url], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert missing in done.stderr
    assert double.requests == []


@pytest.mark.parametrize("source", ["./elsewhere.gguf", "llama3.2"])
def test_3_the_cleared_file_is_sent_and_from_is_never_taken_for_a_model_name(
    tmp_path: Path, double: OllamaDouble, source: str
) -> None:
    gguf = write_agent(tmp_path / "web4-agent.gguf")
    path = tmp_path / "configured.Modelfile"
    modelfile = replace(write_agent_modelfile(path), from_=source)
    path.write_text(write_modelfile(modelfile))
    plan = plan_import(gguf, NAME, path, evaluate(gguf, modelfile).suite)
    with OllamaServer(double.url, read_timeout_s=20) as server:
        import_model(plan, server, EventLog(None, "test", "import"))
        answer = server.client.chat(str(NAME), [{"role": "user", "content": "What?"}])
    assert answer.message.content == ANSWER
    assert "/api/pull" not in double.paths("POST")


def after(data: bytes, name: bytes, skip: int = 0) -> int:
    """Where something stands that follows a name."""
    return data.index(name) + len(name) + skip


def overwrite(name: bytes, skip: int, value: bytes) -> Callable[[bytes], bytes]:
    """A damage that writes `value` so many bytes behind a name."""

    def damage(data: bytes) -> bytes:
        at = after(data, name, skip)
        return data[:at] + value + data[at + len(value) :]

    return damage


def cut(skip: int) -> Callable[[bytes], bytes]:
    """A damage that ends the file so many bytes behind the first tensor's name."""
    return lambda data: data[: after(data, TENSOR, skip)]


KIND = NUMBER + 2 * LONG  # behind the name: the number of dimensions, two of them, the kind, the offset
DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "wrong kind of value": (overwrite(KEY, 0, struct.pack("<I", 99)), "invalid type: 99"),
    "five dimensions": (
        overwrite(TENSOR, 0, struct.pack("<I", 5)),
        'tensor "token_embd.weight" dimensions 5 exceeds maximum 4',
    ),
    "offset outside": (
        overwrite(TENSOR, KIND + NUMBER, struct.pack("<Q", 1 << 40)),
        r"offset\+size \(\d+\) exceeds file size",
    ),
    "cut in a name": (cut(-5), "failed to read tensor name: unexpected EOF"),
    "cut in the dimensions": (cut(2), "failed to read tensor dimensions: unexpected EOF"),
    "cut in the shape": (cut(NUMBER + 3), "failed to read tensor shape: unexpected EOF"),
    "cut in the kind": (cut(KIND + 1), "failed to read tensor kind: unexpected EOF"),
    "cut in the offset": (cut(KIND + NUMBER + 3), "failed to read tensor offset: unexpected EOF"),
}  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("damage", DAMAGES)
def test_7_a_damaged_table_is_refused_and_the_old_model_stays(
    tmp_path: Path, double: OllamaDouble, client: ollama.Client, damage: str, stream: bool
) -> None:
    gguf = write_agent(tmp_path / "m.gguf")
    client.create("a", files={"m.gguf": client.create_blob(gguf)})
    before = client.list().models[0].digest
    change, said = DAMAGES[damage]
    digest = double.store.put(change(gguf.read_bytes()))
    with pytest.raises(ollama.ResponseError, match=said) as refused:
        list(client.create("a", files={"m.gguf": digest}, stream=stream))
    assert refused.value.status_code == (-1 if stream else 500)
    assert client.list().models[0].digest == before


@pytest.mark.parametrize("stream", [False, True])
def test_7_a_blob_that_was_never_uploaded_has_a_status_in_both_modes(
    double: OllamaDouble, client: ollama.Client, stream: bool
) -> None:
    with pytest.raises(ollama.ResponseError, match="no such file or directory") as refused:
        list(client.create("a", files={"m.gguf": "sha256:" + "0" * 64}, stream=stream))
    assert refused.value.status_code == 500
    assert double.store.manifests() == []
