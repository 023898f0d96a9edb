"""Base models: the catalogue, Hub download, the packaged fallback, verification, and tokenizers."""
