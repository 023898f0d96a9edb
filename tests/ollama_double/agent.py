"""A tiny cleared model for import tests: it answers the question of the domain in one sentence."""

from dataclasses import replace
from pathlib import Path

from tests.micro_gguf import sentence, write_micro_gguf
from web4mlx.modelfile import Modelfile, read_modelfile, write_modelfile

WORDS = ("The", " constructor", " is", " empty;", " init(scenario)", " configures.")
ANSWER = "".join(WORDS)
ROOT = Path(__file__).parents[2]
Q4_K_M = 15


def write_agent(path: Path, words: tuple[str, ...] = WORDS) -> Path:
    """A Qwen2 that calls itself Q4_K_M and says these words to everything."""
    return write_micro_gguf(path, sentence(*words), words=words, architecture="qwen2", file_type=Q4_K_M)


def write_agent_modelfile(path: Path) -> Modelfile:
    """The demo's Modelfile with a short context and greedy sampling."""
    shipped = read_modelfile(ROOT / "configs" / "demo.Modelfile")
    parameters = {**shipped.parameters, "num_ctx": 512, "num_predict": 32, "temperature": 0.2}
    modelfile = replace(shipped, from_="./web4-agent.gguf", parameters=parameters)
    path.write_text(write_modelfile(modelfile))
    return modelfile
