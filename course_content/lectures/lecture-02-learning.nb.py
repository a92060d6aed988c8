# %% [markdown]
# # Lecture 2: learning from samples
#
# What can be learned from samples, how to see that too much was learned from them, and two methods that need no targets: k-means
# and PCA.
#
# Runs in about a minute; an hour to read and play with.

# %%
# %matplotlib inline
import math

import dlc_practical_prologue as prologue
import torch
from matplotlib import pyplot as plt

torch.manual_seed(0)
print(f"MNIST: {prologue.get_data_source('mnist')}, CIFAR10: {prologue.get_data_source('cifar10')}")

# %% [markdown]
# ## 1. Empirical risk, and nearest neighbors
#
# What we want is a small error on all the samples that nature can draw, the **risk**. What we can measure is the error on those
# we have, the **empirical risk**; a method that makes it small may still be a poor one.
#
# A sample gets the class of the majority among its K nearest training samples. Look at the regions: with K = 1 no training
# sample is wrong, and there are islands around single samples. More neighbors smooth them, more training samples are wrong,
# and fewer test samples. With three quarters of all samples as neighbors (K = 151 of 200), the border loses its place again.

# %%
centers = torch.tensor([[-0.7, -0.2], [0.5, 0.5], [0.5, -1.0]])


def draw_points(nb):
    """Class 0 around the first center, class 1 around the two others."""
    source = torch.randint(0, 4, (nb,)) % 3  # 0 twice as often as 1 and 2: the classes are even
    return centers[source] + 0.5 * torch.randn(nb, 2), (source > 0).long()


points, classes = draw_points(200)
test_points, test_classes = draw_points(5000)


def classify(x, k):
    nearest = torch.cdist(x, points).topk(k, largest=False).indices
    return (classes[nearest].float().mean(1) > 0.5).long()


grid = torch.cartesian_prod(torch.linspace(-2.5, 2.5, 100), torch.linspace(-2.5, 2.5, 100))
knn_errors = {}
figure, axes = plt.subplots(1, 4, figsize=(11, 2.8), layout="constrained")
for ax, k in zip(axes, (1, 5, 25, 151), strict=True):
    train_error = (classify(points, k) != classes).float().mean().item()
    knn_errors[k] = train_error, (classify(test_points, k) != test_classes).float().mean().item()
    ax.contourf(*grid.t().view(2, 100, 100), classify(grid, k).view(100, 100), levels=1, alpha=0.3)
    ax.scatter(*points.t(), c=classes, s=4)
    ax.set_title("K = {}: train {:.1%}, test {:.1%}".format(k, *knn_errors[k]), fontsize=9)
prologue.show(
    "Samples of two classes and the regions of each for K = 1, 5, 25 and 151 neighbors: islands "
    "for one neighbor, smooth borders for more, a border in the wrong place for most."
)

# %% [markdown]
# ## 2. Polynomial regression
#
# A polynomial $\sum_d \alpha_d x^d$ is linear in its coefficients, so that least squares finds them. To a polynomial of degree 4,
# 100 points of the sine from $-\pi$ to $\pi$ are shown. Look at the left end: the sine is 0 there, the fit is **0.1836**.


# %%
def fit_polynomial(x, y, degree, rho=0.0):
    """The coefficients (degree + 1) that minimize |sum_d alpha_d x^d - y|^2 + rho |alpha|^2.

    x and y may be batches.
    """
    powers = x[..., None] ** torch.arange(degree + 1)
    identity = torch.eye(degree + 1, dtype=x.dtype).expand(*x.shape[:-1], -1, -1)
    rows = torch.cat(
        (powers, rho**0.5 * identity), dim=-2
    )  # the penalty is degree + 1 more equations
    values = torch.cat((y, y.new_zeros(*y.shape[:-1], degree + 1)), dim=-1)
    return torch.linalg.lstsq(rows, values[..., None]).solution[..., 0]


def evaluate(alpha, x):
    return alpha @ (x ** torch.arange(alpha.size(-1))[:, None])


x = torch.linspace(-math.pi, math.pi, 100, dtype=torch.float64)
alpha = fit_polynomial(x, x.sin(), degree=4)
fit = evaluate(alpha, x)
first_value = fit[0].item()
print(f"sin(-pi) = {math.sin(-math.pi):.4f}, fit {first_value:.4f}")
print("coefficients", [f"{value:.4f}" for value in alpha])

