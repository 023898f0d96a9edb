"""Quality retention: the figures, the limits, and what is advised."""

import math
from pathlib import Path

import numpy as np
import pytest

from web4mlx.config.schema import ExportConfig
from web4mlx.errors import CheckFailed
from web4mlx.events import Event, EventLog, Warned
from web4mlx.export.retention import NAMES, Retention, require_retention, summarize
from web4mlx.export.scores import Scores, score_logits


def scores(**losses: float) -> dict[str, Scores]:
    best = np.arange(4, dtype=np.int32)
    return {
        name: Scores(np.full(4, losses[name], np.float32), best if name != "quantized" else best // 2)
        for name in NAMES
    }


def result(quantized: float, *, base: float = 3.0, f16: float = 1.0, quant: str = "Q4_K_M") -> Retention:
    return summarize(scores(base=base, adapter=1.0, merged=1.0, f16=f16, quantized=quantized), quant, 4)


def require(retention: Retention) -> list[Event]:
    events: list[Event] = []
    log = EventLog(None, "r", "export", events.append)
    require_retention(retention, ExportConfig(), Path("outputs/merged"), log)
    return events


def test_losses_are_cross_entropies_in_nats() -> None:
    logits = np.log(np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]], np.float32)) + 7
    losses, best = score_logits(logits, np.array([0, 1]))
    assert losses == pytest.approx([math.log(2), math.log(10)], abs=1e-6)
    assert best.tolist() == [0, 2]


def test_the_figures_follow_their_definitions() -> None:
    score = result(1.04).models["quantized"]
    assert score.loss == pytest.approx(1.04)
    assert score.perplexity == pytest.approx(math.exp(1.04))
    assert score.retention == pytest.approx(math.exp(-0.04))
    assert score.gain_kept == pytest.approx(1.96 / 2.0)
    assert score.top1_agreement == 0.25
    assert result(1.04).models["base"].gain_kept == pytest.approx(0.0)


def test_little_loss_passes() -> None:
    assert require(result(1.04)) == []


def test_a_perplexity_below_95_percent_blocks_and_names_the_next_type() -> None:
    with pytest.raises(CheckFailed, match="perplexity retention") as caught:
        require(result(1.06))
    assert "web4mlx export outputs/merged --type Q5_K_M" in caught.value.hint


def test_less_than_70_percent_of_the_gain_blocks() -> None:
    with pytest.raises(CheckFailed, match="gain kept"):
        require(result(1.04, base=1.1))


def test_a_loss_that_is_no_number_blocks() -> None:
    with pytest.raises(CheckFailed):
        require(result(float("nan")))


@pytest.mark.parametrize(("quant", "advice"), [("Q5_K_M", "--type Q6_K"), ("Q6_K", "--type Q8_0"),
                                               ("Q8_0", "no better type")])  # fmt: skip
def test_each_type_has_its_next(quant: str, advice: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        require(result(1.2, quant=quant))
    assert advice in caught.value.hint


def test_no_other_type_is_advised_when_merging_lost_it() -> None:
    with pytest.raises(CheckFailed) as caught:
        require(result(1.2, f16=1.2))
    assert "merging" in caught.value.hint


def test_an_adapter_without_gain_is_said_loudly() -> None:
    events = require(result(1.0, base=1.0))
    assert [event.code for event in events if isinstance(event, Warned)] == ["no_gain"]
