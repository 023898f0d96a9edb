"""The server that editors talk to: Ollama's and OpenAI's routes in front of Ollama or of a GGUF."""
