"""Fuse a random model of the 7B's exact shape: peak memory and time, against copying its files.

Run:      python benchmarks/fuse_7b.py --folder /somewhere/with/50GB
Small:    python benchmarks/fuse_7b.py --folder FOLDER --layers 2 --vocab 2048

The model has Qwen2.5-7B's shapes in bfloat16 (28 layers, hidden 3584, FFN 18944, 28 and 4 heads, vocabulary
152,064, own head, biases on q, k and v: 15.2 GB in 4 shards), the adapter rank 16 on all seven projections.
Copying and fusing alternate; both end when the bytes are on the disk. Logits are not compared here: that
needs the memory of a whole model. Prints JSON.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

from tests.merged_models import write_random_adapter
from tests.micro_models import weight_shapes, write_json, write_weights
from tests.micro_tokenizers import qwen_tokenizer_config, qwen_tokenizer_json

SHARDS = 4
MAX_PEAK_BYTES = 3 * 10**9
MAX_TIME_RATIO = 2.0
FUSE = (
    "from web4mlx.machine.blas import preload_blas; preload_blas();"
    "import sys; from pathlib import Path; from web4mlx.events import EventLog;"
    "from web4mlx.cli.output import EventPrinter; from web4mlx.fuse.merge import fuse_adapter;"
    "a, b, o = map(Path, sys.argv[1:]);"
    "fuse_adapter(a, b, o, EventLog(None, 'bench', 'fuse', EventPrinter(30)), verify=False)"
)


def main() -> None:
    options = parse_options()
    folder: Path = options.folder
    base, adapter = folder / "base", folder / "adapter"
    # In a process of its own: a child's peak counts what its parent held when it was started.
    maker = get_context("spawn").Process(target=make_inputs, args=(base, adapter, options))
    maker.start()
    maker.join()
    size = sum(file.stat().st_size for file in base.iterdir())
    os.environ["WEB4MLX_CACHE"] = str(folder / "cache")
    copies, fuses, peaks, timings = [], [], [], []
    for _ in range(options.rounds):
        copies.append(time_copy(base, folder / "copy"))
        seconds, peak = time_fuse(adapter, base, folder / "merged")
        timings.append(json.loads((folder / "merged" / "manifest.json").read_text())["timings_s"])
        fuses.append(seconds)
        peaks.append(peak)
        shutil.rmtree(folder / "merged")
    ratio = median(fuses) / median(copies)
    result = {
        "model_bytes": size, "copy_s": copies, "fuse_s": fuses, "fuse_timings_s": timings,
        "time_ratio": round(ratio, 3), "peak_bytes": max(peaks), "cores": os.cpu_count(),
        "within_limits": max(peaks) <= MAX_PEAK_BYTES and ratio <= MAX_TIME_RATIO,
    }  # fmt: skip
    print(json.dumps(result, indent=2))
    sys.exit(0 if result["within_limits"] else 1)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--folder", type=Path, required=True, help="working folder; the model stays in it")
    parser.add_argument("--layers", type=int, default=28)
    parser.add_argument("--vocab", type=int, default=152_064)
    parser.add_argument("--rounds", type=int, default=2)
    return parser.parse_args()


def make_inputs(base: Path, adapter: Path, options: argparse.Namespace) -> None:
    """Write model and adapter, unless a whole model is there."""
    if not (base / "config.json").exists():
        base.mkdir(parents=True, exist_ok=True)
        config: dict[str, Any] = {
            "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_size": 3584,
            "intermediate_size": 18944, "num_hidden_layers": options.layers, "num_attention_heads": 28,
            "num_key_value_heads": 4, "vocab_size": options.vocab, "tie_word_embeddings": False,
        }  # fmt: skip
        (base / "tokenizer.json").write_text(qwen_tokenizer_json(), "utf-8")
        write_json(base / "tokenizer_config.json", qwen_tokenizer_config())
        print("writing the model", file=sys.stderr)
        write_weights(base, weight_shapes(config, qkv_bias=True), shards=SHARDS)
        write_json(base / "config.json", config)
    if not adapter.exists():
        write_random_adapter(adapter, base, rank=16, strength=0.01)


def time_copy(base: Path, target: Path) -> float:
    """Seconds to copy the model's files and have them on the disk."""
    start = time.monotonic()
    subprocess.run(["cp", "-r", "--reflink=never", str(base), str(target)], check=True)
    for file in target.iterdir():
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
    seconds = time.monotonic() - start
    shutil.rmtree(target)
    return seconds


def time_fuse(adapter: Path, base: Path, out: Path) -> tuple[float, int]:
    """Seconds and peak resident bytes of fusing in a process of its own."""
    start = time.monotonic()
    process = subprocess.Popen([sys.executable, "-c", FUSE, str(adapter), str(base), str(out)])
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    if status:
        raise SystemExit(f"fuse failed with status {status}")
    return seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()
