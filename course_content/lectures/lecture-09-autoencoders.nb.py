# %% [markdown]
# # Lecture 9: auto-encoders and generative models
#
# Transposed convolutions, an auto-encoder against PCA, walking and sampling in the space of codes, denoising,
# the variational auto-encoder, and a flow of coupling layers (NVP).
# It takes about 3 minutes on a laptop's CPU, less on a GPU.

# %% [markdown]
# ## 1. Set-up
#
# Which data do you have (MNIST or its stand-in), and which device? The images are normalized by one mean and one
# standard deviation, so that an error of 1 per pixel is what you get by always answering the mean.

# %%
import math

import dlc_practical_prologue as prologue
import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

device = prologue.device
nb_train, nb_test = prologue.pick(5000, 300), prologue.pick(1000, 100)
train_pixels, _, test_pixels, _ = prologue.read_mnist()
mu, std = train_pixels[:nb_train].float().mean(), train_pixels[:nb_train].float().std()
train_input = ((train_pixels[:nb_train].float() - mu) / std).to(device)
test_input = ((test_pixels[:nb_test].float() - mu) / std).to(device)
print(prologue.get_data_source("mnist"), device, tuple(train_input.shape), tuple(test_input.shape))

# %% [markdown]
# Two functions serve the whole notebook: one shows rows of images, one trains whatever has a loss for a batch.

# %%


def show(rows: list[Tensor], names: list[str], words: str) -> None:
    """Draw each of `rows` (N x 1 x 28 x 28, normalized) as one line of images, with its name.

    `words` say what is to be seen.
    """
    picture = (
        torch.cat([torch.cat(list(row.detach().cpu()[:, 0]), 1) for row in rows], 0) * std + mu
    )
    plt.figure(figsize=(9, 0.8 * len(rows)))
    plt.imshow(picture.clamp(0, 255).numpy(), cmap="gray_r")
    plt.xticks([])
    plt.yticks([28 * row + 14 for row in range(len(rows))], names)
    prologue.show(f"Rows of digits ({', '.join(names)}): {words}")


def train(
    model: nn.Module,
    loss_of,
    inputs: Tensor,
    nb_epochs: int,
    lr: float = 1e-3,
    batch_size: int = 100,
):
    """Adam; `loss_of(batch)` is the loss. Gives the list of the mean losses of the epochs."""
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    losses = []
    for _ in range(nb_epochs):
        acc_loss = 0.0
        for batch in inputs[torch.randperm(inputs.size(0)).to(inputs.device)].split(batch_size):
            loss = loss_of(batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            acc_loss += loss.item() * batch.size(0)
        losses.append(acc_loss / inputs.size(0))
    return losses


# %% [markdown]
# ## 2. Transposed convolution
#
# A convolution sums what is under the kernel. The transposed one does the reverse: every input value *spreads* a copy
# of the kernel over the output, and the copies add up, so the output is longer than the input. With the stride $s$,
# the input $x$ and the kernel $\kappa$, the output is
#
# $$y_m = \sum_n x_n \, \kappa_{m - s n} .$$
#
# (V. Dumoulin and F. Visin, *A guide to convolution arithmetic for deep learning*, 2016, draws all cases.)
#
# Look at the three shifted copies below the line: their sum is the output, `[2, 7, 4, -4, -2, 1]`.

# %%
x = torch.tensor([2.0, 3.0, 0.0, -1.0])
kernel = torch.tensor([1.0, 2.0, -1.0])
spread = F.conv_transpose1d(x.view(1, 1, -1), kernel.view(1, 1, -1)).view(-1)
print("output:", spread.tolist())
for k, value in enumerate(x.tolist()):
    print(
        f"  {value:4.0f} x kernel, shifted by {k}:",
        (value * F.pad(kernel, (k, 3 - k))).int().tolist(),
    )

# %% [markdown]
# Why "transposed"? A convolution from 6 values to 4 is a 4 x 6 matrix; the transposed convolution multiplies by its
# transpose, which is also what back-propagation through a convolution does. With a stride, the copies are further
# apart: that is how a network enlarges an image. The size is `stride * (n - 1) + kernel`.

# %%
matrix = F.conv1d(torch.eye(6).view(6, 1, 6), kernel.view(1, 1, -1)).view(6, 4).t()
print(matrix)
print("matrix.t() @ x:", (matrix.t() @ x).tolist())
strided = F.conv_transpose1d(x.view(1, 1, -1), kernel.view(1, 1, -1), stride=2).view(-1)
print("stride 2:      ", strided.tolist())

# %% [markdown]
# ## 3. A convolutional auto-encoder
#
# The encoder takes an image to a few numbers, the *code*; the decoder makes the image again. Look at the sizes: the
# decoder mirrors the encoder, 28 > 24 > 20 > 9 > 4 > 1 and back, with 32 channels in between.
#
# With the encoder $f$ and the decoder $g$, the training minimizes the error of the reconstruction,
#
# $$\frac{1}{N} \sum_n \| x_n - g(f(x_n)) \|^2 .$$
#
# (G. Hinton and R. Salakhutdinov, *Reducing the dimensionality of data with neural networks*, 2006.)

# %%


class AutoEncoder(nn.Module):
    """Encode N x 1 x 28 x 28 images to N x nb_codes numbers, and back."""

    def __init__(self, nb_codes: int, nb_channels: int = 32):
        super().__init__()
        c = nb_channels
        self.encoder = nn.Sequential(
            nn.Conv2d(1, c, kernel_size=5),
            nn.ReLU(),
            nn.Conv2d(c, c, kernel_size=5),
            nn.ReLU(),
            nn.Conv2d(c, c, kernel_size=4, stride=2),
            nn.ReLU(),
            nn.Conv2d(c, c, kernel_size=3, stride=2),
            nn.ReLU(),
            nn.Conv2d(c, nb_codes, kernel_size=4),
        )
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(nb_codes, c, kernel_size=4),
            nn.ReLU(),
            nn.ConvTranspose2d(c, c, kernel_size=3, stride=2),
            nn.ReLU(),
            nn.ConvTranspose2d(c, c, kernel_size=4, stride=2),
            nn.ReLU(),
            nn.ConvTranspose2d(c, c, kernel_size=5),
            nn.ReLU(),
            nn.ConvTranspose2d(c, 1, kernel_size=5),
        )

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x).flatten(1)

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder(z[:, :, None, None])

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


