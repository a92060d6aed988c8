# %% [markdown]
# # Lecture 10: generative adversarial networks
#
# A GAN for points in the plane, a convolutional one for digits, the Wasserstein distance and its critics, generation
# under a condition (a class, an image), and how to stop a training and go on another day.
# It takes about 3 minutes on a laptop's CPU, less on a GPU.

# %% [markdown]
# ## 1. Set-up
#
# Which data do you have (MNIST or its stand-in), and which device? Pixels go from -1 to 1 here, the range of tanh.

# %%
import math
import pickle
import tempfile
from pathlib import Path

import dlc_practical_prologue as prologue
import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

device = prologue.device
nb_train, nb_test = prologue.pick(5000, 256), prologue.pick(1000, 100)
train_pixels, train_target, test_pixels, test_target = prologue.read_mnist()
train_input, train_target = (
    train_pixels[:nb_train].to(device) / 127.5 - 1,
    train_target[:nb_train].to(device),
)
test_input, test_target = (
    test_pixels[:nb_test].to(device) / 127.5 - 1,
    test_target[:nb_test].to(device),
)
print(prologue.get_data_source("mnist"), device, tuple(train_input.shape), tuple(test_input.shape))


def show(rows: list[Tensor], names: list[str], words: str) -> None:
    """Draw each of `rows` (N x 1 x 28 x 28, from -1 to 1) as one line of images, with its name.

    `words` say what is to be seen.
    """
    picture = torch.cat([torch.cat(list(row.detach().cpu()[:, 0]), 1) for row in rows], 0)
    plt.figure(figsize=(9, 0.8 * len(rows)))
    plt.imshow(picture.numpy(), cmap="gray_r", vmin=-1, vmax=1)
    plt.xticks([])
    plt.yticks([28 * row + 14 for row in range(len(rows))], names)
    prologue.show(f"Rows of digits ({', '.join(names)}): {words}")


# %% [markdown]
# ## 2. A toy GAN in the plane
#
# The real samples lie on a spiral. The generator takes 8 Gaussian numbers to a point, the discriminator a point to the
# probability that it is real. Both have one hidden layer of 100 units. Look at the number of parameters: small.

# %%


def make_points(nb: int) -> Tensor:
    """`nb` points on a noisy spiral (nb x 2)."""
    turn = torch.rand(nb).sqrt() * 7 + 1
    return torch.stack([turn * turn.cos(), turn * turn.sin()], 1) / 5 + 0.05 * torch.randn(nb, 2)


z_dim, nb_hidden = 8, 100


def make_generator() -> nn.Module:
    return nn.Sequential(nn.Linear(z_dim, nb_hidden), nn.ReLU(), nn.Linear(nb_hidden, 2))


def make_discriminator() -> nn.Module:
    return nn.Sequential(nn.Linear(2, nb_hidden), nn.ReLU(), nn.Linear(nb_hidden, 1), nn.Sigmoid())


torch.manual_seed(0)
model_g, model_d = make_generator(), make_discriminator()
real_points = make_points(prologue.pick(5000, 500))
print("parameters:", [sum(p.numel() for p in model.parameters()) for model in (model_g, model_d)])

# %% [markdown]
# The discriminator $D$ wants $D(x) = 1$ for real $x$ and $D(G(z)) = 0$; the generator $G$ wants the opposite. With the
# distribution $p$ of the real samples, the game is
#
# $$\min_G \max_D V(D, G), \quad V(D, G) = \mathbb{E}_{x \sim p} \big[ \log D(x) \big] +
#   \mathbb{E}_{z} \big[ \log (1 - D(G(z))) \big] .$$
#
# (I. Goodfellow, J. Pouget-Abadie, M. Mirza, B. Xu, D. Warde-Farley, S. Ozair, A. Courville and Y. Bengio, *Generative
# adversarial networks*, 2014.) With the score $a$ before the sigmoid, $D = \sigma(a)$, the slope of $\log (1 - D)$ is
# $-D$: it is flat where the samples are surely fake. So the generator minimizes $-\log D(G(z))$ instead, which has the
# same aim and the slope $-(1 - D)$, nearly $-1$ there.
#
# They take turns, a step each, on batches of 10. Networks this small are as fast on the CPU, so they stay there.
#
# The opponent moves, so yesterday's gradients point to where it was: Adam forgets them sooner here, with `beta1` 0.5 in
# place of 0.9. And the discriminator learns with a larger `lr` than the generator, which so meets an opponent that has
# seen its last move (M. Heusel, H. Ramsauer, T. Unterthiner, B. Nessler and S. Hochreiter, *GANs trained by a two
# time-scale update rule converge to a local Nash equilibrium*, 2017).
#
# Look at the three figures: the generated points go looking for the real ones.


