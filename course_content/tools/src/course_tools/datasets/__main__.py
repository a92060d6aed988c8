"""`python -m course_tools.datasets` is `course-data`, where that is not installed."""

from course_tools.datasets.cli import main

main()
