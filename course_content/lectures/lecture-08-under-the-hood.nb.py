# %% [markdown]
# # Lecture 8: under the hood
#
# What a trained network looks at, and what fools it: its units, its filters, its layers in two dimensions, saliency,
# and inputs made to please it. All networks are trained here. Runs in about two minutes.

# %%
# %matplotlib inline
import dlc_practical_prologue as prologue
import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt
from sklearn.manifold import TSNE
from torch import nn

torch.manual_seed(0)
device = prologue.device

# %% [markdown]
# ## Twenty lines
#
# A network 2 - 20 - 2 on points of two classes. Each hidden unit is zero on a line; watch the lines move to where the
# classes meet.

# %%
points = torch.empty(500, 2).uniform_(-1, 1)
labels = (points.norm(dim=1) < 0.6).long()
small = nn.Sequential(nn.Linear(2, 20), nn.ReLU(), nn.Linear(20, 2))
optimizer = torch.optim.Adam(small.parameters(), lr=1e-2)


def draw_lines(axis, layer):
    axis.scatter(*points.t(), c=labels, s=4)
    t = torch.tensor([-2.0, 2.0])
    for (u, v), bias in zip(layer.weight.detach(), layer.bias.detach(), strict=True):
        axis.plot(t, (-bias - u * t) / v, linewidth=0.5, color="black")
    axis.set(xlim=(-1, 1), ylim=(-1, 1), xticks=[], yticks=[])


