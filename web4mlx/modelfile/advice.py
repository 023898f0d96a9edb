"""What a valid Modelfile should say as well, so that a chat model answers, stops and is reproducible."""

from collections.abc import Iterator

from web4mlx.modelfile.model import Modelfile, Problem

CHAT_STOPS = ("<|im_end|>", "<|endoftext|>", "<|im_start|>")


def advise(modelfile: Modelfile) -> list[Problem]:
    """Warnings about what is missing."""
    return [Problem(0, message, "warning") for message in _advice(modelfile)]


def _advice(modelfile: Modelfile) -> Iterator[str]:
    parameters = modelfile.parameters
    if not modelfile.system:
        yield "no SYSTEM: the base model's default system prompt would be used, unlike in training"
    if not modelfile.template:
        yield "no TEMPLATE: older servers fall back to the bare prompt"
    elif ".Tools" not in modelfile.template or ".ToolCalls" not in modelfile.template:
        yield "TEMPLATE has no tools: newer servers prefer the GGUF's own template and ignore this one"
    if missing := [stop for stop in CHAT_STOPS if stop not in modelfile.stop]:
        yield f"no PARAMETER stop for {', '.join(missing)}: answers may not end"
    if "num_ctx" not in parameters:
        yield "no PARAMETER num_ctx: the context depends on the machine"
    num_predict = parameters.get("num_predict", -1)
    if not isinstance(num_predict, int) or num_predict <= 0:
        yield "no PARAMETER num_predict: an answer that does not stop has no end"
