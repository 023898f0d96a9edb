"""What a GGUF says of itself, as far as an import has to compare it."""

from dataclasses import dataclass
from pathlib import Path

from web4mlx.errors import CheckFailed

SPECIAL = {"bos": "bos", "eos": "eos", "pad": "padding", "unk": "unknown"}


@dataclass(frozen=True, slots=True)
class GgufFacts:
    """Architecture, type as Ollama names it, chat template, and the special tokens that templates use."""

    architecture: str
    quantization: str
    chat_template: str
    special_tokens: dict[str, str]


def read_facts(gguf: Path) -> GgufFacts:
    """Read them from the header; the weights are not read.

    Raises:
        CheckFailed: It is no GGUF, or has no chat template.
    """
    from gguf import GGUFReader, LlamaFileType

    try:
        fields = GGUFReader(gguf).fields
    except (ValueError, IndexError, OSError) as error:
        raise CheckFailed(f"{gguf}: not a GGUF: {error}", "Export it again.") from error
    names = {"architecture": "general.architecture", "chat template": "tokenizer.chat_template"}
    found = {what: str(fields[key].contents()) for what, key in names.items() if key in fields}
    if missing := [what for what in names if not found.get(what)]:
        raise CheckFailed(f"{gguf}: it has no {' and no '.join(missing)}", "Export it again.")
    file_type = int(fields["general.file_type"].contents()) if "general.file_type" in fields else 0
    special = {}
    for name, word in SPECIAL.items():
        if (key := f"tokenizer.ggml.{word}_token_id") in fields:
            index = int(fields[key].contents())
            special[f"{name}_token"] = str(fields["tokenizer.ggml.tokens"].contents(index))
    quantization = LlamaFileType(file_type).name.removeprefix("MOSTLY_") if file_type else "F32"
    return GgufFacts(found["architecture"], quantization, found["chat template"], special)