# %%
def measure_distance(a: Tensor, b: Tensor) -> float:
    """Mean distance of the points of `a` to the closest of `b`, averaged with the reverse."""
    distances = torch.cdist(a, b)
    return (distances.min(0).values.mean() + distances.min(1).values.mean()).item() / 2


def draw_points(axis, real: Tensor, fake: Tensor, title: str) -> None:
    axis.scatter(*real.t().numpy(), s=1, color="lightgray")
    axis.scatter(*fake.t().numpy(), s=1, color="tab:blue")
    axis.set(title=title, xlim=(-2, 2), ylim=(-2, 2), aspect="equal")


torch.manual_seed(0)
optimizer_g = torch.optim.Adam(model_g.parameters(), lr=1e-3, betas=(0.5, 0.999))
optimizer_d = torch.optim.Adam(model_d.parameters(), lr=3e-3, betas=(0.5, 0.999))
z_eval = torch.randn(500, z_dim)
toy_distances, toy_figures = [], {0: 0, prologue.pick(3, 1): 1, prologue.pick(15, 2): 2}
figure, axes = plt.subplots(1, 3, figsize=(10, 3.2))
for epoch in range(max(toy_figures) + 1):
    with torch.no_grad():
        fake_points = model_g(z_eval)
    toy_distances.append(measure_distance(real_points[:500], fake_points))
    if epoch in toy_figures:
        title = f"epoch {epoch}: distance {toy_distances[-1]:.2f}"
        draw_points(axes[toy_figures[epoch]], real_points[:500], fake_points, title)
    for real in real_points[torch.randperm(real_points.size(0))].split(10):
        fake = model_g(torch.randn(real.size(0), z_dim))
        loss_d = -(model_d(real).log() + (1 - model_d(fake.detach())).log()).mean()
        optimizer_d.zero_grad()
        loss_d.backward()
        optimizer_d.step()

        loss_g = -model_d(fake).log().mean()
        optimizer_g.zero_grad()
        loss_g.backward()
        optimizer_g.step()
prologue.show(
    "Three times the gray spiral of real points with blue generated ones: first in one spot, "
    "then spread, at last near the spiral."
)

# %% [markdown]
# **The optimal discriminator.** Let the generator stand still and $q$ be the distribution of its samples. At each
# point $x$, the value to maximize is $p(x) \log D(x) + q(x) \log (1 - D(x))$. Its derivative is zero at
#
# $$D^*(x) = \frac{p(x)}{p(x) + q(x)}, \quad \text{and then} \quad
#   V(D^*, G) = 2 \, D_{\mathrm{JS}}(p, q) - 2 \log 2 .$$
#
# $D_{\mathrm{JS}}(p, q) = \frac{1}{2} D_{\mathrm{KL}}(p \,\|\, \frac{p + q}{2}) + \frac{1}{2} D_{\mathrm{KL}}(q \,\|\,
# \frac{p + q}{2})$ is the Jensen-Shannon divergence. It is 0 if and only if $p = q$: then $D^* = 1/2$ everywhere, and
# $V = -2 \log 2$. Look at the numbers, for two distributions over five values: no other discriminator has a larger
# $V$.

# %%
p, q = torch.tensor([0.1, 0.4, 0.3, 0.2, 0.0]), torch.tensor([0.0, 0.1, 0.2, 0.3, 0.4])


