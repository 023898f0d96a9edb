"""Is a model served as it was evaluated? Whatever of a Modelfile decides an answer has to be the same."""

from dataclasses import asdict
from pathlib import Path

from web4mlx.artifacts import sha256_bytes
from web4mlx.errors import CheckFailed
from web4mlx.modelfile import Modelfile, sampling_options
from web4mlx.reports import Subject

SERVED = ("temperature", "top_k", "top_p", "min_p", "repeat_penalty", "repeat_last_n", "presence_penalty",
          "frequency_penalty", "max_tokens", "stop")  # fmt: skip


def require_same_speech(subject: Subject, modelfile: Modelfile, path: Path) -> None:
    """Refuse a Modelfile that says something else than the one of the evaluation.

    Raises:
        CheckFailed: Names what differs.
    """
    faults = []
    if subject.system_sha256 != sha256_bytes(modelfile.system.encode()):
        faults.append("SYSTEM is another one")
    if subject.messages_sha256 != modelfile.messages_sha256:
        faults.append("the MESSAGEs are others")
    if subject.context != modelfile.context:
        faults.append(f"num_ctx was {subject.context}, now {modelfile.context}")
    options = asdict(sampling_options(modelfile))
    for field in SERVED:
        now = list(options[field]) if isinstance(options[field], tuple) else options[field]
        if subject.options.get(field) != now:
            faults.append(f"{field} was {subject.options.get(field)}, now {now}")
    if faults:
        listed = "\n".join(f"  - {fault}" for fault in faults)
        raise CheckFailed(
            f"{path} is not what was evaluated:\n{listed}",
            "Evaluate again with this Modelfile (`evals run`), or restore it.",
        )
