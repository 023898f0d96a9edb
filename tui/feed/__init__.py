"""Readings: what is going on, read from files as they grow. Nothing here draws, and nothing here writes."""
