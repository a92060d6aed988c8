"""A release: what is in its products, what changed, who vouches for it, and where it is published."""
