"""What the command line does, one module a command: builds, locks, a check of the machine, the students' Python."""
