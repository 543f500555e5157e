"""How fast a patrol is: whole runs over made-up Sentinel-2 squares against the floor and peers.

``python -m benchmarks.speed --help``; results in ``docs/speed.md``.
"""
