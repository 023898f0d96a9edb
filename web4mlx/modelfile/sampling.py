"""The sampling options that a Modelfile's parameters mean."""

from typing import Any

from web4mlx.engines.base import SamplingOptions
from web4mlx.errors import UsageError
from web4mlx.modelfile.model import Modelfile

_SAME_NAME = (
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "repeat_penalty",
    "presence_penalty",
    "frequency_penalty",
)


def sampling_options(modelfile: Modelfile, **overrides: Any) -> SamplingOptions:
    """The options of an answer by this Modelfile.

    Args:
        modelfile: Its `num_predict` caps the answer; without one the default cap holds.
        overrides: Fields of `SamplingOptions` that win; None leaves a field as it is.

    Raises:
        UsageError: A parameter is out of range, or one that no engine here can do.
    """
    parameters: dict[str, Any] = dict(modelfile.parameters)
    if parameters.get("typical_p", 1.0) != 1.0:
        raise UsageError("PARAMETER typical_p is not supported here", "Remove it, or use top_p or min_p.")
    fields = {name: parameters[name] for name in _SAME_NAME if name in parameters}
    if parameters.get("seed", -1) >= 0:
        fields["seed"] = parameters["seed"]
    if parameters.get("num_predict", -1) > 0:
        fields["max_tokens"] = parameters["num_predict"]
    if "repeat_last_n" in parameters:
        window = parameters["repeat_last_n"]
        fields["repeat_last_n"] = modelfile.context if window < 0 else window
    fields["stop"] = modelfile.stop
    return SamplingOptions(**fields | {name: value for name, value in overrides.items() if value is not None})