model = AutoEncoder(nb_codes=8).to(device)
sizes, hidden = [28], test_input[:1]
for layer in [*model.encoder, *model.decoder]:
    hidden = layer(hidden)
    if not isinstance(layer, nn.ReLU):
        sizes.append(hidden.size(2))
print(" > ".join(str(size) for size in sizes))

# %% [markdown]
# Train it with codes of 8, 16 and 32 numbers. Look at the error: the squared difference, summed over the pixels of an
# image and averaged over the images.

# %%


def train_auto_encoder(nb_codes: int) -> tuple[AutoEncoder, list[float]]:
    torch.manual_seed(0)
    model = AutoEncoder(nb_codes).to(device)
    nb_epochs = prologue.pick(7, 1)
    losses = train(
        model,
        lambda x: (model(x) - x).pow(2).sum() / x.size(0),
        train_input,
        nb_epochs,
        batch_size=25,
    )
    print(
        f"code of {nb_codes:2d}: train loss {losses[0]:.1f} in epoch 1,",
        f"{losses[-1]:.1f} in epoch {nb_epochs}",
    )
    return model, losses


models, losses = {}, {}
for nb_codes in (8, 16, 32):
    models[nb_codes], losses[nb_codes] = train_auto_encoder(nb_codes)

# %% [markdown]
# ## 4. The baseline: PCA
#
# PCA with as many components is the best *linear* auto-encoder (H. Bourlard and Y. Kamp, *Auto-association by
# multilayer perceptrons and singular value decomposition*, 1988). With the mean $\bar x$ and the first directions as
# the rows of $V$, its reconstruction is $\bar x + V^\top V (x - \bar x)$. Look at the last column: how much
# smaller is the error
# of the network on images it has not seen? (Test mode trains too little to win.)

# %%
mean_image = train_input.flatten(1).mean(0)
basis = torch.linalg.svd(train_input.flatten(1) - mean_image, full_matrices=False).Vh


def reconstruct_by_pca(x: Tensor, nb_codes: int) -> Tensor:
    """Project the images on the first principal components, and back."""
    codes = (x.flatten(1) - mean_image) @ basis[:nb_codes].t()
    return (codes @ basis[:nb_codes] + mean_image).view_as(x)


def compute_error(output: Tensor, x: Tensor) -> float:
    """Squared error of an image, averaged over the images."""
    return ((output - x).pow(2).sum() / x.size(0)).item()


