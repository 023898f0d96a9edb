"""The part of the export that runs llama.cpp, as a process of its own (`python -m …export.llama_child`).

`quantize SRC DST FTYPE THREADS` rounds a GGUF. `inspect GGUF TEXTS OUT` writes what a GGUF holds, and the
tokens it makes of texts, as JSON. `score GGUF ROWS OUT THREADS DEVICE` writes the loss and the most
probable token at each supervised position.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def quantize(source: str, target: str, ftype: str, threads: str) -> None:
    """Quantize with llama.cpp's recipe for a file type; it reports each tensor on stderr."""
    from cyllama.llama import llama_cpp

    params = llama_cpp.LlamaModelQuantizeParams()
    params.ftype = int(ftype)
    params.nthread = int(threads)
    llama_cpp.model_quantize(source, target, params)


def inspect(gguf: str, texts: str, out: str) -> None:
    """Write metadata, tensors and tokens of texts."""
    from cyllama.llama import llama_cpp

    context = llama_cpp.GGUFContext.from_file(gguf)
    skipped = ("tokenizer.ggml.tokens", "tokenizer.ggml.merges", "tokenizer.ggml.token_type")
    metadata = {k: v for k, v in context.get_all_metadata().items() if k not in skipped}
    tensors = [
        {
            "name": info["name"],
            "type": int(info["type"]),
            "size_bytes": info["size"],
            "offset": info["offset"],
        }
        for info in context.get_all_tensor_info()
    ]
    model = load_model(llama_cpp, gguf, gpu_layers=0)
    vocabulary = model.get_vocab()  # it points into the model and does not keep it
    tokens = [
        list(vocabulary.tokenize(text, False, True)) for text in json.loads(Path(texts).read_text("utf-8"))
    ]
    found = {"metadata": metadata, "tensors": tensors, "data_offset": context.data_offset, "tokens": tokens}
    Path(out).write_text(json.dumps(found, ensure_ascii=False, default=str), "utf-8")


def score(gguf: str, rows: str, out: str, threads: str, device: str) -> None:
    """Write losses and most probable tokens of all supervised tokens of all rows, in order."""
    import numpy as np
    from cyllama.llama import llama_cpp

    from web4mlx.export.scores import score_logits

    todo = json.loads(Path(rows).read_text("utf-8"))
    model = load_model(llama_cpp, gguf, gpu_layers=0 if device == "cpu" else 999)
    longest = max(len(row["tokens"]) for row in todo)
    params = llama_cpp.LlamaContextParams()
    params.n_ctx = params.n_batch = params.n_ubatch = max(64, longest)
    params.n_threads = params.n_threads_batch = int(threads)
    context = llama_cpp.LlamaContext(model, params)
    losses: list[float] = []
    best: list[int] = []
    for number, row in enumerate(todo, 1):
        targets = [i for i in range(1, len(row["tokens"])) if row["mask"][i]]
        decode_row(llama_cpp, context, row["tokens"], {i - 1 for i in targets})
        for i in targets:
            logits = np.array(context.get_logits_ith(i - 1), np.float32)
            loss, top = score_logits(logits[None], np.array([row["tokens"][i]]))
            losses.append(float(loss[0]))
            best.append(int(top[0]))
        print(f"row {number}/{len(todo)}", flush=True)
    np.savez(out, losses=np.array(losses, np.float32), best=np.array(best, np.int32))


def decode_row(llama_cpp: Any, context: Any, tokens: list[int], wanted: set[int]) -> None:
    """Run a row through the model from an empty cache; logits are kept at `wanted` positions."""
    context.kv_cache_clear()
    batch = llama_cpp.LlamaBatch(n_tokens=len(tokens), embd=0, n_seq_max=1)
    for position, token in enumerate(tokens):
        batch.add(token, position, [0], position in wanted)
    context.decode(batch)


def load_model(llama_cpp: Any, gguf: str, gpu_layers: int) -> Any:
    """The model of a GGUF, with the vocabulary size that the binding looks for and does not define."""

    class Model(llama_cpp.LlamaModel):  # type: ignore[misc]
        n_vocab = property(lambda self: self.get_vocab().n_vocab)

    llama_cpp.disable_logging()
    params = llama_cpp.LlamaModelParams()
    params.n_gpu_layers = gpu_layers
    return Model(gguf, params)


def main() -> None:
    """Run the command that the arguments name."""
    commands: dict[str, Callable[..., None]] = {"quantize": quantize, "inspect": inspect, "score": score}
    name, *arguments = sys.argv[1:]
    try:
        commands[name](*arguments)
    except (OSError, RuntimeError, ValueError) as error:
        print(f"error: {error}", flush=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
