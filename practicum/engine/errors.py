"""The one exception a user of practicum may see."""


class PracticumError(Exception):
    """A mistake or an obstacle the user can act on.

    The message is one complete line per problem: what (file, key or step), the reason, and the cure. The command
    line prints it as ``practicum: <message>`` without a traceback and leaves with `exit_code`.
    """

    exit_code: int = 2
