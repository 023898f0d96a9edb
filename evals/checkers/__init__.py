"""Judges of generated text: documents, code, tool calls, refusals. Strict, and without a model."""
