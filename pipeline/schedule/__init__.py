"""Workflows on a clock: what is due, what ran, and how everything stands."""
