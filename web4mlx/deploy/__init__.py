"""Shipping: whether exactly this GGUF was cleared, and its way into Ollama and back."""