figure, ax = plt.subplots(figsize=(5, 2.5))
ax.plot(x, x.sin(), "--", label="sin")
ax.plot(x, fit, label="degree 4")
ax.legend()
prologue.show("The sine and its fit of degree 4, which follows it and leaves it at both ends.")

# %% [markdown]
# ## 3. Capacity: too little, too much
#
# The degree sets the **capacity**: how many functions the model can be. Eleven noisy samples; look at the curves, and then at
# the errors: the one on the samples only falls, to zero where there are as many coefficients as samples, and the one on all
# other points falls and rises again.
#
# Mind what is compared: the samples have noise, with a variance of 0.04, and elsewhere the fit is compared with the sine itself,
# without noise. This is why the error elsewhere can be the smaller one. On new noisy samples it would be larger by 0.04.


# %%
def truth(x):
    return (2 * math.pi * x).sin()


def draw(*sizes):
    x = torch.rand(*sizes, dtype=torch.float64)
    return x, truth(x) + 0.2 * torch.randn(*sizes, dtype=torch.float64)


torch.manual_seed(1)
x_train = torch.linspace(0, 1, 11, dtype=torch.float64)
y_train = truth(x_train) + 0.2 * torch.randn(11, dtype=torch.float64)
x_test = torch.linspace(0, 1, 200, dtype=torch.float64)
fits = [fit_polynomial(x_train, y_train, degree) for degree in range(11)]
train_errors = [(evaluate(alpha, x_train) - y_train).square().mean().item() for alpha in fits]
test_errors = [(evaluate(alpha, x_test) - truth(x_test)).square().mean().item() for alpha in fits]

figure, axes = plt.subplots(1, 4, figsize=(11, 2.5), layout="constrained")
for ax, degree in zip(axes, (1, 4, 10), strict=False):
    ax.plot(x_test, truth(x_test), "--", x_test, evaluate(fits[degree], x_test))
    ax.plot(x_train, y_train, ".")
    ax.set(title=f"degree {degree}", ylim=(-2, 2))
axes[3].semilogy(train_errors, label="on the samples")
axes[3].semilogy(test_errors, label="elsewhere, to the sine")
axes[3].set(xlabel="degree", title="squared error", ylim=(1e-4, 1e1))
axes[3].legend(fontsize=8)
prologue.show(
    "Fits of degree 1, 4 and 10 to eleven noisy samples of a sine: too stiff, good, and "
    "swinging far beyond the samples. Beside them both errors against the degree."
)

# %% [markdown]
# **A penalty holds a large model back.** Degree 10 again, and $\rho \|\alpha\|^2$ added to the loss: the coefficients get smaller
# and the curve smoother, as if the capacity were less. Look at the error elsewhere: it is low over several powers of ten of
# $\rho$. With a smaller one the fit is too free, and the error grows up to the one without penalty, which is printed; with a
# larger one it is too stiff. (As above, elsewhere means the sine without noise.)

# %%
penalties = torch.logspace(-12, 1, 53, dtype=torch.float64).tolist()
penalized = [fit_polynomial(x_train, y_train, 10, rho) for rho in penalties]
penalty_train = [(evaluate(alpha, x_train) - y_train).square().mean().item() for alpha in penalized]
penalty_test = [
    (evaluate(alpha, x_test) - truth(x_test)).square().mean().item() for alpha in penalized
]
best_rho = penalties[penalty_test.index(min(penalty_test))]
print(
    f"least error elsewhere: {min(penalty_test):.3f} at rho = {best_rho:.1e};",
    f"without penalty {test_errors[10]:.3f}",
)

figure, axes = plt.subplots(1, 4, figsize=(11, 2.5), layout="constrained")
for ax, rho in zip(axes, (1e-9, 1e-3, 1.0), strict=False):
    ax.plot(
        x_test,
        truth(x_test),
        "--",
        x_test,
        evaluate(fit_polynomial(x_train, y_train, 10, rho), x_test),
    )
    ax.plot(x_train, y_train, ".")
    ax.set(title=f"rho = {rho:g}", ylim=(-2, 2))
axes[3].loglog(penalties, penalty_train, label="on the samples")
axes[3].loglog(penalties, penalty_test, label="elsewhere, to the sine")
axes[3].set(xlabel="rho", title="squared error")
axes[3].legend(fontsize=8)
prologue.show(
    "Fits of degree 10 with a weak, a medium and a strong penalty, from free to nearly flat, "
    "and both errors against the penalty."
)

