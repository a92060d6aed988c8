"""Checks of the machine: `course-doctor` and `course-verify`."""
