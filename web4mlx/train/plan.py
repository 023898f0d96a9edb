"""What a training run would do, from the rows alone: nothing is loaded but the tokenizer."""

from web4mlx.config.schema import RunConfig
from web4mlx.errors import CheckFailed
from web4mlx.train.sampler import Sampler


def describe_plan(config: RunConfig) -> dict[str, object]:
    """Samples, steps, tokens and parameters of a run, for `train --dry-run`."""
    from web4mlx.data.selection import load_training_rows
    from web4mlx.modelfile import read_modelfile
    from web4mlx.models.base import find_base
    from web4mlx.models.tokenizer import ChatTokenizer
    from web4mlx.train.adapter import adapter_bytes
    from web4mlx.verify import adapted_shapes

    base = find_base(config.model)
    training, data = config.training, config.data
    system = read_modelfile(config.modelfile).system
    rows = load_training_rows(data, ChatTokenizer(base), system)
    rows, lengths = rows.fit(data.max_seq_length, data.too_long)
    if not len(rows):
        raise CheckFailed(f"no row is left at max_seq_length = {data.max_seq_length}")
    sampler = Sampler(len(rows), training.samples_per_step, training.epochs, training.seed)
    size = adapter_bytes(adapted_shapes(base, config.lora), config.lora.rank)
    tokens = int(rows.offsets[-1])
    return {
        "base": str(base),
        "samples": len(rows),
        "too_long": lengths.too_long,
        "dropped": len(lengths.dropped),
        "tokens_per_epoch": tokens,
        "mean_tokens": round(tokens / len(rows), 1),
        "supervised_tokens_per_epoch": int(rows.mask.sum()),
        "steps": sampler.total_steps,
        "samples_per_step": training.samples_per_step,
        "trainable_parameters": size // 2,
        "adapter_megabytes": round(size / 1e6, 2),
        "lora_scale": config.lora.scale,
    }
