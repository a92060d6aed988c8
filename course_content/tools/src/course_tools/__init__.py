"""The student's commands in a course machine; knows nothing of how the machine was built."""
