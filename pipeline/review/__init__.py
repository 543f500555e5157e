"""The page on which cases are reviewed: its files, and the data that it reads."""
