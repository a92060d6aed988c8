"""The switches of a container's start, such as GRANT_SUDO=yes: the one place that knows what is yes and what is no.

The shell of the start calls it as a program, `switches.py NAME VALUE`. The exit status is 0 for yes and 1 for no; for
anything else it is 2, with a line that says so.
"""

import sys

YES = ("yes", "true", "on", "1")
NO = ("", "no", "false", "off", "0")


def read_switch(name: str, value: str) -> bool:
    """Return whether the switch called `name` is on; raise ValueError when `value` is neither yes nor no."""
    if value.lower() in YES:
        return True
    if value.lower() in NO:
        return False
    raise ValueError(f"{name}={value!r} is neither yes nor no")


def main() -> None:
    """Tell the shell of the start how a switch stands."""
    try:
        is_on = read_switch(*sys.argv[1:])
    except ValueError as error:
        print(error)
        sys.exit(2)
    sys.exit(0 if is_on else 1)


if __name__ == "__main__":
    main()
