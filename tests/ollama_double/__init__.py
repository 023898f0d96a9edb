"""An Ollama server for tests: real files, real digests, real answers by llama.cpp, and faults on demand."""

from tests.ollama_double.double import OllamaDouble, running_double
from tests.ollama_double.faults import Fault

__all__ = ["Fault", "OllamaDouble", "running_double"]
