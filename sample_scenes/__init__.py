"""A fictional river reach and reservoir, simulated as Sentinel-2 L2A scenes with known truth.

Nothing here knows how the detection works, and nothing in ``pipeline`` imports it.
"""
