"""The parts of a run, for :mod:`pipeline.run` and the commands beside it."""
