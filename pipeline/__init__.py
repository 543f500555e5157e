"""siluan: suspected cases of the four chaos (四乱) from imagery, for river-chief offices."""

import os

# Work is spread over tiles; threads of the linear algebra on top of that wait for each other by
# spinning: a fifth of a patrol's CPU on a busy machine. It reads this once, when NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

__version__ = "0.2.0"