errors = {}
with torch.no_grad():
    for nb_codes, model in models.items():
        pca_output, output = reconstruct_by_pca(test_input, nb_codes), model(test_input)
        errors[nb_codes] = (
            compute_error(pca_output, test_input),
            compute_error(output, test_input),
        )
        print(
            "code of {:2d}: test error PCA {:6.1f}, auto-encoder {:6.1f}".format(
                nb_codes, *errors[nb_codes]
            )
        )

# %% [markdown]
# Eight numbers for an image: PCA gives ghosts, the auto-encoder gives digits, sometimes the wrong one. Which details
# need the code of 32?

# %%
with torch.no_grad():
    shown = test_input[:12]
    show(
        [shown, reconstruct_by_pca(shown, 8), models[8](shown), models[32](shown)],
        ["original", "PCA 8", "code of 8", "code of 32"],
        "PCA gives gray ghosts, the codes of 8 and of 32 give digits.",
    )

# %% [markdown]
# ## 5. Interpolation
#
# Between two images there is a straight line. In the space of pixels it is a cross-fade. In the space of codes the
# decoder makes something of every point. Look at the middle of each row.

# %%
model = models[8]
start, end = test_input[0:1], test_input[1:2]
alphas = torch.linspace(0, 1, 12, device=device)
with torch.no_grad():
    in_pixels = (1 - alphas.view(-1, 1, 1, 1)) * start + alphas.view(-1, 1, 1, 1) * end
    z_start, z_end = model.encode(start), model.encode(end)
    in_codes = model.decode((1 - alphas.view(-1, 1)) * z_start + alphas.view(-1, 1) * z_end)
show(
    [in_pixels, in_codes],
    ["pixels", "codes"],
    "from one image to another, as a cross-fade of both, and with other strokes in between.",
)

# %% [markdown]
# ## 6. Sampling the codes
#
# If we knew how the codes are distributed, we could draw new ones. The simplest guess: each of the 8 numbers is
# Gaussian with its own mean and standard deviation. Look at the rows: with 8 numbers most samples are nearly digits.
# With 32 fewer are, because the codes of real images fill only a little of such a cloud. That is what the VAE below
# repairs.

# %%
torch.manual_seed(0)
sampled = {}
for nb_codes in (8, 32):
    with torch.no_grad():
        codes = torch.cat([models[nb_codes].encode(batch) for batch in train_input.split(500)])
        sampled[nb_codes] = models[nb_codes].decode(
            codes.mean(0) + codes.std(0) * torch.randn(12, nb_codes).to(device)
        )
    print(
        f"code of {nb_codes}: standard deviations from",
        f"{codes.std(0).min():.1f} to {codes.std(0).max():.1f}",
    )
show(
    [train_input[:12], sampled[8], sampled[32]],
    ["real", "8, sampled", "32, sampled"],
    "what is decoded from codes that were drawn at random, below real images.",
)

# %% [markdown]
# ## 7. Denoising auto-encoder
#
# The network sees a damaged image and must give the clean one, so it has to learn what digits look like. Three ways
# to damage, with pixels from 0 to 1: Gaussian noise of standard deviation 0.5, salt-and-pepper on 10 % of the pixels,
# and 55 % of the pixels set to zero. Look at the three rows: which is the hardest for you?
#
# With the damaged image $\tilde x$, drawn anew each time an image $x$ is seen, the training minimizes
#
# $$\mathbb{E} \, \| x - g(f(\tilde x)) \|^2 .$$
#
# (P. Vincent, H. Larochelle, I. Lajoie, Y. Bengio and P.-A. Manzagol, *Stacked denoising autoencoders*, 2010.)

# %%


def add_gaussian_noise(x: Tensor) -> Tensor:
    return x + 0.5 * torch.randn(x.shape).to(x.device)


def add_salt_and_pepper(x: Tensor) -> Tensor:
    chosen, white = torch.rand(x.shape) < 0.1, torch.rand(x.shape) < 0.5
    return torch.where(chosen.to(x.device), white.to(x), x)


def mask_with_zeros(x: Tensor) -> Tensor:
    return x * (torch.rand(x.shape) >= 0.55).to(x)


damages = {
    "Gaussian 0.5": add_gaussian_noise,
    "salt-pepper": add_salt_and_pepper,
    "zeros 55 %": mask_with_zeros,
}
train_unit, test_unit = (
    (train_pixels[:nb_train] / 255).to(device),
    (test_pixels[:nb_test] / 255).to(device),
)
torch.manual_seed(0)
damaged = {name: damage(test_unit) for name, damage in damages.items()}
for name, x in damaged.items():
    print(f"{name:12s}: {(x != test_unit).float().mean().item():5.1%} of the pixels changed")
