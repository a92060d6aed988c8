"""Mini-project "framework": train a 2 - 25 - 25 - 25 - 2 network with your framework and print its errors.

A grader runs `python test.py`, without arguments.
"""

import torch
from torch import Tensor

torch.set_grad_enabled(False)
torch.set_num_threads(1)  # tensors this small only lose time when several threads share them
torch.manual_seed(0)


def generate_disc_set(nb: int) -> tuple[Tensor, Tensor]:
    """`nb` points, uniform in [0, 1]^2 (nb x 2), and their labels (nb): 1 inside the disc, 0 outside."""
    raise NotImplementedError("generate_disc_set")


train_input, train_target = generate_disc_set(1000)
test_input, test_target = generate_disc_set(1000)

# To do: build the network from framework.py, train it with LossMSE and SGD, print the loss as it falls, and at the
# end the error on the training set and on the test set, in percent.
