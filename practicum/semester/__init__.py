"""What semesters/ and git say of a semester."""
