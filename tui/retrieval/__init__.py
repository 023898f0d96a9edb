"""What the RAG screen reads: the store's facts and reports, documents with their links, and its answers."""
