"""The page on which cases are reviewed: data for it, and the page itself."""
