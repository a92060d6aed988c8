"""The engine of the build: stages, their cache, and what runs, shows and publishes them."""
