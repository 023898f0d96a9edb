"""The team's history and tool syntax, found again: ChromaDB for meaning, SQLite for order in time and links.

`build` fills a store from a repository; `open_store` and `Retriever` read it; `check` proves it; `mark`
records what has been trained. SQLite holds the texts and is the source of truth; ChromaDB can be rebuilt
from it. Retrieved text is data: nothing here interprets or executes it.
"""
