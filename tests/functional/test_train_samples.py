"""What the model says at checkpoints: asked, written, and without any influence on the training."""

from pathlib import Path

import pytest

from tests.training_project import train_here, write_project
from web4mlx.config import load_config
from web4mlx.events import Checkpoint, Event, Sampled, Warned
from web4mlx.train.settings import training_settings

PROMPTS = ["build test scenario?", "layer class?"]


def adapters(run: Path) -> bytes:
    return (run / "adapter_model.safetensors").read_bytes()


def sampled(events: list[Event]) -> list[Sampled]:
    return [event for event in events if isinstance(event, Sampled)]


@pytest.mark.parametrize("extra", [{}, {"recompute": "full"}, {"base_bits": 8}])
def test_the_weights_are_the_same_with_and_without_samples(in_tmp: Path, extra: dict[str, object]) -> None:
    silent, events = train_here(write_project(in_tmp, **extra))
    assert sampled(events) == []
    asked, events = train_here(write_project(in_tmp, sample_prompts=PROMPTS, sample_tokens=6, **extra))
    assert adapters(asked) == adapters(silent)
    steps = [0, *(event.step for event in events if isinstance(event, Checkpoint))]
    assert [(event.step, event.prompt) for event in sampled(events)] == [
        (step, prompt) for step in steps for prompt in PROMPTS
    ]
    assert any(event.answer for event in sampled(events))


def test_the_same_holds_for_a_model_that_the_library_s_layers_run(in_tmp: Path) -> None:
    from tests.micro_models import write_micro_llama

    def scaled(folder: Path) -> None:
        import json

        write_micro_llama(folder)
        config = json.loads((folder / "config.json").read_text())
        config["rope_scaling"] = {"type": "linear", "factor": 2.0}
        (folder / "config.json").write_text(json.dumps(config))

    silent, _ = train_here(write_project(in_tmp, base=scaled, recompute="full"))
    asked, events = train_here(
        write_project(in_tmp, base=scaled, recompute="full", sample_prompts=PROMPTS, sample_tokens=6)
    )
    assert any(isinstance(event, Warned) and event.code == "fallback" for event in events)
    assert len(sampled(events)) == 6
    assert adapters(asked) == adapters(silent)


def test_the_last_answer_is_the_one_of_the_finished_adapter(in_tmp: Path) -> None:
    from web4mlx.engines.base import Request, SamplingOptions
    from web4mlx.engines.mlx import MlxEngine

    config = load_config(write_project(in_tmp, epochs=6, eval_steps=1000, sample_prompts=PROMPTS[:1]))
    run, events = train_here(in_tmp / "config.toml")
    messages = (
        {"role": "system", "content": "You are a Web4 agent."}, {"role": "user", "content": PROMPTS[0]},
    )  # fmt: skip
    request = Request("one", messages, options=SamplingOptions(temperature=0, max_tokens=48))
    with MlxEngine(Path(config.model.base), run) as engine:
        (response,) = engine.generate([request])
    last = sampled(events)[-1]
    assert (last.answer, last.is_cut) == (response.text, response.finish_reason == "length")
    assert last.answer != sampled(events)[0].answer


def test_a_prompt_that_is_too_long_is_named_and_training_goes_on(in_tmp: Path) -> None:
    run, events = train_here(
        write_project(in_tmp, sample_prompts=["word " * 5000, PROMPTS[0]], sample_tokens=4)
    )
    warned = [event for event in events if isinstance(event, Warned) and event.code == "sample"]
    assert warned
    assert {event.prompt for event in sampled(events)} == {PROMPTS[0]}
    assert (run / "manifest.json").is_file()


def test_samples_are_no_part_of_what_decides_the_weights(in_tmp: Path) -> None:
    plain = load_config(write_project(in_tmp))
    asked = load_config(write_project(in_tmp, sample_prompts=PROMPTS, sample_tokens=6))
    assert training_settings(plain) == training_settings(asked)
