"""How ledgers of earlier forms become those of today; run by ``pipeline.ledger.upgrade``."""
