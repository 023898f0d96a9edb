"""Is this GGUF what was meant? Structure, types, size, tokenizer and template, compared with predictions."""

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from web4mlx.export.predict import BLOCKS, Prediction
from web4mlx.export.preflight import ExportSource, expected_pre_tokenizer
from web4mlx.export.process import run_tool
from web4mlx.models.tokenizer import ChatTokenizer
from web4mlx.verify import Check

SIZE_TOLERANCE = 0.01
GOLDEN = Path(__file__).with_name("golden.jsonl")
SHOWN = 3


@dataclass(frozen=True)
class Found:
    """A GGUF as llama.cpp reads it: metadata, tensors, and the tokens it makes of the golden texts."""

    metadata: dict[str, Any]
    tensors: list[dict[str, Any]]
    data_offset: int
    tokens: list[list[int]]


def check_gguf(
    gguf: Path, source: ExportSource, prediction: Prediction, fallback_lines: Sequence[str]
) -> list[Check]:
    """Run all checks that need no generation.

    Args:
        gguf: The file.
        source: The merged folder and the base's tokenizer.
        prediction: What the file must hold.
        fallback_lines: What the quantizer reported about falling back.

    Raises:
        StageCrashed: llama.cpp cannot read the file at all.
    """
    golden = read_golden()
    found = inspect_gguf(gguf, list(golden.values()))
    return [
        check_tensors(found, prediction),
        check_fallbacks(prediction, fallback_lines),
        check_size(gguf, found, prediction),
        check_tokenizer(found, source.tokenizer),
        check_template(found, source.tokenizer),
        check_golden(found, golden, source),
    ]


def read_golden() -> dict[str, str]:
    """The texts whose tokens must agree everywhere, by id; all in Unicode's composed form (NFC)."""
    lines = GOLDEN.read_text("utf-8").splitlines()
    return {row["id"]: row["text"] for row in map(json.loads, lines)}


def inspect_gguf(gguf: Path, texts: Sequence[str]) -> Found:
    """Read a GGUF with llama.cpp in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="web4mlx-") as name:
        folder = Path(name)
        (folder / "texts.json").write_text(json.dumps(list(texts)), "utf-8")
        child = [sys.executable, "-m", "web4mlx.export.llama_child", "inspect", str(gguf)]
        run_tool([*child, str(folder / "texts.json"), str(folder / "found.json")])
        return Found(**json.loads((folder / "found.json").read_text("utf-8")))


def check_tensors(found: Found, prediction: Prediction) -> Check:
    """Names, types and sizes of all tensors."""
    numbers = {number: name for name, (number, _, _) in BLOCKS.items()}
    actual = {
        tensor["name"]: (numbers.get(tensor["type"], f"type {tensor['type']}"), tensor["size_bytes"])
        for tensor in found.tensors
    }
    expected = {name: (tensor.type, tensor.size_bytes) for name, tensor in prediction.tensors.items()}
    wrong = [f"{name}: missing" for name in sorted(expected.keys() - actual.keys())]
    wrong += [f"{name}: not expected" for name in sorted(actual.keys() - expected.keys())]
    wrong += [
        f"{name}: {actual[name]}, expected {expected[name]}"
        for name in sorted(actual.keys() & expected.keys())
        if actual[name] != expected[name]
    ]
    return verdict("tensors", wrong, f"{len(actual)} tensors of the predicted types")


def check_fallbacks(prediction: Prediction, lines: Sequence[str]) -> Check:
    """The quantizer falls back exactly where a row is no multiple of the block."""
    reported = sum("falling back to" in line for line in lines)
    unexpected = list(lines) if not prediction.fallbacks else []
    if reported != prediction.fallbacks and not unexpected:
        unexpected = [f"{reported} tensors fell back, {prediction.fallbacks} predicted"]
    return verdict("fallbacks", unexpected, f"{prediction.fallbacks} as predicted from the row lengths")


def check_size(gguf: Path, found: Found, prediction: Prediction) -> Check:
    """The file has the predicted size, and holds all the bytes its tensors need."""
    actual = gguf.stat().st_size
    difference = actual / prediction.file_bytes - 1
    needed = found.data_offset + max(tensor["offset"] + tensor["size_bytes"] for tensor in found.tensors)
    wrong = []
    if abs(difference) > SIZE_TOLERANCE:
        wrong.append(f"{actual} bytes, predicted {prediction.file_bytes} ({difference:+.1%})")
    if actual < needed:
        wrong.append(f"truncated: {actual} bytes, its tensors need {needed}")
    return verdict("size", wrong, f"{actual / 1e9:.3f} GB, {difference:+.2%} from the prediction")


def check_tokenizer(found: Found, tokenizer: ChatTokenizer) -> Check:
    """Pre-tokenizer and end token are the base's."""
    pre, eos = found.metadata.get("tokenizer.ggml.pre"), found.metadata.get("tokenizer.ggml.eos_token_id")
    wanted = expected_pre_tokenizer(tokenizer.folder)
    wrong = []
    if wanted is not None and pre != wanted:
        wrong.append(f"tokenizer.ggml.pre is {pre!r}, the base's tokenizer needs {wanted!r}")
    if eos != tokenizer.end_token_id:
        wrong.append(f"end token is {eos}, the base's {tokenizer.end_token} is {tokenizer.end_token_id}")
    return verdict("tokenizer", wrong, f"pre-tokenizer {pre}, end token {eos}")


def check_template(found: Found, tokenizer: ChatTokenizer) -> Check:
    """The chat template inside is the base's, letter for letter."""
    inside = found.metadata.get("tokenizer.chat_template")
    wrong = []
    if inside is None:
        wrong.append("no chat template inside")
    elif inside != tokenizer.template_source:
        wrong.append(f"differs from the base's ({len(inside)} and {len(tokenizer.template_source)} letters)")
    return verdict("chat template", wrong, "equals the base's")


def check_golden(found: Found, golden: dict[str, str], source: ExportSource) -> Check:
    """The golden texts have the same tokens in the base, the merged folder and the GGUF."""
    merged = ChatTokenizer(source.folder)
    wrong = []
    for (name, text), tokens in zip(golden.items(), found.tokens, strict=True):
        base_tokens = source.tokenizer.encode(text)
        if merged.encode(text) != base_tokens:
            wrong.append(f"{name}: the merged folder's tokens differ from the base's")
        if tokens != base_tokens:
            wrong.append(f"{name}: the GGUF's tokens differ from the base's")
    return verdict("golden texts", wrong, f"{len(golden)} texts, equal tokens in base, merged and GGUF")


def verdict(name: str, wrong: Sequence[str], detail: str) -> Check:
    """A check that passes when nothing is wrong."""
    if not wrong:
        return Check(name=name, verdict="passed", detail=detail)
    more = f" (and {len(wrong) - SHOWN} more)" if len(wrong) > SHOWN else ""
    return Check(name=name, verdict="failed", detail="; ".join(wrong[:SHOWN]) + more)
