"""SciPy's image filters and Fourier transforms, imported when one is first asked for.

Each takes 0.2 s of CPU to import, which commands that look at no image need not wait for: options
stand beside the functions that use them, so that reading a workflow imports those.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scipy import fft, ndimage
else:

    class _Late:
        """Stands for a module; what was asked for once is an attribute of its own."""

        def __init__(self, name: str) -> None:
            self._name = name

        def __getattr__(self, name: str) -> Any:
            found = getattr(import_module(self._name), name)
            setattr(self, name, found)
            return found

    ndimage, fft = _Late("scipy.ndimage"), _Late("scipy.fft")

__all__ = ["fft", "ndimage"]
