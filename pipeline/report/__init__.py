"""The periodic report (定期报告): what was observed, what was found, what became of it."""
