"""The `evals` program: one file per command; bodies parse, call and render."""
