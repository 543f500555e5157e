"""Measured accuracy of the detectors: real labels, injected objects, simulation, baselines."""
