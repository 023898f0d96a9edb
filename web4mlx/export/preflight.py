"""What must hold of a merged folder before it is converted, and which tokenizer llama.cpp must recognize."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from web4mlx.artifacts import sha256_file
from web4mlx.errors import CheckFailed
from web4mlx.fuse.base import ModelFiles, read_json, read_model_files
from web4mlx.models.tokenizer import TOKENIZER_FILES, ChatTokenizer

REFUSE = "Merge again with `web4mlx fuse`; export takes only what it wrote."


@dataclass(frozen=True)
class ExportSource:
    """A merged folder that passed, with the tokenizer of the base; or a base alone."""

    files: ModelFiles
    tokenizer: ChatTokenizer
    base: Path

    @property
    def folder(self) -> Path:
        """The merged folder."""
        return self.files.folder


def check_merged(merged: Path, base: Path) -> ExportSource:
    """Check the merged folder against its base.

    Raises:
        MissingPrerequisite: A file is missing or a shard truncated.
        UsageError: The folder is quantized.
        CheckFailed: Tensor names, shapes, the tied head or the tokenizer differ from the base's, or the
            folder holds code.
    """
    files = read_model_files(merged)
    original = read_model_files(base)
    refuse_code(merged)
    compare_tensors(files, original)
    compare_tokenizers(merged, base)
    tie = "tie_word_embeddings"
    if bool(files.config.get(tie)) != bool(original.config.get(tie)):
        raise CheckFailed(f"{merged / 'config.json'}: {tie} differs from the base's", REFUSE)
    if not files.config.get(tie) and "lm_head.weight" not in files.tensors:
        raise CheckFailed(f"{merged}: lm_head.weight is missing, and {tie} is false", REFUSE)
    return ExportSource(files, ChatTokenizer(base), base)


def check_base(base: Path) -> ExportSource:
    """Check a base model that is exported as it is.

    Raises:
        MissingPrerequisite: A file is missing or a shard truncated.
        UsageError: The folder is quantized.
        CheckFailed: It holds code.
    """
    refuse_code(base)
    return ExportSource(read_model_files(base), ChatTokenizer(base), base)


def refuse_code(folder: Path) -> None:
    """Refuse Python files and references to code: the converter would load them."""
    scripts = sorted(folder.glob("*.py"))
    named = [name for name in ("config.json", "tokenizer_config.json")
             if (folder / name).is_file() and "auto_map" in read_json(folder / name)]  # fmt: skip
    if scripts or named:
        culprit = scripts[0].name if scripts else f"{named[0]} (auto_map)"
        raise CheckFailed(f"{folder}: {culprit}: models that bring their own code are refused", REFUSE)


def compare_tensors(files: ModelFiles, original: ModelFiles) -> None:
    """Check that both have the same tensors in the same formats and shapes."""
    ours, theirs = files.tensors, original.tensors
    if missing := sorted(theirs.keys() - ours.keys()):
        raise CheckFailed(f"{files.folder}: tensor {missing[0]} of the base is missing", REFUSE)
    if extra := sorted(ours.keys() - theirs.keys()):
        raise CheckFailed(f"{files.folder}: tensor {extra[0]} is not in the base", REFUSE)
    for name, info in ours.items():
        want = theirs[name]
        if (info.dtype, info.shape) != (want.dtype, want.shape):
            raise CheckFailed(
                f"{files.folder}: {name} is {info.dtype} {list(info.shape)}, "
                f"in the base {want.dtype} {list(want.shape)}",
                REFUSE,
            )


def compare_tokenizers(merged: Path, base: Path) -> None:
    """Check that all tokenizer files are byte-identical to the base's."""
    for name in TOKENIZER_FILES:
        digests = [
            sha256_file(folder / name) if (folder / name).is_file() else "" for folder in (merged, base)
        ]
        if digests[0] != digests[1]:
            raise CheckFailed(
                f"{merged / name}: the tokenizer differs from the base's ({base / name})", REFUSE
            )


def expected_pre_tokenizer(folder: Path) -> str | None:
    """llama.cpp's name of the pre-tokenizer in tokenizer.json; None when it is neither of ours."""
    content = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    steps = flatten(content.get("pre_tokenizer"))
    if any(step.get("type") == "Digits" and step.get("individual_digits") for step in steps):
        return "smollm"
    patterns = [
        str(step.get("pattern", {}).get("Regex", "")) for step in steps if step.get("type") == "Split"
    ]
    normalizer = content.get("normalizer") or {}
    if (
        any(r"|\p{N}| ?[^\s\p{L}\p{N}]+" in pattern for pattern in patterns)
        and normalizer.get("type") == "NFC"
    ):
        return "qwen2"
    return None


def flatten(step: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The steps of a pre-tokenizer, nested sequences opened."""
    if step is None:
        return []
    inner = step.get("pretokenizers")
    return [step] if inner is None else [one for part in inner for one in flatten(part)]
