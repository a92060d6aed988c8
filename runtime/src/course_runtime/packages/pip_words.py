"""Adds to pip's refusal of another version what a student can do; a .pth file imports this where pip runs."""

import logging

REFUSAL = "lack sys.path precedence"
HELP = "The course needs its own version of this package. An environment of your own may have another: course-env NAME"


class Explain(logging.Filter):
    """Adds HELP to the error that REFUSAL marks."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True: every line is shown."""
        message = record.getMessage()
        if REFUSAL in message:
            record.msg, record.args = f"{message}\n{HELP}", ()
        return True


logging.getLogger("pip._internal.cli.base_command").addFilter(Explain())
