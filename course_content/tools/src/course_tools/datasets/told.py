"""What a program has said of its data. The prologue uses the same set where it is there, and needs no course_tools."""

lines: set[str] = set()
