"""siluan: suspected cases of the four chaos (四乱) from imagery, for river-chief offices."""

__version__ = "0.2.0"