# %% [markdown]
# ## 4. Bias and variance, measured
#
# Draw many training sets and fit each: 15 places, which stay the same, and new noise of variance $\sigma^2 = 0.04$ each time. At
# a place $x$, with the mean of all fits $\bar f(x)$ and the true $f^*(x)$,
#
# $$E\big[(f(x) - f^*(x))^2\big] = \underbrace{(\bar f(x) - f^*(x))^2}_{\mathrm{bias}^2} +
# \underbrace{E\big[(f(x) - \bar f(x))^2\big]}_{\mathrm{variance}} .$$
#
# Look at the fits on the left: stiff ones agree with each other and are all wrong, free ones are right on average. On the
# right, averaged over the places, the bias falls with the degree, the variance rises, and the error is their sum, least in
# between. The variance is $\sigma^2 (\mathrm{degree} + 1) / 15$: each coefficient costs the same. The bias only falls at odd
# degrees, because the sine is odd around $x = 1/2$. (What is left of it in the end is the chance in a mean of so many fits.)

# %%
nb_sets = prologue.pick(1000, 100)
places = torch.linspace(0, 1, 15, dtype=torch.float64)
decomposition = []
figure, axes = plt.subplots(1, 4, figsize=(11, 2.5), layout="constrained")
shown = dict(zip((0, 3, 8), axes, strict=False))
for degree in range(9):
    noisy = truth(places) + 0.2 * torch.randn(nb_sets, 15, dtype=torch.float64)
    alpha = fit_polynomial(places.expand(nb_sets, -1), noisy, degree)  # a row for each set
    values = evaluate(alpha, places)
    mean_values = values.mean(0)
    bias = (mean_values - truth(places)).square().mean().item()
    variance = (values - mean_values).square().mean().item()
    error = (values - truth(places)).square().mean().item()
    decomposition.append((bias, variance, error))
    print(
        f"degree {degree}: bias² {bias:.4f} + variance {variance:.4f} = {bias + variance:.4f},",
        f"error {error:.4f}",
    )
    if degree in shown:
        curves = evaluate(alpha, x_test)
        shown[degree].plot(x_test, curves[:25].t(), "C0", alpha=0.2)
        shown[degree].plot(x_test, curves.mean(0), "C1", x_test, truth(x_test), "k--")
        shown[degree].set(title=f"degree {degree}", ylim=(-2, 2))
biases, variances, errors = zip(*decomposition, strict=True)
axes[3].semilogy(biases, label="bias²")
axes[3].semilogy(variances, label="variance")
axes[3].semilogy(errors, "k--", label="error")
axes[3].set(xlabel="degree")
axes[3].legend(fontsize=8)
prologue.show(
    "Many fits of degree 0, 3 and 8, their mean and the true sine. Beside them squared bias, "
    "which falls with the degree, variance, which rises, and their sum."
)

# %% [markdown]
# ## 5. Enough candidates, and one is right by chance
#
# Ten questions to be answered with yes or no, and 1000 candidates who toss a coin. One of them has all ten right with the
# probability $2^{-10}$, and at least one of all with $1 - (1 - 2^{-10})^{1000}$ = **0.62**. Look at how often it happens.

# %%
chance = 1 - (1 - 2**-10) ** 1000
contests = torch.randint(
    0, 2, (prologue.pick(2000, 300), 1000, 10), dtype=torch.uint8
)  # 1 is a right answer
observed = contests.all(dim=2).any(dim=1).float().mean().item()
print(f"computed {chance:.4f}, observed in {len(contests)} contests {observed:.4f}")

# %% [markdown]
# **Over-fitting without training.** The candidates are classifiers that know nothing, and we keep the one with the fewest errors
# on 100 validation samples. Look at the errors of the best of 1, 10, ... 10 000: they seem to get better and better, until they
# are measured on samples that chose nothing. So it is with everything chosen on a validation set: degrees, networks, seeds.

# %%
nb_candidates = 10_000
is_wrong = torch.rand(nb_candidates, 100) < 0.5  # on the validation samples
is_wrong_later = torch.rand(nb_candidates, 1000) < 0.5  # on the test samples
validation_error, test_error = is_wrong.float().mean(1), is_wrong_later.float().mean(1)
chosen_errors = {}
for nb in (1, 10, 100, 1000, 10_000):
    best = validation_error[:nb].argmin()
    chosen_errors[nb] = validation_error[best].item(), test_error[best].item()
    print("best of {:5}: validation error {:.0%}, test error {:.1%}".format(nb, *chosen_errors[nb]))

