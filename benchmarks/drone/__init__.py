"""How well the detection of drone pairs does; ``python -m benchmarks.drone``."""
