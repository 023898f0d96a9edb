"""Samples: reading, checks, chat rendering and masks, training rows, and the sample corpus."""