# %% [markdown]
# **Cross-validation.** With few samples, let each be once among those that judge: here the degree is chosen with five folds of 50
# samples. Look at both curves: the folds have not seen the truth, and the degree that they choose is nearly as good as the best.

# %%
x_all, y_all = draw(50)
folds = torch.randperm(50).view(5, 10)
scores, true_errors = [], []
for degree in range(10):
    held_errors = []
    for number in range(5):
        held, kept = folds[number], folds[torch.arange(5) != number].flatten()
        alpha = fit_polynomial(x_all[kept], y_all[kept], degree)
        held_errors.append((evaluate(alpha, x_all[held]) - y_all[held]).square().mean().item())
    scores.append(sum(held_errors) / 5)
    # What no one knows: the error on new samples, the noise of 0.2 included.
    alpha = fit_polynomial(x_all, y_all, degree)
    true_errors.append((evaluate(alpha, x_test) - truth(x_test)).square().mean().item() + 0.2**2)
best_degree = scores.index(min(scores))
print(
    f"chosen: degree {best_degree}, cross-validation {scores[best_degree]:.3f},",
    f"true {true_errors[best_degree]:.3f}, least true error {min(true_errors):.3f}",
)

figure, ax = plt.subplots(figsize=(5, 2.5))
ax.semilogy(scores, "o-", label="cross-validation")
ax.semilogy(true_errors, "k--", label="new samples")
ax.set(xlabel="degree", ylabel="squared error")
ax.legend()
prologue.show(
    "Squared error against the degree, by cross-validation and on new samples: both fall "
    "steeply up to degree 3."
)

# %% [markdown]
# ## 6. k-means
#
# Two steps in turn: each sample goes to its nearest center, each center to the mean of its samples. Neither step can make the
# mean squared distance larger. Look at the path of the four centers, which begin on four of the samples.


# %%
def kmeans(x, k, nb_steps=15):
    """The centers after each step (nb_steps + 1 times k x D) and the cost before each step."""
    centers = [x[torch.randperm(len(x))[:k]]]
    costs = []
    for _ in range(nb_steps):
        distances = torch.cdist(x, centers[-1])
        nearest = distances.argmin(1)
        costs.append(distances.amin(1).square().mean().item())
        sums = torch.zeros_like(centers[-1]).index_add_(0, nearest, x)
        counts = nearest.bincount(minlength=k)[:, None]
        centers.append(
            torch.where(counts > 0, sums / counts.clamp(min=1), centers[-1])
        )  # one without samples stays
    return centers, costs


torch.manual_seed(4)
clouds = torch.tensor([[-1.0, 1.0], [1.0, 1.0], [-1.0, -1.0], [1.0, -0.8]])
samples = clouds[torch.randint(0, 4, (400,))] + 0.35 * torch.randn(400, 2)
path, cloud_costs = kmeans(samples, 4)
steps = torch.stack(path)

figure, axes = plt.subplots(1, 4, figsize=(11, 2.6), layout="constrained")
for ax, step in zip(axes, (0, 1, 15), strict=False):
    ax.scatter(*samples.t(), c=torch.cdist(samples, steps[step]).argmin(1), s=3, cmap="Set2")
    for center in range(4):
        ax.plot(*steps[: step + 1, center].t(), "k.-")
    ax.set_title(f"after {step} steps")
axes[3].plot(cloud_costs)
axes[3].set(title="cost", xlabel="step")
prologue.show(
    "Four clouds of points and the paths of four centers after 0, 1 and 15 steps of k-means. "
    "Beside them the cost, which falls with each step."
)

# %% [markdown]
# **Digits and pictures.** The same on images, as points in 784 and 3072 dimensions. Look at the centers: one is the mean of all;
# sixteen digits can be read, though nobody told k-means what a digit is. Averages of color pictures are blobs of color: the
# distance of pixels says little about what is seen.


