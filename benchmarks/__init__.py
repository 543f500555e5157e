"""Commands that measure; anyone can run them."""
