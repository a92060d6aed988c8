"""The machine and its description, and the commands that prepare it, show it, change it and stop it."""
