"""The stages, one file each: what a stage reads, and what it makes of it."""
