"""The Modelfile: the single source of the system prompt, the template and the sampling parameters.

Parsed as strictly as Ollama does, and stricter where Ollama would silently drop or misread something.
"""

from web4mlx.modelfile.advice import advise
from web4mlx.modelfile.model import Modelfile, Problem
from web4mlx.modelfile.parse import check_modelfile, parse_modelfile, read_modelfile, resolve_from
from web4mlx.modelfile.sampling import sampling_options
from web4mlx.modelfile.write import write_modelfile

__all__ = [
    "Modelfile",
    "Problem",
    "advise",
    "check_modelfile",
    "parse_modelfile",
    "read_modelfile",
    "resolve_from",
    "sampling_options",
    "write_modelfile",
]
