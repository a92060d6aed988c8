# %% [markdown]
# # Lecture 6: going deeper
#
# What depth can do that width cannot, and what made deep networks train: rectifiers with a matching initialization,
# dropout, batch normalization and residual connections. And the GPU, because they are large. Runs in about two minutes.

# %%
# %matplotlib inline
import dlc_practical_prologue as prologue
import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt
from torch import nn

torch.manual_seed(0)
device = prologue.device

# %% [markdown]
# ## Depth folds
#
# Two ReLU units make a tent on [0, 1]: $2\,\mathrm{relu}(x) - 4\,\mathrm{relu}(x - 1/2)$. Nothing is trained here. Repeated D times,
# every layer folds the line once more: 2 D units draw $2^D$ straight pieces.


# %%
def tent(x):
    return 2 * F.relu(x) - 4 * F.relu(x - 0.5)


x = torch.linspace(0, 1, 2**12 + 1, dtype=torch.float64)
pieces = {}
figure, axes = plt.subplots(1, 6, figsize=(12, 1.6), sharey=True)
y = x
for depth, axis in enumerate(axes, start=1):
    y = tent(y)
    pieces[depth] = int((y.diff().sign().diff() != 0).sum()) + 1
    axis.plot(x, y)
    axis.set_title(f"{depth} layers: {pieces[depth]} pieces")

# %% [markdown]
# ## Rectifiers need their own initialization
#
# Through 30 layers of 200 ReLUs: weights of variance 1/N lose half of the signal's variance in each layer, weights of variance 2/N
# keep it.


# %%
def measure_signal(gain, nb_layers=30, width=200):
    x = torch.randn(500, width)
    spreads = []
    for _ in range(nb_layers):
        x = F.relu(x @ (torch.randn(width, width) * (gain / width) ** 0.5))
        spreads.append(x.pow(2).mean().sqrt().item())
    return spreads


xavier, he = measure_signal(1.0), measure_signal(2.0)
plt.semilogy(xavier, label="variance 1 / N")
plt.semilogy(he, label="variance 2 / N")
plt.xlabel("layer")
plt.legend()
# %% [markdown]
# ## Dropout
#
# In training each value is dropped with probability p, and what stays is scaled by 1 / (1 - p): with p = 0.75 by 4. In `eval` mode
# nothing happens. `Dropout2d` drops whole channels.

# %%
dropout = nn.Dropout(p=0.75)
ones = torch.ones(1000)
dropped = dropout(ones)
dropout.eval()
kept = dropout(ones)
channels = nn.Dropout2d(p=0.5)(torch.ones(1, 8, 2, 2))
dropped.unique().tolist(), dropped.mean().item(), torch.equal(kept, ones), channels.flatten(2).mean(2)

# %% [markdown]
# ## Batch normalization
#
# Whatever the mean and the spread of what comes in, what goes out has those that the module learnt, here (2, 4, 8) and (1, 2, 3).

# %%
norm = nn.BatchNorm1d(3)
with torch.no_grad():
    norm.bias.copy_(torch.tensor([2.0, 4.0, 8.0]))
    norm.weight.copy_(torch.tensor([1.0, 2.0, 3.0]))
normed = norm(torch.empty(1000, 3).normal_() * 10 + 25)
normed_mean, normed_std = normed.mean(0), normed.std(0)
normed_mean, normed_std

# %% [markdown]
# What it is good for: the disc of practical 5, with 16 hidden layers of 32 ReLUs, learning rate 0.1, and all weights drawn with one
# standard deviation. Without batch normalization almost no choice of it works.


# %%
def make_disc(nb):
    points = torch.empty(nb, 2).uniform_(-1, 1)
    return points, (points.pow(2).sum(1) < 2 / torch.pi).long()


def train_on_disc(std, batch_normalization, nb_epochs):
    torch.manual_seed(0)
    input, target = make_disc(1000)
    layers, width = [], 2
    for _ in range(16):
        layers += [nn.Linear(width, 32), *([nn.BatchNorm1d(32)] if batch_normalization else []), nn.ReLU()]
        width = 32
    model = nn.Sequential(*layers, nn.Linear(32, 2))
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, std)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(nb_epochs):
        for x, t in zip(input.split(100), target.split(100), strict=True):
            loss = F.cross_entropy(model(x), t)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    input, target = make_disc(1000)
    with torch.no_grad():
        return (model(input).argmax(1) != target).float().mean().item()


