"""Predicted types and sizes, against known models."""

import pytest

from tests.micro_models import weight_shapes
from web4mlx.config.schema import QuantType
from web4mlx.errors import UsageError
from web4mlx.export.predict import Prediction, gguf_name, predict_gguf
from web4mlx.models.safetensors_header import TensorInfo

QWEN_7B = {
    "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
    "num_key_value_heads": 4, "vocab_size": 152064, "tie_word_embeddings": False,
}  # fmt: skip
SMOLLM2 = {
    "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9,
    "num_key_value_heads": 3, "vocab_size": 49152, "tie_word_embeddings": True,
}  # fmt: skip


def predict(config: dict[str, int], quant: QuantType | None, *, biases: bool) -> Prediction:
    shapes = weight_shapes(config, qkv_bias=biases)
    infos = {name: TensorInfo("BF16", shape, 0, 0) for name, shape in shapes.items()}
    return predict_gguf(infos, 0, quant)


@pytest.mark.parametrize(
    ("quant", "gigabytes"),
    [(None, 15.23), ("Q4_K_M", 4.677), ("Q5_K_M", 5.44), ("Q6_K", 6.25), ("Q8_0", 8.09)],
)
def test_the_7b_has_its_known_size(quant: QuantType | None, gigabytes: float) -> None:
    prediction = predict(QWEN_7B, quant, biases=True)
    assert prediction.file_bytes / 1e9 == pytest.approx(gigabytes, rel=0.002)
    assert prediction.fallbacks == 0


def test_half_of_the_7b_layers_keep_six_bits_where_it_matters() -> None:
    tensors = predict(QWEN_7B, "Q4_K_M", biases=True).tensors
    for part in ("attn_v", "ffn_down"):
        six = [name for name, t in tensors.items() if name.endswith(f"{part}.weight") and t.type == "Q6_K"]
        assert len(six) == 14
    assert tensors["output.weight"].type == "Q6_K"
    assert tensors["token_embd.weight"].type == "Q4_K"
    assert tensors["blk.3.attn_q.bias"].type == tensors["blk.3.attn_norm.weight"].type == "F32"


def test_rows_of_576_fall_back_in_180_tensors_of_272() -> None:
    prediction = predict(SMOLLM2, "Q4_K_M", biases=False)
    assert len(prediction.tensors) == 272
    assert prediction.fallbacks == 180
    assert prediction.tensors["token_embd.weight"].type == "Q8_0"
    assert prediction.tensors["blk.0.attn_v.weight"].type == "Q8_0"
    assert prediction.tensors["blk.0.ffn_gate.weight"].type == "Q5_0"
    assert prediction.tensors["blk.0.ffn_down.weight"].type == "Q6_K"


def test_an_unknown_tensor_is_named() -> None:
    with pytest.raises(UsageError, match="block_sparse_moe"):
        gguf_name("model.layers.0.block_sparse_moe.gate.weight")
