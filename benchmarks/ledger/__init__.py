"""How the ledger does with a million cases, and when it is killed."""
