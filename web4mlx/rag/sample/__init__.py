"""A generated source for trying the RAG: a repository as teams really keep it, and tool examples."""

from web4mlx.rag.sample.write import SCALES, Scale, sample_counts, write_sample

__all__ = ["SCALES", "Scale", "sample_counts", "write_sample"]
