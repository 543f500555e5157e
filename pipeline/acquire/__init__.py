"""Scenes from catalogues and folders, checked before any pixel is read."""
