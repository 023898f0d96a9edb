"""A question as `web4mlx ask` puts it: which model, which Modelfile, which options."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from web4mlx.config.rag import RagConfig
from web4mlx.config.serving import AssistantConfig
from web4mlx.engines.base import Engine, Request
from web4mlx.engines.open import newest_gguf, open_engine
from web4mlx.modelfile import read_modelfile, sampling_options


@dataclass(frozen=True, slots=True)
class QuestionPlan:
    """Everything that decides an answer; nothing is loaded yet.

    `context` is the Modelfile's `num_ctx`; `store` is the run's, or None without a configuration.
    """

    request: Request
    model: Path
    adapter: Path | None
    modelfile: Path
    context: int
    assistant: AssistantConfig = AssistantConfig()
    rag: RagConfig = RagConfig()
    store: Path | None = None

    def with_options(self, seed: int | None, max_tokens: int | None) -> Self:
        """The same with a seed and a cap that win over the Modelfile; None keeps the Modelfile's.

        Raises:
            UsageError: A value is out of its range.
        """
        options = self.request.options
        options = replace(
            options,
            seed=options.seed if seed is None else seed,
            max_tokens=options.max_tokens if max_tokens is None else max_tokens,
        )
        return replace(self, request=replace(self.request, options=options))

    def open(self) -> Engine:
        """Load the model."""
        return open_engine(self.model, self.adapter, context=self.context)


def plan_question(
    question: str, config: str, model: Path | None, adapter: Path | None, modelfile: Path | None
) -> QuestionPlan:
    """Complete what was typed from the configuration.

    Args:
        question: The user's turn.
        config: File or shipped name; read only for what was not typed.
        model: None takes the newest exported GGUF, or with an adapter the configured base.
        adapter: A training run, or None.
        modelfile: None takes the configured one.

    Raises:
        MissingPrerequisite: The model, the Modelfile or the configuration does not exist.
        UsageError: One of them is not valid.
    """
    assistant, rag, store = AssistantConfig(), RagConfig(), None
    if model is None or modelfile is None:
        from web4mlx.config import find_config, load_config

        settings = load_config(find_config(config))
        assistant, rag, store = settings.assistant, settings.rag, settings.store
        modelfile = modelfile or settings.modelfile
        if model is None and adapter is not None:
            from web4mlx.models.base import find_base

            model = find_base(settings.model)
        model = model or newest_gguf(settings.outputs)
    spoken = read_modelfile(modelfile)
    request = Request("ask", tuple(spoken.chat(question)), options=sampling_options(spoken))
    return QuestionPlan(request, model, adapter, modelfile, spoken.context, assistant, rag, store)
