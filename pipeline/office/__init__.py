"""What the office brings and looks after: layers, corridors, and what is missing."""
