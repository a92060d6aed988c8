# %% [markdown]
# # Lecture 4: answers

# %%
import torch
from torch import nn
from torch.nn import functional as F

# %% [markdown]
# ## 1. Without `create_graph=True`
#
# The first gradient is then a plain tensor: how it was computed is not recorded, and it requires no gradient. The
# second call finds nothing to differentiate and says so.

# %%
x = torch.tensor([1.0, 2.0, -3.0], requires_grad=True)
psi = x[0].exp() + x[1] + (-x[2]).exp()
(first,) = torch.autograd.grad(psi, x)
message = ""
try:
    torch.autograd.grad(first.square().sum(), x)
except RuntimeError as error:
    message = str(error)
print("RuntimeError:", message)
assert "does not require grad" in message and not first.requires_grad

# %% [markdown]
# ## 2. `y = y + 1`
#
# It makes a new tensor and gives it the name `y`. The result of `exp` is still in memory, unchanged, because the graph
# holds it for the way back.

# %%
x = torch.randn(3, requires_grad=True)
y = x.exp()
y = y + 1
y.sum().backward()
print("gradient", x.grad, "exp", x.detach().exp())
assert torch.allclose(x.grad, x.detach().exp())

# %% [markdown]
# ## 3. A third convolution
#
# The second one gives 64 maps of 4 x 4 pixels, which its pooling makes 2 x 2. A third
# convolution of 3 x 3 fits before that pooling, and with a padding of 1 it changes no size: then the linear layers stay as
# they are. Without padding, its maps have 2 x 2 pixels, pooling leaves 1 x 1, and `fc1` has 64 inputs in place of 256. The
# new layer has 64 x 64 x 3 x 3 weights and 64 biases, 36 928 parameters, and there are 142 434 or 104 034 in all.


# %%
class Net(nn.Module):
    def __init__(self, padding):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, kernel_size=5)
        self.conv2 = nn.Conv2d(32, 64, kernel_size=5)
        self.conv3 = nn.Conv2d(64, 64, kernel_size=3, padding=padding)
        self.fc1 = nn.Linear(256 if padding else 64, 200)
        self.fc2 = nn.Linear(200, 10)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), kernel_size=3))
        x = F.relu(self.conv2(x))
        x = F.relu(F.max_pool2d(self.conv3(x), kernel_size=2))
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


nb_parameters = {}
for padding in (1, 0):
    net = Net(padding)
    assert net(torch.randn(7, 1, 28, 28)).shape == (7, 10)
    nb_parameters[padding] = sum(parameter.numel() for parameter in net.parameters())
    print(f"padding {padding}: {nb_parameters[padding]} parameters")
assert nb_parameters == {1: 105_506 + 36_928, 0: 105_506 + 36_928 - 192 * 200}
