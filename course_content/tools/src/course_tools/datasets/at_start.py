"""Let torchvision open the course's data: the products import this at each start of Python, from a .pth file.

It costs a start next to nothing: only a program that imports torchvision's MNIST or CIFAR10 gets `in_torchvision`, too.
"""

import sys

import course_tools.datasets.told  # noqa: F401  (the prologue looks for it)

TYPE_CHECKING = False  # what typing has under this name, without importing it at each start
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

MODULES = ("torchvision.datasets.cifar", "torchvision.datasets.mnist")


class Finder:
    """Finds the modules of `MODULES` as Python does, and has `in_torchvision.teach` called with each once it is run."""

    def find_spec(
        self, name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        """Return how to import the module `name` (a string; a ModuleSpec), or None for every other module."""
        if name not in MODULES:
            return None
        others = [finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec")]
        spec = next((found for finder in others if (found := finder.find_spec(name, path, target))), None)
        if spec and spec.loader:
            spec.loader.exec_module = add_lesson(spec.loader.exec_module)  # type: ignore[method-assign, assignment]
        return spec


def add_lesson(exec_module: "Callable[[ModuleType], None]") -> "Callable[[ModuleType], None]":
    """Return a function that runs a module by `exec_module`, then teaches it where the course's data lie."""

    def run(module: "ModuleType") -> None:
        exec_module(module)
        try:
            from course_tools.datasets import in_torchvision

            in_torchvision.teach(module)
        except Exception as error:  # torchvision must be importable whatever happens here
            print(f"course-data: torchvision does not find the stand-ins ({error!r})", file=sys.stderr)

    return run


def install() -> None:
    """Put the finder before Python's own, once."""
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder())


install()
