"""A Modelfile that says something else than the evaluated one is not imported with the evaluated model."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.cleared_reports import subject_of
from web4mlx.deploy.speech import require_same_speech
from web4mlx.errors import CheckFailed
from web4mlx.modelfile import Modelfile
from web4mlx.modelfile.model import ChatMessage

SPOKEN = Modelfile(
    "m.gguf",
    system="Be brief.",
    parameters={"num_ctx": 2048, "temperature": 0.2, "stop": ("<|im_end|>",)},
    messages=(ChatMessage("user", "Hi"), ChatMessage("assistant", "Hi.")),
)


def changed(**parameters: float) -> Modelfile:
    return replace(SPOKEN, parameters={**SPOKEN.parameters, **parameters})


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"weights")
    return path


@pytest.mark.parametrize(
    ("other", "fault"),
    [
        (replace(SPOKEN, system="Be long."), "SYSTEM is another one"),
        (changed(num_ctx=8192), "num_ctx was 2048, now 8192"),
        (replace(SPOKEN, parameters={}), "num_ctx was 2048, now 4096"),
        (changed(temperature=0.9), "temperature was 0.2, now 0.9"),
        (replace(SPOKEN, messages=()), "the MESSAGEs are others"),
        (replace(SPOKEN, messages=SPOKEN.messages[::-1]), "the MESSAGEs are others"),
    ],
)
def test_what_was_not_evaluated_is_named(gguf: Path, other: Modelfile, fault: str) -> None:
    with pytest.raises(CheckFailed, match=fault):
        require_same_speech(subject_of(gguf, SPOKEN), other, Path("Modelfile"))


def test_the_evaluated_modelfile_is_accepted(gguf: Path) -> None:
    require_same_speech(subject_of(gguf, SPOKEN), replace(SPOKEN, licenses=("MIT",)), Path("Modelfile"))
