"""Ways to generate text from a model, behind one `Engine` protocol."""
