"""Packages that a student adds to the course's."""
