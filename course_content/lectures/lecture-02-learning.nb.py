# %% [markdown]
# # Lecture 2: learning from samples
#
# What a machine can learn from samples, how to see that it learnt too much of them, and two methods that need no targets:
# k-means and PCA. Runs in about a minute.

# %%
# %matplotlib inline
import math

import dlc_practical_prologue as prologue
import torch
from matplotlib import pyplot as plt

torch.manual_seed(0)

# %% [markdown]
# ## Nearest neighbours
#
# The class of the nearest sample, or of the majority of the K nearest. With K = 1 no training sample is wrong, and the regions
# have islands around single samples; larger K smooths them.

# %%
centres = torch.tensor([[-0.6, 0.0], [0.6, 0.0]])
classes = torch.arange(200) % 2
points = centres[classes] + 0.6 * torch.randn(200, 2)
test_classes = torch.arange(2000) % 2
test_points = centres[test_classes] + 0.6 * torch.randn(2000, 2)


def classify(x, k):
    nearest = torch.cdist(x, points).topk(k, largest=False).indices
    return (classes[nearest].float().mean(1) > 0.5).long()


grid = torch.cartesian_prod(torch.linspace(-2, 2, 80), torch.linspace(-2, 2, 80))
figure, axes = plt.subplots(1, 3, figsize=(11, 3))
knn_errors = {}
for axis, k in zip(axes, (1, 5, 51), strict=True):
    train_error = (classify(points, k) != classes).float().mean().item()
    knn_errors[k] = train_error, (classify(test_points, k) != test_classes).float().mean().item()
    axis.contourf(*grid.t().view(2, 80, 80), classify(grid, k).view(80, 80), alpha=0.3)
    axis.scatter(*points.t(), c=classes, s=5)
    axis.set_title("K = {}: train {:.0%}, test {:.0%}".format(k, *knn_errors[k]))

# %% [markdown]
# ## Polynomial regression
#
# Least squares fits a polynomial of degree 4 to 100 points of the sine. At $x = -\pi$, where the sine is 0, the fit gives
# 0.1836.


# %%
def fit_polynomial(x, y, degree, rho=0.0):
    powers = x[:, None] ** torch.arange(degree + 1)
    # Least squares with a penalty rho |alpha|^2, as rows that are added.
    rows = torch.cat((powers, rho**0.5 * torch.eye(degree + 1, dtype=x.dtype)))
    return torch.linalg.lstsq(rows, torch.cat((y, torch.zeros(degree + 1, dtype=x.dtype)))[:, None]).solution[:, 0]


def evaluate(alpha, x):
    return (x[:, None] ** torch.arange(len(alpha))) @ alpha


x = torch.linspace(-math.pi, math.pi, 100, dtype=torch.float64)
alpha = fit_polynomial(x, x.sin(), 4)
first_value = evaluate(alpha, x[:1]).item()
first_value

# %% [markdown]
# ## Too little, too much
#
# Ten noisy samples, and polynomials of growing degree: the error on the samples only falls, the error on others falls and rises
# again.


# %%
def truth(x):
    return (2 * math.pi * x).sin()


def draw(nb):
    x = torch.rand(nb, dtype=torch.float64)
    return x, truth(x) + 0.2 * torch.randn(nb, dtype=torch.float64)


torch.manual_seed(1)
x_train, y_train = draw(11)
x_test = torch.linspace(0, 1, 200, dtype=torch.float64)
train_errors, test_errors = [], []
for degree in range(10):
    alpha = fit_polynomial(x_train, y_train, degree)
    train_errors.append((evaluate(alpha, x_train) - y_train).pow(2).mean().item())
    test_errors.append((evaluate(alpha, x_test) - truth(x_test)).pow(2).mean().item())
plt.semilogy(train_errors, label="on the samples")
plt.semilogy(test_errors, label="on others")
plt.xlabel("degree")
plt.legend()
# %% [markdown]
# A penalty on the coefficients holds a polynomial of degree 9 back: more of it, a smoother curve.

# %%
penalty_errors = {}
figure, axes = plt.subplots(1, 3, figsize=(11, 2.5), sharey=True)
for axis, rho in zip(axes, (0.0, 1e-3, 1e-2), strict=True):
    alpha = fit_polynomial(x_train, y_train, 9, rho)
    penalty_errors[rho] = (evaluate(alpha, x_test) - truth(x_test)).pow(2).mean().item()
    axis.plot(x_test, evaluate(alpha, x_test), x_test, truth(x_test), "--")
    axis.plot(x_train, y_train, ".")
    axis.set(title=f"rho = {rho}", ylim=(-2, 2))

# %% [markdown]
# ## Bias and variance
#
# Fit the same degree to many training sets. The mean of all fits is off by the bias; a single fit is off from their mean by the
# variance. Together they make the error: $E = \mathrm{bias}^2 + \mathrm{variance}$.