figure, axes = plt.subplots(1, 3, figsize=(9, 3))
small_losses = []
for epoch in range(300):
    if epoch in (0, 30):
        draw_lines(axes[0 if epoch == 0 else 1], small[0])
    loss = F.cross_entropy(small(points), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    small_losses.append(loss.item())
draw_lines(axes[2], small[0])

# %% [markdown]
# ## A network for digits, to be looked into

# %%
train_input, train_target, test_input, test_target = prologue.load_data(flatten=False, normalize=True)
net = nn.Sequential(
    nn.Conv2d(1, 16, 5),
    nn.ReLU(),
    nn.MaxPool2d(3),
    nn.Conv2d(16, 32, 5),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(128, 50),
    nn.ReLU(),
    nn.Linear(50, 10),
).to(device)
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
for _ in range(prologue.pick(25, 15)):
    for x, t in zip(train_input.split(50), train_target.split(50), strict=True):
        loss = F.cross_entropy(net(x.to(device)), t.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
net.eval()
for parameter in net.parameters():
    parameter.requires_grad_(False)
test_error = (net(test_input.to(device)).argmax(1).cpu() != test_target).float().mean().item()
print(f"test error {test_error:.1%}")

# %% [markdown]
# Its first filters as images, and what they make of one digit.

# %%
digit, digit_class = test_input[:1].to(device), int(test_target[0])
activations = net[1](net[0](digit))[0].cpu()
figure, axes = plt.subplots(2, 16, figsize=(13, 1.8))
for number in range(16):
    axes[0, number].imshow(net[0].weight[number, 0].cpu(), cmap="gray")
    axes[1, number].imshow(activations[number], cmap="gray")
for axis in axes.flatten():
    axis.axis("off")

# %% [markdown]
# ## Layers in two dimensions
#
# t-SNE places samples in the plane so that near ones stay near. On pixels the classes overlap; after the last hidden
# layer they come apart.

# %%
nb = prologue.pick(500, 100)
with torch.no_grad():
    hidden = net[:9](test_input[:nb].to(device)).cpu()
perplexity = prologue.pick(50, 20)
maps = {}
figure, axes = plt.subplots(1, 2, figsize=(9, 4))
for axis, (name, values) in zip(axes, (("pixels", test_input[:nb].flatten(1)), ("hidden layer", hidden)), strict=True):
    maps[name] = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(values.numpy())
    axis.scatter(*maps[name].T, c=test_target[:nb], cmap="tab10", s=8)
    axis.set_title(name)

# %% [markdown]
# ## Which pixels matter?
#
# **Occlusion**: hide a patch and see how much the score of the class falls. **Saliency**: the gradient of the score
# with respect to the pixels. **SmoothGrad**: the same, averaged over noisy copies.


# %%
def occlude(image, kind, size=7):
    base = net(image)[0, kind]
    fall = torch.zeros(28, 28)
    for row in range(0, 28 - size + 1, 3):
        for column in range(0, 28 - size + 1, 3):
            hidden_image = image.clone()
            hidden_image[:, :, row : row + size, column : column + size] = image.min()
            change = (base - net(hidden_image)[0, kind]).item()
            patch = fall[row : row + size, column : column + size]
            patch.copy_(torch.maximum(patch, torch.tensor(change)))
    return fall


def find_saliency(model, image, kind):
    image = image.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model(image)[:, kind].sum(), image)
    return gradient


def smooth(model, image, kind, nb_copies=50, sigma=0.3):
    noisy = image + sigma * torch.randn(nb_copies, *image.shape[1:], device=image.device)
    return find_saliency(model, noisy, kind).mean(0, keepdim=True)


occlusion = occlude(digit, digit_class)
saliency = find_saliency(net, digit, digit_class)
smoothed = smooth(net, digit, digit_class)

# %% [markdown]
# **Deconvolution** and **guided back-propagation** change one thing on the way back: what a ReLU lets through. The
# first lets positive gradients through, the second those that are positive *and* met a positive activation. Hooks do
# it without a change of the network.


# %%
def back_with(rule, image, kind):
    handles = []
    for module in net:
        if isinstance(module, nn.ReLU):
            handles.append(module.register_full_backward_hook(rule))
    gradient = find_saliency(net, image, kind)
    for handle in handles:
        handle.remove()
    return gradient


deconvolved = back_with(lambda module, given, arriving: (F.relu(arriving[0]),), digit, digit_class)
guided = back_with(lambda module, given, arriving: (F.relu(given[0]),), digit, digit_class)

pictures = {
    "digit": digit,
    "occlusion": occlusion[None, None],
    "saliency": saliency.abs(),
    "SmoothGrad": smoothed.abs(),
    "deconvolution": deconvolved,
    "guided": guided,
}
figure, axes = plt.subplots(1, 6, figsize=(12, 2.3))
for axis, (name, picture) in zip(axes, pictures.items(), strict=True):
    axis.imshow(picture[0, 0].cpu(), cmap="gray")
    axis.set_title(name)
    axis.axis("off")

# %% [markdown]
# ## An input to please
#
# Start from a grey image and go up the gradient of one class's score, with a penalty on the pixels. The network is
# sure; are you?

# %%
wished = []
for kind in range(10):
    image = torch.zeros(1, 1, 28, 28, device=device).requires_grad_()
    for _ in range(60):
        score = net(image)[0, kind] - 0.01 * image.pow(2).sum()
        (gradient,) = torch.autograd.grad(score, image)
        image = (image + 0.5 * gradient).detach().requires_grad_()
    wished.append(image.detach())
wished = torch.cat(wished)
confidence = net(wished).softmax(1).diagonal()
figure, axes = plt.subplots(1, 10, figsize=(12, 1.5))
for axis, image in zip(axes, wished[:, 0].cpu(), strict=True):
    axis.imshow(image, cmap="gray")
    axis.axis("off")

# %% [markdown]
# ## Adversarial examples
#
# A small step of every pixel in the direction that raises the loss. The image looks the same, the class is another.
# Random steps of the same size do little.

# %%
x, t = test_input[:100].to(device), test_target[:100].to(device)
image = x.clone().requires_grad_()
(gradient,) = torch.autograd.grad(F.cross_entropy(net(image), t), image)
step = 0.5
adversarial = x + step * gradient.sign()
jittered = x + step * torch.randn_like(x).sign()
error_of = {
    name: (net(z).argmax(1) != t).float().mean().item()
    for name, z in (("as they are", x), ("random steps", jittered), ("adversarial steps", adversarial))
}
print({name: f"{error:.0%}" for name, error in error_of.items()})
figure, axes = plt.subplots(1, 3, figsize=(6, 2))
for axis, z, name in zip(axes, (x, jittered, adversarial), error_of, strict=True):
    axis.imshow(z[0, 0].cpu(), cmap="gray")
    axis.set_title(name)
    axis.axis("off")

# %% [markdown]
# ## Dilated convolutions
#
# Layers of dilation 1, 2, 4, 8 see 31 pixels with four filters of three: a unit's receptive field is where its
# gradient is not zero.


# %%
def measure_field(dilations):
    x = torch.zeros(1, 1, 101, requires_grad=True)
    y = x
    for dilation in dilations:
        y = F.conv1d(y, torch.ones(1, 1, 3), dilation=dilation, padding=dilation)
    (gradient,) = torch.autograd.grad(y[0, 0, 50], x)
    return int((gradient != 0).sum())


fields = {dilations: measure_field(dilations) for dilations in ((1, 1, 1, 1), (1, 2, 4, 8))}
fields

# %% [markdown]
# ## Try
#
# - Occlude with patches of 3 pixels, and of 14. What do they tell?
# - How small can `step` be for half of the digits to change their class?
# - Train the network on adversarial examples too. What happens to both errors?
