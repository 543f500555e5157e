"""What people do with the ledger's cases: look, decide, exchange, check, learn."""
