"""practicum: the practical environment of a course, built from one description."""
