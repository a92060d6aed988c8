"""`course-check`: the student's practicals, checked piece by piece."""
