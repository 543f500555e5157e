"""Groups of sub-commands, each thin over the package that does the work."""
