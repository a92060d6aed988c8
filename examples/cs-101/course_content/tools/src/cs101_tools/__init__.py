"""The commands of CS-101."""
