"""What the model says while it is trained: a few prompts, answered greedily at each checkpoint.

The answers are events for people to read. They decide nothing and leave the weights as they are.
"""

import json
import time

import mlx.core as mx

from web4mlx.config.schema import RunConfig
from web4mlx.engines.base import Request, Response, SamplingOptions
from web4mlx.engines.mlx_batch import generate_pieces
from web4mlx.engines.mlx_model import LoadedModel, read_end_tokens
from web4mlx.events import EventLog, Sampled
from web4mlx.models.tokenizer import ChatTokenizer
from web4mlx.train.lora import Adapters, find_module, place_adapters
from web4mlx.train.prepare import TrainingModel

ADAPTER_PARTS = ("lora_a", "lora_b")


class Interview:
    """Asks the model in training the prompts of `training.sample_prompts`.

    Args:
        config: The effective configuration.
        loaded: The model with LoRA layers attached.
        tokenizer: Of the base model.
        system: The system prompt of the training rows.
        log: Where the answers go.
    """

    def __init__(
        self, config: RunConfig, loaded: TrainingModel, tokenizer: ChatTokenizer, system: str, log: EventLog
    ) -> None:
        self.training, self.log = loaded, log
        base = json.loads((tokenizer.folder / "config.json").read_text("utf-8"))
        self.context = int(base.get("max_position_embeddings", 4096))
        self.model = LoadedModel(
            model=loaded.model,
            tokenizer=tokenizer,
            end_token_ids=read_end_tokens(tokenizer.folder, base) | {tokenizer.end_token_id},
            context=self.context,
            dtype=str(loaded.dtype),
            device=str(mx.default_device()),
        )
        options = SamplingOptions(temperature=0, max_tokens=config.training.sample_tokens)
        first = ({"role": "system", "content": system},) if system else ()
        self.requests = [
            Request(str(number), (*first, {"role": "user", "content": prompt}), options=options)
            for number, prompt in enumerate(config.training.sample_prompts)
        ]

    def hold(self, step: int, adapters: Adapters) -> None:
        """Ask all prompts with the adapters of a step; one event for each answer."""
        started = time.perf_counter()
        answers = self._ask(adapters)
        duration_s = time.perf_counter() - started
        for request in self.requests:
            response = answers[request.id]
            prompt = str(request.messages[-1]["content"])
            if response.finish_reason == "error":
                self.log.warn("sample", f"a sample prompt cannot be asked: {response.error}", "Shorten it.")
                continue
            self.log.write(
                Sampled, step=step, prompt=prompt, answer=response.text,
                is_cut=response.finish_reason == "length", duration_s=duration_s / len(self.requests),
            )  # fmt: skip

    def _ask(self, adapters: Adapters) -> dict[str, Response]:
        """The adapters are in the model only for as long as it speaks."""
        model = self.training.model
        place_adapters(model, adapters, self.training.dtype)
        model.eval()
        try:
            pieces = generate_pieces(self.model, self.requests, len(self.requests), self.context)
            return {piece.id: piece for piece in pieces if isinstance(piece, Response)}
        finally:
            for name in self.training.names:
                for part in ADAPTER_PARTS:
                    find_module(model, name).pop(part)
