"""Water level, baseline, and one file per kind of change; pure functions on arrays."""