# %%
def tile(images, nb_columns, nb_channels=1):
    """One picture of N flat images side by side, for imshow."""
    side = round((images.size(1) / nb_channels) ** 0.5)
    nb_rows = -(-len(images) // nb_columns)
    padded = images.new_zeros(nb_rows * nb_columns, images.size(1))
    padded[: len(images)] = images
    sheet = padded.view(nb_rows, nb_columns, nb_channels, side, side).permute(0, 3, 1, 4, 2)
    return sheet.reshape(nb_rows * side, nb_columns * side, nb_channels)


digits, _, _, _ = prologue.load_data(cifar=False)
pictures, _, _, _ = prologue.load_data(cifar=True)
kmeans_costs = {}
figure, axes = plt.subplots(2, 6, figsize=(11, 4), layout="constrained")
for row, (name, x, nb_channels) in zip(
    axes, (("MNIST", digits, 1), ("CIFAR10", pictures, 3)), strict=True
):
    for ax, k in zip(row, (1, 2, 4, 8, 16, 32), strict=True):
        image_centers, costs = kmeans(x, k)
        kmeans_costs[name, k] = costs
        ax.imshow(tile(image_centers[-1] / 255, math.ceil(k**0.5), nb_channels), cmap="gray")
        ax.set_title(f"K = {k}: {costs[-1] / kmeans_costs[name, 1][-1]:.0%}", fontsize=9)
        ax.axis("off")
print("above each: mean squared distance to the nearest center, compared to K = 1")
prologue.show(
    "Centers of k-means for K = 1, 2, 4, 8, 16 and 32. Those of MNIST become digits, those of "
    "CIFAR10 are blobs of color."
)

# %% [markdown]
# ## 7. Principal component analysis
#
# The mean, and the first twelve directions in which the samples vary, each at right angles to those before. They are the right
# singular vectors of the samples minus their mean. Look at the first directions. In the real MNIST, digits are round or
# slender, upright or slanted; in the real CIFAR10, pictures are bright or dark, then bright above or below, on the left or on the
# right. The pictures of a stand-in differ in the color of the whole first, then in that of the middle.


# %%
def pca(x):
    """The mean (D) and the directions (rows, at most N of D numbers), of large variance first."""
    mean = x.mean(0)
    _, _, directions = torch.linalg.svd(x - mean, full_matrices=False)
    return mean, directions


bases = {"MNIST": (digits, 1, *pca(digits)), "CIFAR10": (pictures, 3, *pca(pictures))}
figure, axes = plt.subplots(2, 1, figsize=(11, 2.2), layout="constrained")
for ax, (name, (_, nb_channels, mean, directions)) in zip(axes, bases.items(), strict=True):
    low, high = directions[:12].amin(1, keepdim=True), directions[:12].amax(1, keepdim=True)
    stretched = (directions[:12] - low) / (
        high - low
    )  # a direction has negative numbers: from 0 to 1, to be seen
    ax.imshow(tile(torch.cat((mean[None] / 255, stretched)), 13, nb_channels), cmap="gray")
    ax.set_title(f"{name}: mean and twelve directions", fontsize=9)
    ax.axis("off")
prologue.show(
    "The mean and the first twelve principal directions as images, in gray for MNIST and in "
    "color for CIFAR10."
)

# %% [markdown]
# **Rebuilt from a few coordinates**: $\bar x + V^\top V (x - \bar x)$ with the first rows $V$. Look at how few numbers a digit or
# a picture needs; what remains to be explained is printed. (With all directions of 1000 samples these samples are rebuilt exactly,
# as over-fitted as it gets. New pictures are not: 1000 directions are not all of 3072. New digits are, as anything is: 784
# directions are all that 784 dimensions have.)

# %%
residuals = {}
sizes = (0, 1, 3, 10, 30, 100, 300)
figure, axes = plt.subplots(2, 1, figsize=(9, 3), layout="constrained")
for ax, (name, (x, nb_channels, mean, directions)) in zip(axes, bases.items(), strict=True):
    rows = []
    for size in sizes:
        rebuilt = mean + (x - mean) @ directions[:size].t() @ directions[:size]
        residuals[name, size] = ((rebuilt - x).square().sum() / (x - mean).square().sum()).item()
        rows.append(rebuilt[7])
    print(
        f"{name}: left to explain "
        + ", ".join(f"{size}: {residuals[name, size]:.0%}" for size in sizes)
    )
    ax.imshow(
        tile((torch.stack([*rows, x[7]]) / 255).clamp(0, 1), len(sizes) + 1, nb_channels),
        cmap="gray",
    )
    ax.set_title(
        f"{name} with {', '.join(map(str, sizes))} directions, and the original", fontsize=9
    )
    ax.axis("off")
prologue.show(
    "A digit and a picture, rebuilt from 0 to 300 principal directions, from the mean to nearly "
    "the original."
)

# %% [markdown]
# ## Try
#
# 1. How many neighbors are best for the 1000 digits of `prologue.load_data()`? Which samples may choose K, and which must not?
# 2. Draw 1000 training samples instead of 11 for the polynomial of degree 10. What happens to the error, and why?
# 3. Run k-means with K = 10 on the digits several times. Are the centers the ten digits? Does the cost come out the same?
