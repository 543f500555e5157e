"""Thin shells between the store and the pure stages: read windows, compute, bring kilobytes back.

Each module is one sweep over a corridor. A sweep returns values that do not depend on how the
corridor was cut into tiles.
"""
