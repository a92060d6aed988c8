"""What a program has said of its data; the prologue, which needs no course_tools, uses the same set where it is there."""

lines: set[str] = set()
