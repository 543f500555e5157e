"""Leads (线索) that people bring: read, placed, and given to the ledger."""
