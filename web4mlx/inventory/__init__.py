"""What this program has made and keeps on the disk: bases, adapters, merged models, GGUFs, tags in Ollama."""
