"""Identity across runs, life cycle, store."""
