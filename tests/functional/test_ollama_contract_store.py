"""What an Ollama server is relied on for: blobs, create, its errors. The double keeps the contract.

Contract tests 3, 4, 5, 7, 8 and 10; 1 and 2, the Modelfile itself, are in test_modelfile_parse.py; 6 and 11
in test_import.py; more of 3 and 7 in test_ollama_contract_files.py, of 13 and 14 in
test_ollama_contract_template.py; the others in test_ollama_contract_client.py.
"""

from pathlib import Path
from typing import Any

import httpx
import ollama
import pytest

from tests.ollama_double import OllamaDouble
from tests.ollama_double.agent import write_agent
from web4mlx.artifacts import sha256_bytes
from web4mlx.deploy.create import create_fields, create_model
from web4mlx.deploy.names import parse_model_name
from web4mlx.deploy.upload import upload_blob
from web4mlx.engines.ollama_server import OllamaServer
from web4mlx.errors import MissingPrerequisite, StageCrashed, Web4Error
from web4mlx.events import EventLog
from web4mlx.modelfile import Modelfile, read_modelfile, resolve_from

NAME = parse_model_name("web4-agent")
LOG = EventLog(None, "test", "import")


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    return write_agent(tmp_path / "m.gguf")


def blob(double: OllamaDouble, data: bytes) -> str:
    return f"{double.url}/api/blobs/sha256:{sha256_bytes(data)}"


def test_3_from_is_relative_to_the_modelfile_and_refused_before_any_request(
    in_tmp: Path, double: OllamaDouble
) -> None:
    (in_tmp / "sub").mkdir()
    (in_tmp / "elsewhere.gguf").write_bytes(b"GGUF")
    path = in_tmp / "sub" / "Modelfile"
    path.write_text("FROM ./elsewhere.gguf\n")
    with pytest.raises(MissingPrerequisite, match="does not exist"):
        resolve_from(read_modelfile(path), path)
    assert double.requests == []


def test_4_a_blob_is_created_once(double: OllamaDouble) -> None:
    data = b"some bytes"
    assert httpx.head(blob(double, data)).status_code == 404
    headers = {"Content-Type": "application/json"}
    assert httpx.post(blob(double, data), content=data, headers=headers).status_code == 201
    assert httpx.head(blob(double, data)).status_code == 200
    assert httpx.post(blob(double, data), content=data).status_code == 200


def test_4_a_blob_of_another_digest_is_refused(double: OllamaDouble) -> None:
    answer = httpx.post(blob(double, b"one"), content=b"two")
    expected, got = sha256_bytes(b"one"), sha256_bytes(b"two")
    said = f'digest mismatch, expected "sha256:{expected}", got "sha256:{got}"'
    assert (answer.status_code, answer.json()) == (400, {"error": said})


@pytest.mark.parametrize("digest", ["sha256:abc", "md5:" + "0" * 32, "sha256:" + "g" * 64])
def test_4_what_is_no_digest_is_refused(double: OllamaDouble, digest: str) -> None:
    answer = httpx.post(f"{double.url}/api/blobs/{digest}", content=b"x")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid digest format")


def test_4_our_upload_asks_first(double: OllamaDouble, gguf: Path) -> None:
    digest = sha256_bytes(gguf.read_bytes())
    with OllamaServer(double.url) as server:
        assert upload_blob(server, gguf, digest, LOG)
        assert [method for method, _, _ in double.requests] == ["HEAD", "POST", "HEAD"]
        assert not upload_blob(server, gguf, digest, LOG)
    assert double.store.blob(f"sha256:{digest}").read_bytes() == gguf.read_bytes()


FIELDS: dict[str, Any] = {
    "system": "Spell.",
    "template": "{{ .Prompt }}",
    "parameters": {"num_ctx": 512},
    "license": ["Free."],
    "messages": [{"role": "user", "content": "Hi"}],
}


@pytest.mark.parametrize("version", ["0.24.0", "0.33.0"])
def test_5_create_streams_its_statuses_in_order(
    double: OllamaDouble, client: ollama.Client, gguf: Path, version: str
) -> None:
    double.server_version = version
    digest = client.create_blob(gguf)
    statuses = [line.status for line in client.create("a", files={"m.gguf": digest}, **FIELDS, stream=True)]
    validation = ["validating GGUF model"] * 3 + ["verifying conversion"] if double.is_rewriting else []
    heads = [str(status).rpartition(" ")[0] or status for status in statuses]
    assert heads == [
        "parsing", *[s.rpartition(" ")[0] for s in validation], "using existing layer",
        *["creating new layer"] * 5, "writing", "success",
    ]  # fmt: skip
    manifest = double.store.lookup("a")
    assert manifest is not None
    kinds = [layer["mediaType"].rpartition(".")[2] for layer in double.store.read(manifest)["layers"]]
    assert kinds == ["model", "template", "system", "license", "params", "messages"]


def test_5_without_a_stream_only_the_last_object_comes(client: ollama.Client, gguf: Path) -> None:
    digest = client.create_blob(gguf)
    assert client.create("a", files={"m.gguf": digest}).status == "success"


