"""What may be wrong with a content release, and what the student can do."""

from course_runtime.machine.machine import CourseError

TELL = "nothing was changed; tell your assistants"


class Untrue(CourseError):
    """What was sent or given is not what the course released."""


class NotNow(CourseError):
    """Another time it may work: no network, nothing published yet, another update at work."""
