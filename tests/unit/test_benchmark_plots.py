"""A benchmark's saved result becomes a picture with every label and value in it, and nothing is measured."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.bar_chart import KINDS, Panel, draw_charts

FOLDER = Path(__file__).parents[2] / "benchmarks"
SVG = "{http://www.w3.org/2000/svg}"
STEP = {"tokens_per_second": 69.0, "peak_bytes": 1_550_000_000}
PAIRS = {"web4mlx_vs_mlx_lm": 0.57, "web4mlx_full_vs_mlx_lm_checkpointed": 1.79}
RESULTS: dict[str, Any] = {
    "train_vs_mlx_lm": {
        "ratios": {"vs_mlx_lm": 2.31},
        "rows_512": {"speed_vs_mlx_lm": 2.16},
        "activation_memory": PAIRS,
        "single_sequence_speed": PAIRS,
        "medians": {"step": {"web4mlx": STEP | {"tokens_per_second": 159.3}, "mlx_lm": STEP}, "single": {}},
        "machine": {"system": "Linux-6 <x86>", "cores": 2, "threads": 1},
        "validation_loss": {"web4mlx": [2.233, 2.092, 2.307], "mlx_lm": [2.375, 2.389, 2.509]},
    },
    "train_techniques": {
        "mlx_lm": {"speed": 1.0, "peak": 1.0},
        "web4mlx": {"speed": 2.45, "peak": 1.71},
    },
    "train_scaling": {
        "length": {"256": {"speed": 1.55, "activations": 0.36}},
        "samples": {"24": {"speed": 2.69, "activations": 3.07}},
        "vocabulary": {"147456": {"speed": 2.34, "activations": 0.43}},
    },
    "plan_accuracy": [
        {
            "shape": "demo", "way": "full", "peak_bytes": 890_000_000, "predicted_bytes": 950_000_000,
            "peak_ratio": 1.07, "step_s": 15.3, "predicted_s": 14.7,
        },
        {"shape": "7B, 28 layers", "way": "9", "predicted_bytes": 24_300_000_000, "parts": {}},
    ],
}  # fmt: skip
LABELS = {
    "train_vs_mlx_lm": {
        "web4mlx", "mlx_lm", "159", "69.0", "1.55 GB", "web4mlx_full vs mlx_lm_checkpointed", "1.79×",
        "seed 3", "2.307", "2.509", "Linux-6 <x86>, 2 cores, BLAS threads of each variant: 1",
    },
    "train_techniques": {"mlx-lm's own loop", "… and the shared prefix: everything", "2.45×", "1.71×"},
    "train_scaling": {"speed", "activation memory", "256", "24", "147,456", "1.55×", "3.07×", "0.43×"},
    "plan_accuracy": {
        "measured", "predicted", "demo: full", "0.89 GB", "0.95 GB", "24.3 GB",
        "7B, 28 layers: 9 layers in full", "15.3 s", "14.7 s",
    },
}  # fmt: skip
BARS = {"train_vs_mlx_lm": 14, "train_techniques": 4, "train_scaling": 6, "plan_accuracy": 5}


def run_benchmark(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(FOLDER / f"{name}.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def texts(root: ElementTree.Element) -> set[str]:
    return {item.text or "" for item in root.iter(f"{SVG}text")}


def bars(root: ElementTree.Element) -> list[ElementTree.Element]:
    return [item for item in root.iter(f"{SVG}rect") if item.get("class") in KINDS]


@pytest.mark.parametrize("name", RESULTS)
def test_a_saved_result_is_drawn_with_all_its_labels(name: str, tmp_path: Path) -> None:
    saved, plot = tmp_path / "result.json", tmp_path / "plots" / "result.svg"
    saved.write_text(json.dumps(RESULTS[name]), "utf-8")
    done = run_benchmark(name, "--from", saved, "--plot", plot, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == RESULTS[name]
    root = ElementTree.parse(plot).getroot()
    assert LABELS[name] <= texts(root)
    assert len(bars(root)) == BARS[name]


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "No such file"), ("{", "no JSON"), ("[]", "not a result of this"), ('{"a": 1}', "not a result")],
)
def test_a_file_that_is_no_result_is_named(content: str | None, told: str, tmp_path: Path) -> None:
    saved = tmp_path / "result.json"
    if content is not None:
        saved.write_text(content, "utf-8")
    done = run_benchmark("train_scaling", "--from", saved)
    assert done.returncode == 1
    assert "result.json" in done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_plot_that_is_no_svg_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    done = run_benchmark("train_techniques", "--plot", tmp_path / "plot.png")
    assert done.returncode == 2
    assert "FILE.svg" in done.stderr


def test_bars_are_as_long_as_their_values_and_a_missing_one_takes_no_room() -> None:
    panel = Panel("t", ("a", "b"), {"one": (2.0, 1.0), "two": (None, 0.5)}, unit="×", reference="par")
    found = bars(ElementTree.fromstring(draw_charts("t", [panel])))
    widths = [float(bar.get("width", 0)) for bar in found]
    assert widths == pytest.approx([widths[0], widths[0] / 2, widths[0] / 4], abs=0.1)
    assert [bar.get("class") for bar in found] == ["bar", "bar1", "bar1"]


def test_everything_is_inside_the_picture_even_when_all_values_are_below_the_reference() -> None:
    panel = Panel("t", ("a",), {"a label & <one> more": (0.2,)}, unit="×", reference="par")
    root = ElementTree.fromstring(draw_charts("t", [panel, Panel("empty", ("a",), {})], "caption"))
    width, height = map(float, root.get("viewBox", "").split()[2:])
    assert "a label & <one> more" in texts(root)
    assert "empty" not in texts(root)
    for item in root.iter():
        assert 0 <= float(item.get("x", 0)) <= width
        assert 0 <= float(item.get("y", 0)) <= height
    reference = next(item for item in root.iter(f"{SVG}line") if item.get("class") == "limit")
    assert float(reference.get("x1", 0)) < width


@pytest.mark.parametrize(
    ("value", "told"),
    [(159.3, "159 s"), (12.34, "12.3 s"), (1.0, "1.00 s"), (0.57, "0.57 s"), (0.0041, "0.0041 s")],
)
def test_a_value_is_told_with_as_many_digits_as_it_deserves(value: float, told: str) -> None:
    assert Panel("t", ("a",), {}, unit=" s").name_value(value) == told


@pytest.mark.parametrize("value", [0.0, 0.004, 0.97, 1.0, 9.99, 159.3, 39_000.0])
def test_any_value_has_a_scale_with_a_few_ticks(value: float) -> None:
    root = ElementTree.fromstring(draw_charts("t", [Panel("t", ("a",), {"one": (value,)})]))
    grid = [item for item in root.iter(f"{SVG}line") if item.get("class") == "grid"]
    assert len(grid) >= 2 or value == 0.0
    assert len(grid) <= 8