stds = prologue.pick((1e-3, 1e-2, 1e-1, 1.0, 10.0), (1e-2, 1.0))
nb_epochs = prologue.pick(100, 15)
disc_errors = {std: (train_on_disc(std, False, nb_epochs), train_on_disc(std, True, nb_epochs)) for std in stds}
for std, (without, with_norm) in disc_errors.items():
    print(f"std {std:<6} without {without:6.1%}, with batch normalization {with_norm:6.1%}")

# %% [markdown]
# ## Residual networks
#
# A block adds what it computes to what came in, so a deep network starts near the identity. 25 blocks of 16 channels for the digits:
# 117 802 parameters.


# %%
class ResBlock(nn.Module):
    def __init__(self, nb_channels, kernel_size):
        super().__init__()
        self.conv1 = nn.Conv2d(nb_channels, nb_channels, kernel_size, padding=kernel_size // 2)
        self.bn1 = nn.BatchNorm2d(nb_channels)
        self.conv2 = nn.Conv2d(nb_channels, nb_channels, kernel_size, padding=kernel_size // 2)
        self.bn2 = nn.BatchNorm2d(nb_channels)
        self.share = 1.0  # of the samples in which this block takes part

    def forward(self, x):
        if self.training and torch.rand(1).item() > self.share:
            return x
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(x + self.bn2(self.conv2(y)))


class ResNet(nn.Module):
    def __init__(self, nb_blocks, nb_channels, kernel_size=3):
        super().__init__()
        self.conv0 = nn.Conv2d(1, nb_channels, 1)
        self.blocks = nn.Sequential(*(ResBlock(nb_channels, kernel_size) for _ in range(nb_blocks)))
        self.fc = nn.Linear(nb_channels, 10)

    def forward(self, x):
        x = self.blocks(F.relu(self.conv0(x)))
        return self.fc(F.avg_pool2d(x, 28).flatten(1))


nb_parameters = sum(parameter.numel() for parameter in ResNet(25, 16).parameters())
nb_parameters

# %%
train_input, train_target, test_input, test_target = prologue.load_data(flatten=False, normalize=True)
resnet = ResNet(prologue.pick(25, 5), 16).to(device)
nb = prologue.pick(500, 100)
optimizer = torch.optim.Adam(resnet.parameters(), lr=1e-2)
resnet_losses = []
for _ in range(prologue.pick(4, 2)):
    for x, t in zip(train_input[:nb].split(50), train_target[:nb].split(50), strict=True):
        loss = F.cross_entropy(resnet(x.to(device)), t.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        resnet_losses.append(loss.item())
plt.plot(resnet_losses)
plt.xlabel("step")
plt.ylabel("loss")
# %% [markdown]
# Stochastic depth: in training each block takes part with a probability, and with skip connections the rest still works without it.
# In `eval` mode all take part.

# %%
for block in resnet.blocks:
    block.share = 0.5
sample = test_input[:4].to(device)
resnet.train()
with torch.no_grad():
    varied = {tuple(resnet(sample).flatten().tolist()) for _ in range(5)}
    resnet.eval()
    steady = {tuple(resnet(sample).flatten().tolist()) for _ in range(5)}
len(varied), len(steady)

# %% [markdown]
# ## Devices
#
# A tensor lives on the CPU or on a GPU. `to` gives a copy where it has to, and the tensor itself where it is there already; for a
# module it moves the parameters. Operands must be on the same device.

# %%
t = torch.zeros(3)
same, moved = t.to("cpu") is t, t.to(device)
model = nn.Linear(3, 3).to(device)
wrapped = nn.DataParallel(model)  # shares a mini-batch among all GPUs, if there are some
same, moved.device, next(model.parameters()).device, wrapped(moved[None]).shape

# %% [markdown]
# ## Try
#
# - How many straight pieces can one hidden layer with 2 D units draw at most?
# - Put `nn.Dropout(0.5)` after each ReLU of the network on the disc. What happens, and why?
# - Train the residual network without `x +`. How many blocks until it stops learning?
