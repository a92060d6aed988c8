"""`course-submit`: a project's test.py, run as a grader runs it."""