show(
    [(255 * x[:12] - mu) / std for x in [test_unit, *damaged.values()]],
    ["clean", *damaged],
    "the same twelve, clean and damaged in three ways.",
)

# %% [markdown]
# One hidden layer of 256 units is enough. Look at the mean squared error per pixel before and after, on test images
# with noise that is new, too.

# %%


def train_denoiser(damage) -> nn.Module:
    torch.manual_seed(0)
    layers = (nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 784), nn.Sigmoid())
    denoiser = nn.Sequential(nn.Flatten(), *layers, nn.Unflatten(1, (1, 28, 28))).to(device)
    train(denoiser, lambda x: F.mse_loss(denoiser(damage(x)), x), train_unit, prologue.pick(40, 20))
    return denoiser


denoisers = {name: train_denoiser(damage) for name, damage in damages.items()}
denoised = {}
for name, denoiser in denoisers.items():
    with torch.no_grad():
        denoised[name] = denoiser(damaged[name])
    before, after = (
        F.mse_loss(damaged[name], test_unit).item(),
        F.mse_loss(denoised[name], test_unit).item(),
    )
    print(f"{name:12s}: error {before:.4f} before, {after:.4f} after")
show(
    [(255 * x[:12] - mu) / std for x in [test_unit, *denoised.values()]],
    ["clean", *denoised],
    "the same twelve, clean and as the three networks repair them.",
)

# %% [markdown]
# The weights into a hidden unit form an image. Noise is what makes them interesting: look for strokes and spots.

# %%
weights = [denoiser[1].weight[:12].view(-1, 1, 28, 28) for denoiser in denoisers.values()]
show(
    [weight / weight.std() for weight in weights],
    [*denoisers],
    "in place of digits, the weights into twelve hidden units of each network as images.",
)

# %% [markdown]
# ## 8. Variational auto-encoder
#
# The model says how an image comes about: a code $z$ is drawn from $p(z) = \mathcal{N}(0, I)$, then an image from
# $p(x \mid z)$. The encoder gives a distribution of codes for an image, $q(z \mid x)$: 32 means $\mu_d$ and 32
# log-variances $\log \sigma_d^2$. The likelihood of an image cannot be computed, but the *evidence lower bound*
# (ELBO) can:
#
# $$\log p(x) \;\geq\; \mathbb{E}_{z \sim q(z \mid x)} \big[ \log p(x \mid z) \big] -
#   D_{\mathrm{KL}} \big( q(z \mid x) \,\|\, p(z) \big) .$$
#
# What is missing to equality is $D_{\mathrm{KL}}(q(z \mid x) \,\|\, p(z \mid x))$, which is never negative. The
# training maximizes the bound, in the encoder and in the decoder. (D. Kingma and M. Welling, *Auto-encoding
# variational Bayes*, 2013.)
#
# The first term asks for a good reconstruction from a code that is drawn, as $z = \mu + \sigma \epsilon$ with
# $\epsilon \sim \mathcal{N}(0, I)$: the gradient passes through $\mu$ and $\sigma$. The second term pulls each
# distribution towards $\mathcal{N}(0, I)$. For Gaussians it is
#
# $$D_{\mathrm{KL}} = \frac{1}{2} \sum_d \left( \mu_d^2 + \sigma_d^2 - \log \sigma_d^2 - 1 \right) .$$
#
# Look at the two numbers: the formula against torch's own.

# %%


class VariationalAutoEncoder(nn.Module):
    """Images N x 1 x 28 x 28, codes of `nb_codes` numbers with a mean and a log-variance each."""

    def __init__(self, nb_codes: int = 32, nb_hidden: int = 400):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Flatten(),
            nn.Linear(784, nb_hidden),
            nn.ReLU(),
            nn.Linear(nb_hidden, nb_hidden),
            nn.ReLU(),
            nn.Linear(nb_hidden, 2 * nb_codes),
        )
        self.decoder = nn.Sequential(
            nn.Linear(nb_codes, nb_hidden),
            nn.ReLU(),
            nn.Linear(nb_hidden, nb_hidden),
            nn.ReLU(),
            nn.Linear(nb_hidden, 784),
            nn.Unflatten(1, (1, 28, 28)),
        )

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_var = self.encoder(x).chunk(2, dim=1)
        return mean, log_var

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, log_var = self.encode(x)
        z = mean + (0.5 * log_var).exp() * torch.randn(mean.shape).to(mean.device)
        return self.decoder(z), mean, log_var


