"""Evaluation of a trained model before it may be shipped. Builds on `web4mlx`, never the other way."""
