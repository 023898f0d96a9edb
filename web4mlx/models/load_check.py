"""Loads a model folder in mlx-lm and predicts one token; run as a process by `verify`.

Prints one line: what was done, or why it failed (exit code 1). A model that would take more than half of the
free memory is opened and matched against its architecture, but not computed.
"""

import sys
from pathlib import Path

FREE_SHARE = 0.5


def check_loading(folder: Path) -> str:
    """Load and run the model.

    Raises:
        ValueError: Names or shapes do not fit the architecture, or the logits are not finite.
    """
    import psutil

    from web4mlx.machine.mlx_runtime import load_mlx
    from web4mlx.models.tokenizer import ChatTokenizer
    from web4mlx.models.weights import weight_files

    size_bytes = sum(file.stat().st_size for file in weight_files(folder))
    mx = load_mlx()
    from mlx_lm.utils import load_model

    model, _ = load_model(folder, lazy=True)
    if size_bytes > FREE_SHARE * psutil.virtual_memory().available:
        return f"opens in mlx-lm ({size_bytes / 1e9:.1f} GB, not computed: too little free memory)"
    tokenizer = ChatTokenizer(folder)
    prompt = tokenizer.render([{"role": "user", "content": "Hello"}], add_generation_prompt=True)
    logits = model(mx.array([tokenizer.encode(prompt)]))[0, -1].astype(mx.float32)
    if not mx.all(mx.isfinite(logits)).item():
        raise ValueError("the model's logits are not finite")
    token = tokenizer.decode([mx.argmax(logits).item()])
    return f"loads in mlx-lm; its first word to 'Hello' is {token!r}"


def main() -> int:
    """Check the folder named by the first argument."""
    try:
        print(check_loading(Path(sys.argv[1])))
    except Exception as error:  # a process of its own: whatever mlx-lm raises is the finding
        print(f"{type(error).__name__}: {error}".replace("\n", " ")[:500])
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
