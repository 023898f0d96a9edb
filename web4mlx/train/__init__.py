"""LoRA training: rows to adapter. The loop, its parts, and the process around it."""
