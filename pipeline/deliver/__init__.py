"""Handing cases over: a numbered feed, systems that receive by HTTP, and their answers."""