def test_5_from_a_model_that_is_there_only_layers_are_named(client: ollama.Client, gguf: Path) -> None:
    digest = client.create_blob(gguf)
    client.create("a", files={"m.gguf": digest}, system="One.", parameters={"top_k": 5, "num_ctx": 512})
    lines = [str(line.status) for line in client.create("b", from_="a", system="Two.", stream=True)]
    assert lines[0].startswith("using existing layer")
    assert not any(line.startswith(("parsing", "validating")) for line in lines)
    assert "num_ctx" in str(client.show("b").parameters)
    with pytest.raises(ollama.ResponseError, match="pull model manifest"):
        client.create("c", from_="unknown")


DAMAGES: dict[str, tuple[Any, int, str]] = {
    "cut off": (lambda data: data[:-100], 500, "exceeds file size"),
    "cut in the header": (lambda data: data[:1000], 500, "EOF"),
    "no gguf": (lambda data: b"ABCD" + data[4:], 400, "supplied file was not in GGUF format"),
    "absurd tensor name": (
        lambda data: data.replace(b"token_embd.weight", b"token_embd.weigh\xff", 1)[:3000], 500, "EOF",
    ),
}  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("damage", DAMAGES)
def test_7_a_damaged_file_is_refused_and_the_old_model_stays(
    double: OllamaDouble, client: ollama.Client, gguf: Path, damage: str, stream: bool
) -> None:
    client.create("a", files={"m.gguf": client.create_blob(gguf)})
    before = client.list().models[0].digest
    change, status, said = DAMAGES[damage]
    digest = double.store.put(change(gguf.read_bytes()))
    with pytest.raises(ollama.ResponseError, match=said) as refused:
        list(client.create("a", files={"m.gguf": digest}, stream=stream))
    in_stream = stream and status == 500  # after `parsing GGUF` the status is gone
    assert refused.value.status_code == (-1 if in_stream else status)
    assert client.list().models[0].digest == before


def test_7_a_blob_that_was_never_uploaded_is_named(client: ollama.Client) -> None:
    with pytest.raises(ollama.ResponseError, match="no such file or directory") as refused:
        client.create("a", files={"m.gguf": "sha256:" + "0" * 64})
    assert refused.value.status_code == 500


def test_7_our_create_reports_the_servers_words(double: OllamaDouble, gguf: Path) -> None:
    data = gguf.read_bytes()[:-100]
    double.store.put(data)
    with OllamaServer(double.url) as server, pytest.raises(Web4Error, match="exceeds file size"):
        create_model(server, NAME, create_fields(Modelfile("m.gguf"), "m.gguf", sha256_bytes(data)), LOG)
    assert double.store.manifests() == []


def test_8_a_missing_quantizer_has_a_clear_message(double: OllamaDouble, gguf: Path) -> None:
    double.quantize_available = False
    digest = double.store.put(gguf.read_bytes()).removeprefix("sha256:")
    with OllamaServer(double.url) as server, pytest.raises(StageCrashed, match="llama-quantize") as failed:
        create_model(server, NAME, create_fields(Modelfile("m.gguf"), "m.gguf", digest), LOG)
    assert "install it again" in failed.value.hint
    assert failed.value.exit_code == 4
    assert double.store.manifests() == []


def test_10_parameters_arrive_in_their_types(double: OllamaDouble, client: ollama.Client, gguf: Path) -> None:
    path = gguf.with_name("Modelfile")
    path.write_text(
        'FROM ./m.gguf\nPARAMETER num_ctx 512\nPARAMETER top_p 1\nPARAMETER stop "a"\nPARAMETER stop b\n'
    )
    digest = client.create_blob(gguf).removeprefix("sha256:")
    with OllamaServer(double.url) as server:
        create_model(server, NAME, create_fields(read_modelfile(path), "m.gguf", digest), LOG)
    manifest = double.store.lookup(str(NAME))
    assert manifest is not None
    assert double.store.texts(manifest, "params") == ['{"num_ctx": 512, "top_p": 1.0, "stop": ["a", "b"]}']
    assert client.generate(str(NAME), "Hi").done


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"stop": "a"}, 'option "stop" must be of type array'),
        ({"num_ctx": "512"}, 'option "num_ctx" must be of type integer'),
    ],
    ids=["stop", "num_ctx"],
)
def test_10_a_wrong_type_passes_create_and_breaks_every_request(
    client: ollama.Client, gguf: Path, parameters: dict[str, Any], said: str
) -> None:
    client.create("a", files={"m.gguf": client.create_blob(gguf)}, parameters=parameters)
    with pytest.raises(ollama.ResponseError, match=said) as failed:
        client.generate("a", "Hi")
    assert failed.value.status_code == 500


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"model": "a"}, 400, "neither 'from' or 'files' was specified"),
        ({"model": "a:b:c", "from": "b"}, 400, "invalid model name"),
        ({"model": "a", "files": {"/abs.gguf": "sha256:0"}}, 400, "file path must be relative"),
        ({"model": "a", "files": {"m.gguf": ""}}, 400, "invalid digest format"),
        ({"model": "a", "files": {"m.bin": "sha256:" + "0" * 64}}, 400, "unknown type"),
        (None, 400, "missing request body"),
    ],
    ids=["nothing", "name", "absolute", "no digest", "type", "no body"],
)
def test_5_what_create_refuses_before_it_begins(
    double: OllamaDouble, body: dict[str, Any] | None, status: int, said: str
) -> None:
    answer = (
        httpx.request("POST", f"{double.url}/api/create", json=body)
        if body
        else httpx.post(f"{double.url}/api/create")
    )
    assert (answer.status_code, answer.json()["error"]) == (status, said)