def compute_kl(mean: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(mean, exp(log_var)) || N(0, 1)), summed over the code: one number for each image."""
    return 0.5 * (mean.pow(2) + log_var.exp() - log_var - 1).sum(1)


torch.manual_seed(0)
mean, log_var = torch.randn(1, 32), torch.randn(1, 32)
posterior, prior = (
    torch.distributions.Normal(mean, (0.5 * log_var).exp()),
    torch.distributions.Normal(0, 1),
)
kl, kl_of_torch = (
    compute_kl(mean, log_var).item(),
    torch.distributions.kl_divergence(posterior, prior).sum().item(),
)
print(f"{kl:.5f} {kl_of_torch:.5f}")

# %% [markdown]
# Train it. With $p(x \mid z) = \mathcal{N}(g(z), I)$, the loss is $\frac{1}{2} \| x - g(z) \|^2$, up to a constant,
# plus the KL term. Look at the components of
# the code that are in use: the others have a KL of nearly 0, they are pure noise and the decoder ignores them. Its
# networks are plain and fast, so it gets more images.

# %%
torch.manual_seed(0)
vae = VariationalAutoEncoder().to(device)


def compute_vae_loss(x: Tensor) -> Tensor:
    output, mean, log_var = vae(x)
    return (0.5 * (output - x).pow(2).sum() + compute_kl(mean, log_var).sum()) / x.size(0)


more_input = ((train_pixels[: 3 * nb_train].float() - mu) / std).to(device)
vae_losses = train(vae, compute_vae_loss, more_input, prologue.pick(20, 3))
print("loss:", [round(loss, 1) for loss in vae_losses[:: prologue.pick(4, 1)]])
with torch.no_grad():
    mean, log_var = vae.encode(test_input)
    kl_per_component = 0.5 * (mean.pow(2) + log_var.exp() - log_var - 1).mean(0)
nb_used = (kl_per_component > 0.1).sum().item()
print(f"KL of an image {kl_per_component.sum().item():.1f}; components above 0.1: {nb_used} of 32")

# %% [markdown]
# Now drawing a code from N(0, 1) is what the decoder was trained for. Compare the last row with the samples of the
# plain auto-encoder with a code of 32 above.

# %%
torch.manual_seed(0)
with torch.no_grad():
    vae_output = vae.decoder(vae.encode(test_input[:12])[0])
    vae_samples = vae.decoder(torch.randn(12, 32).to(device))
show(
    [test_input[:12], vae_output, vae_samples],
    ["original", "through VAE", "sampled"],
    "real images, the same ones decoded from their codes, and samples.",
)

# %% [markdown]
# ## 9. Non-volume preserving flow: coupling layers
#
# A flow is a network $f$ that can be run backwards. It carries the data to a Gaussian, and the change of variables
# gives the likelihood exactly, with the Jacobian $J_f$:
#
# $$\log p(x) = \log \mathcal{N}(f(x); 0, I) + \log |\det J_f(x)| .$$
#
# A coupling layer keeps half of the components (the mask $m$ is 1 there) and scales and shifts the other half by
# amounts computed from the kept ones, $s$ and $t$, which may be any networks:
#
# $$y = m \odot x + (1 - m) \odot \left( x \odot e^{s(m \odot x)} + t(m \odot x) \right) .$$
#
# (L. Dinh, J. Sohl-Dickstein and S. Bengio, *Density estimation using real NVP*, 2016.) Its Jacobian is triangular, so
# the log-determinant is the sum of $s$ over the other half. Look at the zeros of the 6 x 6 matrix, and
# at the log-determinant computed both ways.

# %%


class CouplingLayer(nn.Module):
    """An invertible map of N x dim; forward gives the result and the log |det| of each sample."""

    def __init__(self, mask: Tensor, nb_hidden: int):
        super().__init__()
        dim = mask.size(0)
        self.register_buffer("mask", mask)
        self.s = nn.Sequential(nn.Linear(dim, nb_hidden), nn.Tanh(), nn.Linear(nb_hidden, dim))
        self.t = nn.Sequential(nn.Linear(dim, nb_hidden), nn.Tanh(), nn.Linear(nb_hidden, dim))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        kept, free = self.mask * x, 1 - self.mask
        s, t = free * self.s(kept), free * self.t(kept)
        return kept + free * x * s.exp() + t, s.sum(1)

    def invert(self, y: Tensor) -> Tensor:
        kept, free = self.mask * y, 1 - self.mask
        return kept + free * (y - self.t(kept)) * (-self.s(kept)).exp()


torch.manual_seed(0)
layer = CouplingLayer(torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 0.0]), nb_hidden=6)
x = torch.randn(6)
jacobian = torch.autograd.functional.jacobian(lambda x: layer(x[None])[0][0], x)
log_det = layer(x[None])[1].item()
print(jacobian.numpy().round(2))
print(
    f"log |det|: {log_det:.6f} by the layer,",
    f"{torch.linalg.slogdet(jacobian).logabsdet.item():.6f} from the matrix",
)

# %% [markdown]
# Four such layers with hidden layers of 2 units, which keep the components in turn, are trained to carry a bent cloud
# of points to a round Gaussian: the loss is minus the log-likelihood of the formula above. A Gaussian fitted to
# the same points is the baseline. Look at how far below it the flow gets: close to what is possible.

# %%


class Flow(nn.Module):
    """Coupling layers that keep one component, then the other, and so on."""

    def __init__(self, dim: int = 2, nb_hidden: int = 2, depth: int = 4):
        super().__init__()
        masks = [(torch.arange(dim) % 2 == level % 2).float() for level in range(depth)]
        self.layers = nn.ModuleList([CouplingLayer(mask, nb_hidden) for mask in masks])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        log_det = x.new_zeros(x.size(0))
        for layer in self.layers:
            x, increase = layer(x)
            log_det = log_det + increase
        return x, log_det

    def invert(self, z: Tensor) -> Tensor:
        for layer in reversed(self.layers):
            z = layer.invert(z)
        return z


def compute_nll(x: Tensor) -> Tensor:
    z, log_det = flow(x)
    return -(torch.distributions.Normal(0, 1).log_prob(z).sum(1) + log_det).mean()


torch.manual_seed(0)
points = torch.randn(prologue.pick(5000, 1000), 2)
points = torch.stack([points[:, 0], 0.3 * points[:, 1] + points[:, 0].pow(2) - 1], 1)  # bent
gaussian = torch.distributions.MultivariateNormal(points.mean(0), points.t().cov())
baseline_nll = -gaussian.log_prob(points).mean().item()
flow = Flow()
nll = train(flow, compute_nll, points, prologue.pick(50, 10), lr=1e-2)
entropy = math.log(2 * math.pi * math.e * 0.3)
print(
    f"minus log-likelihood: Gaussian {baseline_nll:.3f},",
    f"flow {nll[0]:.3f} in epoch 1, {nll[-1]:.3f} at the end",
)
print(f"no model can do better than the entropy of the cloud, {entropy:.3f}")

# %% [markdown]
# Left to right: the points become round, layer by layer. The last figure runs the flow backwards from Gaussian noise:
# new points of the bent cloud. The inversion is exact, see the number.

# %%
with torch.no_grad():
    stages = [points[:1000]]
    for layer in flow.layers:
        stages.append(layer(stages[-1])[0])
    inversion_error = (flow.invert(flow(points)[0]) - points).abs().max().item()
    generated = flow.invert(torch.randn(1000, 2))
print(f"largest |f^-1(f(x)) - x|: {inversion_error:.1e}")
figure, axes = plt.subplots(1, 6, figsize=(12, 2.2), sharex=True, sharey=True)
names = ["data", *(f"layer {level}" for level in range(1, 5)), "generated"]
for axis, stage, name in zip(axes, [*stages, generated], names, strict=True):
    axis.scatter(*stage.t().numpy(), s=1, color="tab:orange" if name == "generated" else "tab:blue")
    axis.set(title=name, xlim=(-4, 4), ylim=(-4, 4), aspect="equal")
prologue.show(
    "Six clouds of points: a bent one, then rounder from layer to layer, and at the right the bent "
    "cloud that the inverted flow makes of Gaussian noise."
)

# %% [markdown]
# ## Try
#
# 1. Fit a Gaussian with a full covariance to the codes of the auto-encoder instead of one for each component. Are the
#    samples better? Why are those of the VAE better still?
# 2. Multiply the KL term of the VAE by 0.1, then by 10. What becomes of the reconstructions, of the samples, and of the
#    number of components in use?
# 3. Give the flow a depth of 1. Which clouds can a single coupling layer make round, which not?
