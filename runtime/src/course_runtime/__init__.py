"""What every product needs, whatever the course: the machine, its start, the student's files, checks of its health."""
