"""Which activations to recompute: the fastest way whose predicted peak fits the memory."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from web4mlx.config.schema import RunConfig
from web4mlx.plan.memory import Memory, Settings, predict_memory
from web4mlx.plan.shape import ModelShape, read_shape
from web4mlx.plan.work import RowWork
from web4mlx.train.recompute import Recompute, recompute_plan

VALUE_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
QUANTIZED_GROUP = 64
"""Values that share a scale and a bias when the base is quantized for training."""
Choice = Literal["none", "selective", "full"] | int


@dataclass(frozen=True)
class Planner:
    """Predicts memory for one configuration.

    Attributes:
        shape: Model and adapter.
        settings: Precision and the like.
        correction: Measured over predicted memory beside the weights; 1 until something was measured.
    """

    shape: ModelShape
    settings: Settings
    correction: float = 1.0

    @classmethod
    def for_config(cls, config: RunConfig, base: Path, dtype: str, on_gpu: bool) -> "Planner":
        """The planner of a configuration, from the base's config.json."""
        shape = read_shape(base, config.lora)
        size = VALUE_BYTES[dtype]
        weights = shape.parameters * size
        if config.training.base_bits:
            bits = config.training.base_bits + 2 * 8 * size / QUANTIZED_GROUP
            weights -= int(shape.layers * shape.projections * (size - bits / 8))
        return cls(shape, Settings(size, weights, config.lora.dropout > 0, on_gpu))

    def memory(self, row: RowWork, choice: Choice) -> Memory:
        """Predicted memory when `row` is the largest micro-batch."""
        return predict_memory(self.shape, row, recompute_plan(choice, self.shape.layers), self.settings)

    def peak(self, row: RowWork, choice: Choice) -> int:
        """Predicted peak in bytes, with what was measured so far."""
        memory = self.memory(row, choice)
        return int(memory.weights + (memory.peak - memory.weights) * self.correction)

    def corrected(self, row: RowWork, choice: Choice, measured_bytes: int) -> "Planner":
        """This planner after a measured peak."""
        memory = self.memory(row, choice)
        factor = (measured_bytes - memory.weights) / (memory.peak - memory.weights)
        return Planner(self.shape, self.settings, max(factor, 0.1))

    def choose(self, row: RowWork, limit_bytes: float) -> Choice:
        """The fastest way to recompute that fits; `full` when nothing does."""
        for choice in self.choices():
            if self.peak(row, choice) <= limit_bytes:
                return choice
        return "full"

    def choices(self) -> list[Choice]:
        """All ways from the fastest to the leanest."""
        return ["none", "selective", *range(1, self.shape.layers), "full"]

    def one_of_choices(self, choice: Choice) -> Choice:
        """The choice that means the same: 0 layers is selective, all of them or more is full."""
        if not isinstance(choice, int):
            return choice
        return "selective" if choice == 0 else choice if choice < self.shape.layers else "full"

    def leaner(self, choice: Choice) -> Choice | None:
        """A way with a tenth of the layers more in full recomputation; None for the leanest."""
        if choice == "full":
            return None
        if choice == "none":
            return "selective"
        more = (choice if isinstance(choice, int) else 0) + max(1, self.shape.layers // 10)
        return self.one_of_choices(more)


def memory_limit_bytes(config: RunConfig) -> float:
    """What training may use: the configured limit, at most what Metal allows or nine tenths of the memory."""
    import psutil

    from web4mlx.machine.describe import describe_machine

    working_set = describe_machine().working_set_bytes
    fraction = config.hardware.memory_fraction
    most = working_set * fraction if working_set else psutil.virtual_memory().total * 0.9
    return min(config.hardware.memory_limit_gb * 1e9, most)


def describe_choice(choice: Choice | Recompute) -> str:
    """A way to recompute in words."""
    words = {"none": "keep everything", "selective": "selective recompute", "full": "recompute all layers"}
    return words.get(str(choice), f"recompute {choice} layers, the others selectively")
