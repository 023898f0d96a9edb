"""The configuration of a run as frozen pydantic models. Each default is stated here and nowhere else."""

import os
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, model_validator

from web4mlx.config.rag import RagConfig
from web4mlx.config.section import Section
from web4mlx.config.serving import AssistantConfig, ServeConfig
from web4mlx.config.smoke import SmokeConfig

Projection = Literal["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
PROJECTIONS: tuple[Projection, ...] = get_args(Projection)
QuantType = Literal["Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0"]
Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
RunName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]


def _ascending(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError("expected [lowest, highest]")
    return bounds


Ascending = AfterValidator(_ascending)


class ModelConfig(Section):
    """The base model: a name of the catalogue, or a folder in Hugging Face layout."""

    base: str = "smollm2-135m-instruct"
    folder: Path = Path("models")
    revision: str | None = None


class DataConfig(Section):
    """The samples and how they become training rows.

    `row_tokens` bounds the tokens that go through the model together: a packed row, or a bucketed
    micro-batch. `expected_counts` maps a file's stem to its number of samples; `expected_total_tokens` and
    `expected_mean_tokens` are inclusive ranges over the training files. `selection` is a file with the ids of
    the samples to train on, one a line; None trains on all.
    """

    train: tuple[Path, ...] = Field(min_length=1)
    eval: Path
    selection: Path | None = None
    expected_counts: dict[str, Positive] = Field(default_factory=dict)
    expected_total_tokens: Annotated[tuple[int, int], Ascending] | None = None
    expected_mean_tokens: Annotated[tuple[int, int], Ascending] | None = None
    max_seq_length: Annotated[int, Field(ge=32)] = 2048
    too_long: Literal["drop", "keep_head", "split"] = "drop"
    batching: Literal["packed", "bucketed", "max_length"] = "packed"
    row_tokens: Annotated[int, Field(ge=32)] = 2048
    validation_rows: Positive = 200
    near_duplicate_similarity: Annotated[float, Field(gt=0.5, le=1)] = 0.85
    sample_scale: Literal["demo", "full"] | None = None
    sample_seed: int = 7


class TrainingConfig(Section):
    """The training loop. A step is `batch_size` × `gradient_accumulation_steps` samples.

    `loss_low` and `loss_high` are the plan's warning window for the training loss; `final_loss` is the range
    `verify` accepts at the end. `recompute` says which activations are computed twice instead of kept: a
    number recomputes that many layers in full and the others selectively, `auto` takes the fastest way that
    fits `hardware.memory_limit_gb`. `base_bits` quantizes the base's projections while training, and only
    then. `samples_per_second` is the plan's expected range, if stated. `sample_prompts` are asked at the
    start and at each checkpoint, for people to read; an answer has at most `sample_tokens` tokens.
    """

    epochs: Annotated[float, Field(gt=0, le=100)] = 2
    batch_size: Positive = 1
    gradient_accumulation_steps: Positive = 12
    learning_rate: Annotated[float, Field(gt=0, lt=1)] = 2e-4
    recompute: Literal["auto", "none", "selective", "full"] | Annotated[int, Field(ge=0)] = "auto"
    base_bits: Literal[4, 8] | None = None
    compile: Literal["auto", "on", "off"] = "auto"
    lr_scheduler: Literal["cosine", "linear", "constant"] = "cosine"
    warmup_steps: Annotated[int, Field(ge=0)] = 100
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.01
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    optimizer: Literal["adamw"] = "adamw"
    logging_steps: Positive = 50
    save_steps: Positive = 500
    eval_steps: Positive = 500
    save_total_limit: Positive = 3
    patience: Annotated[int, Field(ge=0)] = 0
    max_skipped_in_a_row: Positive = 5
    seed: int = 42
    loss_low: float = 0.4
    loss_high: float = 1.5
    final_loss: Annotated[tuple[float, float], Ascending] = (0.6, 1.0)
    samples_per_second: Annotated[tuple[float, float], Ascending] | None = None
    sample_prompts: tuple[Annotated[str, Field(min_length=1)], ...] = Field(default=(), max_length=16)
    sample_tokens: Positive = 48

    @property
    def samples_per_step(self) -> int:
        """Samples whose gradients make one optimizer step."""
        return self.batch_size * self.gradient_accumulation_steps


class LoraConfig(Section):
    """The adapter, in PEFT's terms: the effective scale is `alpha / rank`."""

    rank: Annotated[int, Field(gt=0, le=512)] = 16
    alpha: Annotated[float, Field(gt=0)] = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.05
    target_modules: tuple[Projection, ...] = Field(default=PROJECTIONS, min_length=1)
    layers: Literal["all"] | Positive = "all"
    bias: Literal["none"] = "none"

    @property
    def scale(self) -> float:
        """The factor of the low-rank product, alpha / rank."""
        return self.alpha / self.rank


class HardwareConfig(Section):
    """Device and memory. `dtype` auto: float16 on M1/M2, bfloat16 later, float32 on a CPU.

    `memory_fraction` is the share of the recommended Metal working set that MLX may use;
    `memory_limit_gb` is where the loop warns, measured on the process's own peak.
    """

    device: Literal["auto", "gpu", "cpu"] = "auto"
    dtype: Literal["auto", "float16", "bfloat16", "float32"] = "auto"
    memory_fraction: Annotated[float, Field(gt=0, le=1)] = 0.85
    memory_limit_gb: Annotated[float, Field(gt=0)] = 23.0


class ExportConfig(Section):
    """The GGUF and the quality it must keep. Shares are of 1.

    `calibration_rows` training rows decide how Q5_0 tensors are rounded; 0 rounds to the nearest.
    """

    type: QuantType = "Q4_K_M"
    keep_f16: bool = False
    calibration_rows: Annotated[int, Field(ge=0)] = 0
    retention_rows: Positive = 32
    min_perplexity_retention: Share = 0.95
    min_gain_kept: Share = 0.70


class AskConfig(Section):
    """What the pipeline asks the base and the new model at the end: a prompts file of `evals preview`.

    None takes the prompts that ship with it; answers have at most `max_tokens` tokens.
    """

    prompts: Path | None = None
    max_tokens: Positive = 256


class EvalsConfig(Section):
    """How the suite asks: requests decoded together, the seed, and the base model's cases of a harness."""

    parallel: Annotated[int, Field(gt=0, le=64)] = 8
    seed: Annotated[int, Field(ge=0, lt=2**32 - 1)] = 7
    baseline_cases: Annotated[int, Field(ge=25, le=100)] = 25


class DeployConfig(Section):
    """What a cleared model is called in Ollama."""

    name: Annotated[str, Field(min_length=1)] = "web4-agent:latest"


class RunConfig(Section):
    """A whole run. `outputs` holds everything the run makes; `modelfile` is the source of the SYSTEM."""

    name: RunName = "web4_balanced"
    outputs: Path = Path("outputs")
    modelfile: Path = Path("Modelfile")
    model: ModelConfig = ModelConfig()
    data: DataConfig
    training: TrainingConfig = TrainingConfig()
    lora: LoraConfig = LoraConfig()
    hardware: HardwareConfig = HardwareConfig()
    export: ExportConfig = ExportConfig()
    ask: AskConfig = AskConfig()
    evals: EvalsConfig = EvalsConfig()
    deploy: DeployConfig = DeployConfig()
    assistant: AssistantConfig = AssistantConfig()
    serve: ServeConfig = ServeConfig()
    rag: RagConfig = RagConfig()
    smoke: SmokeConfig = SmokeConfig()

    @property
    def store(self) -> Path:
        """The folder of the retrieval store."""
        return self.rag.db or self.outputs / "rag"

    @model_validator(mode="after")
    def _eval_is_held_out(self) -> "RunConfig":
        if os.path.abspath(self.data.eval) in map(os.path.abspath, self.data.train):
            raise ValueError(
                f"data.eval ({self.data.eval}) is also listed in data.train; it must be held out"
            )
        return self
