"""Planning a training run before it starts."""