# %%
decomposition = []
for degree in range(8):
    values = torch.stack(
        [evaluate(fit_polynomial(*draw(15), degree, 1e-4), x_test) for _ in range(prologue.pick(500, 100))]
    )
    bias = (values.mean(0) - truth(x_test)).pow(2).mean().item()
    variance = values.var(0, correction=0).mean().item()
    error = (values - truth(x_test)).pow(2).mean().item()
    decomposition.append((bias, variance, error))
biases, variances, sums = zip(*decomposition, strict=True)
plt.semilogy(biases, label="bias²")
plt.semilogy(variances, label="variance")
plt.semilogy(sums, "--", label="error")
plt.xlabel("degree")
plt.legend()
# %% [markdown]
# ## Enough candidates, and one fits by chance
#
# Ten questions with answers yes or no, and 1000 candidates who guess. The chance that at least one has all ten right is
# $1 - (1 - 2^{-10})^{1000} = 0.62$: a model that is the best of many must be judged on data that did not choose it.

# %%
chance = 1 - (1 - 2**-10) ** 1000
guesses = torch.randint(0, 2, (prologue.pick(2000, 300), 1000, 10), dtype=torch.uint8)
observed = guesses.all(2).any(1).float().mean().item()
chance, observed

# %% [markdown]
# ## Cross-validation
#
# Each sample is once among those that judge. Here: the degree of the polynomial, chosen with five folds of 50 samples.

# %%
x_all, y_all = draw(50)
folds = torch.randperm(50).view(5, 10)
scores = []
for degree in range(10):
    fold_errors = []
    for number in range(5):
        held, kept = folds[number], folds[torch.arange(5) != number].flatten()
        alpha = fit_polynomial(x_all[kept], y_all[kept], degree)
        fold_errors.append((evaluate(alpha, x_all[held]) - y_all[held]).pow(2).mean())
    scores.append(torch.stack(fold_errors).mean().item())
best_degree = scores.index(min(scores))
best_degree

# %% [markdown]
# ## k-means
#
# Two steps in turn: each sample goes to its nearest centre, each centre to the mean of its samples. The cost never rises.


# %%
def kmeans(x, k, nb_steps=20):
    means = x[torch.randperm(len(x))[:k]].clone()
    costs = []
    for _ in range(nb_steps):
        distances = torch.cdist(x, means)
        nearest = distances.argmin(1)
        costs.append(distances.min(1).values.pow(2).mean().item())
        for c in range(k):
            if (nearest == c).any():
                means[c] = x[nearest == c].mean(0)
    return means, costs


train_input, train_target, _, _ = prologue.load_data()
kmeans_costs = {}
figure, axes = plt.subplots(1, 6, figsize=(12, 2.2))
for axis, k in zip(axes, (1, 2, 4, 8, 16, 32), strict=True):
    digit_means, costs = kmeans(train_input, k)
    kmeans_costs[k] = costs
    columns = math.ceil(k**0.5)
    rows = math.ceil(k / columns)
    sheet = torch.zeros(rows * columns, 784)
    sheet[:k] = digit_means
    axis.imshow(sheet.view(rows, columns, 28, 28).permute(0, 2, 1, 3).reshape(rows * 28, columns * 28), cmap="gray")
    axis.set_title(f"K = {k}")
    axis.axis("off")

# %% [markdown]
# ## Principal component analysis
#
# The mean of the digits and the first twelve directions in which they vary; then a digit rebuilt from its first coordinates.

# %%
mean = train_input.mean(0)
_, deviations, basis = torch.linalg.svd(train_input - mean, full_matrices=False)
figure, axes = plt.subplots(1, 13, figsize=(13, 1.3))
for axis, image in zip(axes, (mean, *basis[:12]), strict=True):
    axis.imshow(image.view(28, 28), cmap="gray")
    axis.axis("off")

# %%
residuals = {}
figure, axes = plt.subplots(1, 6, figsize=(9, 1.8))
for axis, nb in zip(axes, (0, 3, 10, 30, 100, 300), strict=True):
    rebuilt = mean + (train_input - mean) @ basis[:nb].t() @ basis[:nb]
    residuals[nb] = ((rebuilt - train_input).pow(2).sum() / (train_input - mean).pow(2).sum()).item()
    axis.imshow(rebuilt[0].view(28, 28), cmap="gray")
    axis.set_title(f"{nb}: {1 - residuals[nb]:.0%}")
    axis.axis("off")

# %% [markdown]
# ## Try
#
# - How many nearest neighbours are best for the 1000 digits? Judge on samples that did not choose.
# - Run k-means with K = 10 several times. Are the centres the ten digits?
# - Do PCA on CIFAR10 (`prologue.load_data(cifar=True)`). What do the first directions show?
