"""A tiny llama GGUF as llama.cpp would have made it: quantized, q and k permuted; and a wheel around it."""

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from web4mlx.models.catalog import CatalogEntry, PinnedWheel

HIDDEN, WIDE, LAYERS, HEADS, KV_HEADS = 64, 128, 2, 4, 2
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MERGES = ["Ġ t", "h e", "Ġt he", "i n", "c l", "a s", "cl as", "clas s", "Ġ class", "1 2"]
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] }}"
    "{{ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def micro_tokens() -> list[str]:
    """Control tokens, the 256 bytes, and what the merges make of them."""
    from tokenizers.pre_tokenizers import ByteLevel

    return [*CONTROL, *sorted(ByteLevel.alphabet()), *(merge.replace(" ", "") for merge in MERGES)]


def permute_rope(values: Any, heads: int) -> Any:
    """The order in which llama.cpp's converter stores q and k rows."""
    rows, columns = values.shape
    return values.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def micro_weights(seed: int = 3) -> dict[str, Any]:
    """Weights under their Hugging Face names, float32; the embedding is tied."""
    random = np.random.default_rng(seed)
    kv = HIDDEN // HEADS * KV_HEADS
    shapes = {
        "self_attn.q_proj": (HIDDEN, HIDDEN),
        "self_attn.k_proj": (kv, HIDDEN),
        "self_attn.v_proj": (kv, HIDDEN),
        "self_attn.o_proj": (HIDDEN, HIDDEN),
        "mlp.gate_proj": (WIDE, HIDDEN),
        "mlp.up_proj": (WIDE, HIDDEN),
        "mlp.down_proj": (HIDDEN, WIDE),
    }
    weights = {"model.embed_tokens": random.normal(0, 0.5, (len(micro_tokens()), HIDDEN))}
    for layer in range(LAYERS):
        for name, shape in shapes.items():
            weights[f"model.layers.{layer}.{name}"] = random.normal(0, 0.2, shape)
        for name in ("input_layernorm", "post_attention_layernorm"):
            weights[f"model.layers.{layer}.{name}"] = random.uniform(0.5, 1.5, HIDDEN)
    weights["model.norm"] = random.uniform(0.5, 1.5, HIDDEN)
    return {name: values.astype(np.float32) for name, values in weights.items()}


def write_micro_gguf(path: Path, *, pre: str = "smollm", template: str = TEMPLATE) -> Path:
    """Write the GGUF: matrices in Q4_1, the embedding in Q8_0, norms in F32."""
    from gguf import GGMLQuantizationType, GGUFWriter
    from gguf.quants import quantize

    from web4mlx.models.rebuild import TENSOR_NAMES

    writer = GGUFWriter(path, "llama")
    write_metadata(writer, pre, template)
    short = {long: name for name, long in TENSOR_NAMES.items()}
    for name, values in micro_weights().items():
        _, _, rest = name.partition("model.layers.")
        layer, _, long = rest.partition(".")
        target = f"blk.{layer}.{short[long]}.weight" if rest else f"{short[name]}.weight"
        if long in ("self_attn.q_proj", "self_attn.k_proj"):
            values = permute_rope(values, HEADS if "q_proj" in long else KV_HEADS)
        kind = GGMLQuantizationType.Q8_0 if "embed" in name else GGMLQuantizationType.Q4_1
        if values.ndim == 1:
            writer.add_tensor(target, values)
        else:
            writer.add_tensor(target, quantize(np.ascontiguousarray(values), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_metadata(writer: Any, pre: str, template: str) -> None:
    """Write the sizes and the tokenizer."""
    tokens = micro_tokens()
    writer.add_block_count(LAYERS)
    writer.add_context_length(256)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(WIDE)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([3] * len(CONTROL) + [1] * (len(tokens) - len(CONTROL)))
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_add_bos_token(False)
    if template:
        writer.add_chat_template(template)


def write_micro_wheel(folder: Path) -> CatalogEntry:
    """Put the GGUF into a wheel in `folder`; returns a catalogue entry that pins it."""
    gguf = write_micro_gguf(folder / "micro.gguf")
    wheel = folder / "micro_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(gguf, "micro_model/micro.gguf")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    pinned = PinnedWheel("micro-model==1.0", wheel.name, digest, "micro_model/micro.gguf")
    return CatalogEntry("micro-base", "team/micro-base", pinned)
