"""What this course asks of its students: checks of the practicals, submissions, data sets, reports of solutions."""
