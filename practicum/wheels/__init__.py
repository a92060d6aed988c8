"""Python packages: the locks, and the wheels they name."""
