"""Simulated river and reservoir: objects at random places, run by the whole pipeline, scored."""
