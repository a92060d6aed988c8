"""The student's files: where the home is, how the course comes into it, how files are saved and repaired."""
