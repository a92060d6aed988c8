"""Practical 5, initialization: your functions. The statement is in practical-5.ipynb. Check them: course-check 5."""

from torch import Tensor, nn


def generate_disc_set(nb: int) -> tuple[Tensor, Tensor]:
    """`nb` points (nb x 2) uniform in [-1, 1]^2, and their classes: 1 inside the disc (exercise 1)."""
    raise NotImplementedError("exercise 1")


def train_model(model: nn.Module, train_input: Tensor, train_target: Tensor) -> None:
    """Minimize the cross-entropy: 250 epochs, steps of 0.1, mini-batches of 100 (exercise 2)."""
    raise NotImplementedError("exercise 2")


def compute_nb_errors(model: nn.Module, data_input: Tensor, data_target: Tensor) -> int:
    """How many samples get another class than theirs (exercise 2)."""
    raise NotImplementedError("exercise 2")


def create_shallow_model() -> nn.Module:
    """2 - 128 - 2 with ReLU (exercise 3)."""
    raise NotImplementedError("exercise 3")


def create_deep_model() -> nn.Module:
    """2 - 4 - 8 - 16 - 32 - 64 - 128 - 2 with ReLU (exercise 3)."""
    raise NotImplementedError("exercise 3")


if __name__ == "__main__":
    print(create_shallow_model(), create_deep_model())