def compute_value(d: Tensor) -> float:
    """V of a discriminator that gives these five probabilities."""
    return (torch.xlogy(p, d) + torch.xlogy(q, 1 - d)).sum().item()


def compute_jensen_shannon(p: Tensor, q: Tensor) -> Tensor:
    """The divergence of histograms, along the last dimension."""
    middle = (p + q) / 2
    return 0.5 * (torch.xlogy(p, p / middle) + torch.xlogy(q, q / middle)).nan_to_num().sum(-1)


best = p / (p + q)
value_of_best = compute_value(best)
value_by_divergence = (2 * compute_jensen_shannon(p, q)).item() - 2 * math.log(2)
values_of_others = [compute_value(torch.rand(5)) for _ in range(1000)]
print("optimal D:", [round(value, 2) for value in best.tolist()])
print(f"V = {value_of_best:.4f}, by the divergence {value_by_divergence:.4f}")
print(f"the best of 1000 random discriminators: V = {max(values_of_others):.4f}")

# %% [markdown]
# ## 3. DCGAN
#
# The recipe for images (A. Radford, L. Metz and S. Chintala, *Unsupervised representation learning with deep
# convolutional generative adversarial networks*, 2015): convolutions with stride instead of pooling,
# transposed convolutions in the generator,
# batch-norm, LeakyReLU in the discriminator, weights drawn with standard deviation 0.02, Adam with `lr` 2e-4 and
# `beta1` 0.5. Look at the sizes of the maps: 1 > 7 > 14 > 28 and back.

# %%


def init_weights(module: nn.Module) -> None:
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)


def make_image_generator(nb_inputs: int, c: int = 32) -> nn.Sequential:
    """N x nb_inputs x 1 x 1 to images N x 1 x 28 x 28 from -1 to 1."""
    return nn.Sequential(
        nn.ConvTranspose2d(nb_inputs, 2 * c, kernel_size=7, bias=False),
        nn.BatchNorm2d(2 * c),
        nn.ReLU(),
        nn.ConvTranspose2d(2 * c, c, kernel_size=4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(c),
        nn.ReLU(),
        nn.ConvTranspose2d(c, 1, kernel_size=4, stride=2, padding=1),
        nn.Tanh(),
    ).apply(init_weights)


def make_image_discriminator(nb_maps: int = 1, c: int = 32) -> nn.Sequential:
    """N x nb_maps x 28 x 28 to N numbers: large for real, small for fake (before the sigmoid)."""
    return nn.Sequential(
        nn.Conv2d(nb_maps, c, kernel_size=4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(c, 2 * c, kernel_size=4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(2 * c),
        nn.LeakyReLU(0.2),
        nn.Conv2d(2 * c, 1, kernel_size=7),
        nn.Flatten(0),
    ).apply(init_weights)


torch.manual_seed(0)
generator, discriminator = (
    make_image_generator(64).to(device),
    make_image_discriminator().to(device),
)
hidden, sizes = torch.randn(2, 64, 1, 1).to(device), [1]
for layer in [*generator, *discriminator[:-1]]:
    hidden = layer(hidden)
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
        sizes.append(hidden.size(2))
print(" > ".join(str(size) for size in sizes))

# %% [markdown]
# One function makes a step of this GAN and of the next two. The losses are those of the toy, written with
# `binary_cross_entropy_with_logits`, which is safe where the logarithm of a sigmoid is not. `told` is what the
# discriminator is told about the images, and `l1` the weight of a second loss; here there is neither.
#
# Do not expect the losses to go down: each network makes the other's task harder. Look at the images instead.

# %%


def step_gan(
    discriminator: nn.Module,
    real: Tensor,
    fake: Tensor,
    optimizer_g,
    optimizer_d,
    told: Tensor | None = None,
    l1=0.0,
) -> tuple[float, float]:
    """One step of the discriminator, one of the generator that made `fake`; gives their losses."""

    def judge(x: Tensor) -> Tensor:
        return discriminator(x if told is None else torch.cat([x, told], 1))

    logit_real, logit_fake = judge(real), judge(fake.detach())
    loss_d = F.binary_cross_entropy_with_logits(logit_real, torch.ones_like(logit_real))
    loss_d = loss_d + F.binary_cross_entropy_with_logits(logit_fake, torch.zeros_like(logit_fake))
    optimizer_d.zero_grad()
    loss_d.backward()
    optimizer_d.step()

    logit_fake = judge(fake)
    loss_g = F.binary_cross_entropy_with_logits(logit_fake, torch.ones_like(logit_fake))
    loss_g = loss_g + l1 * (fake - real).abs().mean() if l1 else loss_g
    optimizer_g.zero_grad()
    loss_g.backward()
    optimizer_g.step()
    return loss_g.item(), loss_d.item()


def make_optimizer(model: nn.Module, lr: float = 2e-4) -> torch.optim.Adam:
    return torch.optim.Adam(model.parameters(), lr=lr, betas=(0.5, 0.999))


def draw_noise(nb: int, dim: int = 64) -> Tensor:
    return torch.randn(nb, dim, 1, 1).to(device)


torch.manual_seed(0)
optimizer_g, optimizer_d = make_optimizer(generator), make_optimizer(discriminator)
z_shown, rows, dcgan_losses = draw_noise(12), {}, []
nb_epochs = prologue.pick(24, 1)
for epoch in range(nb_epochs + 1):
    if epoch in (0, nb_epochs // 4, nb_epochs):
        generator.eval()  # batch-norm by its running averages, not by these twelve images
        with torch.no_grad():
            rows[f"epoch {epoch}"] = generator(z_shown)
        generator.train()
    for real in (
        train_input[torch.randperm(nb_train).to(device)].split(64) if epoch < nb_epochs else ()
    ):
        fake = generator(draw_noise(real.size(0)))
        dcgan_losses.append(step_gan(discriminator, real, fake, optimizer_g, optimizer_d))
print("last losses, G and D:", [round(loss, 2) for loss in dcgan_losses[-1]])
show(
    [train_input[:12], *rows.values()],
    ["real", *rows],
    "real ones, then what the generator makes of the same noise: gray at first, strokes later.",
)

# %% [markdown]
# ## 4. Wasserstein: the earth mover's distance
#
# Seen as heaps of earth, how far must one distribution be carried to become the other? A plan $\gamma$ says how much
# goes from each $x$ to each $y$: it is a joint distribution whose marginals are $p$ and $q$. The Wasserstein distance
# is the mean way of the best plan,
#
# $$W(p, q) = \min_{\gamma \in \Pi(p, q)} \mathbb{E}_{(x, y) \sim \gamma} \, \| x - y \| .$$
#
# In one dimension it is the area between the two cumulative distributions, $\int | F_p(x) - F_q(x) | \, dx$.
#
# The optimal discriminator of a GAN measures something else, the Jensen-Shannon divergence of section 2. Look at the
# right figure: once the two heaps do not overlap, it stays at $\log 2 = 0.693$ wherever the second heap is. There is no
# slope to follow. The earth mover's distance grows in proportion to the shift. (M. Arjovsky, S. Chintala and L. Bottou,
# *Wasserstein GAN*, 2017.)

# %%
bins = torch.arange(60)
shifts = torch.arange(0, 41, 2)
heap = torch.zeros(60)
heap[5:15] = 0.1
heaps = torch.stack([heap.roll(int(shift)) for shift in shifts])


def compute_earth_mover(p: Tensor, q: Tensor) -> Tensor:
    """The distance of histograms with bins of width 1, along the last dimension."""
    return (p.cumsum(-1) - q.cumsum(-1)).abs().sum(-1)


earth_mover, jensen_shannon = compute_earth_mover(heap, heaps), compute_jensen_shannon(heap, heaps)
figure, axes = plt.subplots(1, 3, figsize=(11, 2.6))
axes[0].bar(bins.numpy(), heap.numpy(), width=1, label="p")
axes[0].bar(bins.numpy(), heaps[10].numpy(), width=1, label="q, shift 20")
axes[0].legend()
axes[1].fill_between(
    bins.numpy(), heap.cumsum(0).numpy(), heaps[10].cumsum(0).numpy(), color="lightgray"
)
axes[1].set(title=f"area: {earth_mover[10].item():.1f}")
axes[2].plot(shifts.numpy(), earth_mover.numpy() / 40, label="earth mover / 40")
axes[2].plot(shifts.numpy(), jensen_shannon.numpy(), label="Jensen-Shannon")
axes[2].set(xlabel="shift")
axes[2].legend()
prologue.show(
    "Two heaps; the area between their cumulative sums; and two curves over the shift: the earth "
    "mover's rises in a straight line, the Jensen-Shannon divergence becomes flat."
)

# %% [markdown]
# ## 5. The critic: clipping or gradient penalty
#
# The distance has a second form, its *dual* (due to L. Kantorovich and G. Rubinstein): the largest difference of means
# among the functions $f$ whose slope is at most 1,
#
# $$W(p, q) = \max_{\| f \|_L \leq 1} \;
#   \mathbb{E}_{x \sim p} \big[ f(x) \big] - \mathbb{E}_{x \sim q} \big[ f(x) \big] .$$
#
# No plan need be known, samples are enough. In one dimension the best $f$ rises with slope 1 where $F_p < F_q$ and
# falls with slope 1 where $F_p > F_q$. Look at the two numbers, for the heaps of section 4.

# %%
rises = torch.where(heap.cumsum(0) < heaps.cumsum(1), 1.0, -1.0)
best_f = F.pad(rises[:, :-1].cumsum(1), (1, 0))  # one function for each of the heaps
dual = ((heap - heaps) * best_f).sum(1)
print(f"shift 20: {earth_mover[10].item():.2f} by the area, {dual[10].item():.2f} by the dual")

# %% [markdown]
# The *critic* is a network trained to be this $f$. Its slope is held down by clipping its weights (the first WGAN), or
# by a penalty where the norm of its gradient is not 1, at random points $\hat x$ between a real and a fake sample: to
# the loss is added
#
# $$\lambda \, \mathbb{E}_{\hat x} \big[ ( \| \nabla f(\hat x) \| - 1 )^2 \big], \quad \lambda = 10 .$$
#
# (I. Gulrajani, F. Ahmed, M. Arjovsky, V. Dumoulin and A. Courville, *Improved training of Wasserstein GANs*, 2017.)
#
# Here are two Gaussian clouds 2 apart: the distance is 2. Look at what the two critics answer: clipped weights give a
# number in a unit of their own, the penalty gives about the distance.

# %%


def make_critic() -> nn.Module:
    return nn.Sequential(
        nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1)
    )


def compute_gradient_penalty(critic: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """Mean of (norm of the critic's gradient - 1)² at random points between the samples."""
    mix = torch.rand(real.size(0), 1)
    between = (mix * real + (1 - mix) * fake).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (gradient.norm(dim=1) - 1).pow(2).mean()


def step_critic(critic: nn.Module, real: Tensor, fake: Tensor, optimizer, method: str) -> float:
    """One step; gives the critic's estimate of the distance."""
    distance = critic(real).mean() - critic(fake).mean()
    loss = -distance
    if method == "penalty":
        loss = loss + 10 * compute_gradient_penalty(critic, real, fake)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if method == "clipping":
        with torch.no_grad():
            for p in critic.parameters():
                p.clamp_(-0.1, 0.1)
    return distance.item()


estimates = {}
for method in ("clipping", "penalty"):
    torch.manual_seed(0)
    critic = make_critic()
    optimizer, values = torch.optim.Adam(critic.parameters(), lr=1e-3), []
    for _ in range(prologue.pick(1000, 300)):
        real = torch.randn(100, 2)
        fake = torch.randn(100, 2) + torch.tensor([2.0, 0.0])
        values.append(step_critic(critic, real, fake, optimizer, method))
    estimates[method] = sum(values[-100:]) / 100
    largest = max(p.abs().max().item() for p in critic.parameters())
    print(f"{method}: estimate {estimates[method]:.2f}, largest weight {largest:.2f}")

# %% [markdown]
# Now a generator that makes the distance small: five steps of the critic, one of the generator. Look at the curves:
# they swing while the critic is not yet ahead. Then, unlike a GAN's losses, the estimate goes down as the samples get
# better.

# %%


def train_wgan(method: str, nb_steps: int) -> tuple[nn.Module, list[float]]:
    torch.manual_seed(0)
    generator, critic = make_generator(), make_critic()
    optimizer_g, optimizer_c = make_optimizer(generator, 1e-3), make_optimizer(critic, 1e-3)
    distances = []
    for _ in range(nb_steps):
        for _ in range(5):
            real, z = (
                real_points[torch.randint(real_points.size(0), (100,))],
                torch.randn(100, z_dim),
            )
            distance = step_critic(critic, real, generator(z).detach(), optimizer_c, method)
        distances.append(distance)
        loss = -critic(generator(torch.randn(100, z_dim))).mean()
        optimizer_g.zero_grad()
        loss.backward()
        optimizer_g.step()
    return generator, distances


figure, axes = plt.subplots(1, 4, figsize=(13, 2.8))
wgan_curves, wgan_distances = {}, {}
for column, method in enumerate(("clipping", "penalty")):
    wgan, curve = train_wgan(method, prologue.pick(3000, 30))
    with torch.no_grad():
        fake_points = wgan(z_eval)
    wgan_curves[method], wgan_distances[method] = (
        curve,
        measure_distance(real_points[:500], fake_points),
    )
    axes[2 * column].plot(curve)
    axes[2 * column].set(title=f"critic, {method}", xlabel="step")
    draw_points(
        axes[2 * column + 1],
        real_points[:500],
        fake_points,
        f"distance {wgan_distances[method]:.2f}",
    )
prologue.show(
    "For clipping and for the penalty: the estimate over the steps, which swings and goes down, "
    "and blue generated points near the gray spiral."
)

# %% [markdown]
# ## 6. Conditional GAN: ask for a class
#
# Both networks are told the class: the generator as 10 more inputs, the discriminator as 10 more maps, of which one is
# all ones. The discriminator learns that an image must fit its class. Look at the columns: one class each, same noise in
# a row.
#
# With the class $y$, the game of section 2 is played with $D(x, y)$ and $G(z, y)$ (M. Mirza and S. Osindero,
# *Conditional generative adversarial nets*, 2014).

# %%


def make_class_maps(target: Tensor) -> Tensor:
    """One-hot classes N x 10 x 1 x 1."""
    return F.one_hot(target, 10).float()[:, :, None, None]


torch.manual_seed(0)
generator, discriminator = (
    make_image_generator(64 + 10).to(device),
    make_image_discriminator(1 + 10).to(device),
)
optimizer_g, optimizer_d = make_optimizer(generator), make_optimizer(discriminator)
for _ in range(prologue.pick(24, 1)):
    order = torch.randperm(nb_train).to(device)
    for real, target in zip(
        train_input[order].split(64), train_target[order].split(64), strict=True
    ):
        maps = make_class_maps(target)
        fake = generator(torch.cat([draw_noise(real.size(0)), maps], 1))
        step_gan(
            discriminator, real, fake, optimizer_g, optimizer_d, told=maps.expand(-1, -1, 28, 28)
        )
every_class = make_class_maps(torch.arange(10, device=device))
generator.eval()
with torch.no_grad():
    conditional_rows = [
        generator(torch.cat([draw_noise(1).expand(10, -1, -1, -1), every_class], 1))
        for _ in range(3)
    ]
show(
    conditional_rows,
    ["noise 1", "noise 2", "noise 3"],
    "a column for each class that was asked for, from 0 to 9.",
)

# %% [markdown]
# ## 7. Image to image
#
# The condition can be an image. Here it is the outline $c$ of a digit $x$, and the generator must fill it in. The loss
# has a second term, the mean absolute difference to the true image: it says *where*, the discriminator says *sharp*.
#
# $$\mathbb{E} \big[ -\log D(G(c), c) \big] + \lambda \, \mathbb{E} \, | G(c) - x |, \quad \lambda = 10 .$$
#
# (P. Isola, J.-Y. Zhu, T. Zhou and A. Efros, *Image-to-image translation with conditional adversarial networks*, 2016.)
# Look at the third row, of digits the network has not seen.

# %%


def draw_outline(x: Tensor) -> Tensor:
    """The border of the strokes: where a pixel differs from the darkest of its 3 x 3 neighbors."""
    return F.max_pool2d(x, kernel_size=3, stride=1, padding=1) - x - 1


torch.manual_seed(0)
translator = nn.Sequential(
    nn.Conv2d(1, 16, kernel_size=5, padding=2),
    nn.BatchNorm2d(16),
    nn.ReLU(),
    nn.Conv2d(16, 32, kernel_size=4, stride=2, padding=1),
    nn.BatchNorm2d(32),
    nn.ReLU(),
    nn.Conv2d(32, 32, kernel_size=5, padding=2),
    nn.BatchNorm2d(32),
    nn.ReLU(),
    nn.ConvTranspose2d(32, 16, kernel_size=4, stride=2, padding=1),
    nn.BatchNorm2d(16),
    nn.ReLU(),
    nn.Conv2d(16, 1, kernel_size=5, padding=2),
    nn.Tanh(),
).to(device)
discriminator = make_image_discriminator(2).to(device)
optimizer_g, optimizer_d = make_optimizer(translator, 1e-3), make_optimizer(discriminator)
translator.eval()
with torch.no_grad():
    error_before = (translator(draw_outline(test_input)) - test_input).abs().mean().item()
translator.train()
for _ in range(prologue.pick(4, 1)):
    for real in train_input[torch.randperm(nb_train).to(device)].split(64):
        outline = draw_outline(real)
        step_gan(
            discriminator,
            real,
            translator(outline),
            optimizer_g,
            optimizer_d,
            told=outline,
            l1=10.0,
        )
translator.eval()
with torch.no_grad():
    translated = translator(draw_outline(test_input))
error_after = (translated - test_input).abs().mean().item()
print(
    f"mean absolute difference on test images: {error_before:.3f} before training,",
    f"{error_after:.3f} after",
)
show(
    [draw_outline(test_input[:12]), translated[:12], test_input[:12]],
    ["given", "generated", "true"],
    "outlines, the digits that the network fills in, and the true ones.",
)

# %% [markdown]
# ## 8. Persistence: stop, and go on tomorrow
#
# Long trainings are killed: the machine reboots, the queue's time is over. What must be in the file to go on as if
# nothing had happened? The parameters, the state of the optimizer (Adam keeps averages of the gradient), the number of
# epochs done, and the state of the random generator, which shuffles the batches.
#
# The function below starts from the file if there is one, and writes it after each epoch. It writes under another name
# and renames, so that a kill in the middle of writing cannot spoil the last good file.

# %%
folder = tempfile.TemporaryDirectory()
torch.backends.cudnn.deterministic = True  # on a GPU: the same sums in the same order


def make_classifier() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, kernel_size=5),
        nn.MaxPool2d(3),
        nn.ReLU(),
        nn.Conv2d(16, 32, kernel_size=5),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(128, 10),
    ).to(device)


def save_checkpoint(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, losses: list[float]
) -> None:
    checkpoint = {
        "losses": losses,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "rng": torch.get_rng_state(),
    }
    torch.save(checkpoint, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def train_classifier(
    path: Path, nb_epochs: int, killed_in_epoch: int | None = None
) -> tuple[nn.Module, list[float]]:
    """Train, from the checkpoint if there is one; gives the model and each epoch's summed loss."""
    torch.manual_seed(0)
    model, losses = make_classifier(), []
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    if path.exists():
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        losses = checkpoint["losses"]
        model.load_state_dict(checkpoint["model"])
        optimizer.load_state_dict(checkpoint["optimizer"])
        torch.set_rng_state(checkpoint["rng"])
        print(f"going on after {len(losses)} epochs")
    for epoch in range(len(losses), nb_epochs):
        acc_loss = 0.0
        order = torch.randperm(nb_train).to(device)
        for x, target in zip(
            train_input[order].split(100), train_target[order].split(100), strict=True
        ):
            loss = F.cross_entropy(model(x), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            acc_loss += loss.item()
            if epoch == killed_in_epoch:
                raise KeyboardInterrupt("killed after one batch of this epoch")
        losses.append(acc_loss)
        save_checkpoint(path, model, optimizer, losses)
    return model, losses


# %% [markdown]
# First a training that nothing disturbs. Then the same one, killed in its fourth epoch and started again: a new model,
# a new optimizer, all that is known comes from the file. Look at the two rows of losses: the same to the last digit.

# %%
nb_epochs = prologue.pick(6, 5)
model, losses = train_classifier(Path(folder.name) / "undisturbed.pt", nb_epochs)
try:
    train_classifier(Path(folder.name) / "killed.pt", nb_epochs, killed_in_epoch=3)
except KeyboardInterrupt as kill:
    print(kill)
restarted_model, restarted_losses = train_classifier(Path(folder.name) / "killed.pt", nb_epochs)
print("undisturbed:", [round(loss, 4) for loss in losses])
print("restarted:  ", [round(loss, 4) for loss in restarted_losses])
with torch.no_grad():
    test_error = (restarted_model(test_input).argmax(1) != test_target).float().mean().item()
print(f"test error {test_error:.1%}")

# %% [markdown]
# And without the state of the random generator and of the optimizer? Look where the losses part.

# %%
path = Path(folder.name) / "forgetful.pt"
try:
    train_classifier(path, nb_epochs, killed_in_epoch=3)
except KeyboardInterrupt:
    checkpoint = torch.load(path, weights_only=True)
checkpoint["rng"] = torch.Generator().manual_seed(1).get_state()
checkpoint["optimizer"]["state"] = {}
torch.save(checkpoint, path)
_, forgetful_losses = train_classifier(path, nb_epochs)
print("undisturbed:", [round(loss, 4) for loss in losses])
print("forgetful:  ", [round(loss, 4) for loss in forgetful_losses])

# %% [markdown]
# ## 9. From the GPU to a laptop: `map_location`
#
# A tensor is saved with its device. `map_location="cpu"` loads it on the CPU wherever it was: without it, a file
# written on a GPU cannot be read where there is none.
#
# With `weights_only=True`, the default, `torch.load` reads tensors, numbers, text, and lists and dictionaries of them, and
# refuses everything else: a whole pickled model could run any code on your machine. Look at the refusal. That is why one saves a `state_dict`.

# %%
checkpoint = torch.load(Path(folder.name) / "killed.pt", map_location="cpu", weights_only=True)
print(
    "saved from",
    device,
    "and loaded on",
    {tensor.device.type for tensor in checkpoint["model"].values()},
)
print({key: type(value).__name__ for key, value in checkpoint.items()})
torch.save(model, Path(folder.name) / "whole-model.pt")
try:
    torch.load(Path(folder.name) / "whole-model.pt", weights_only=True)
    refusal = ""
except pickle.UnpicklingError as error:
    refusal = str(error)
print("refused:", refusal.split(". ")[0])
folder.cleanup()

# %% [markdown]
# ## Try
#
# 1. In the toy GAN, let the generator step only once for five steps of the discriminator, then five for one. Where do
#    the points go? Do you see all of them in one place (*mode collapse*)?
# 2. Change the limit of the clipped weights from 0.1 to 0.01 and to 1. What becomes of the estimate, and of the
#    samples?
# 3. Save the checkpoint in the middle of an epoch instead of after it. What else must be in the file so that the losses
#    remain the same?
