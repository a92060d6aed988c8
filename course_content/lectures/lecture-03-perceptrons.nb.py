# %% [markdown]
# # Lecture 3: from the perceptron to back-propagation
#
# Linear classifiers and what they cannot do, features that help, and a network of one hidden layer with its gradient
# written by hand. Runs in about a minute.

# %%
# %matplotlib inline
import dlc_practical_prologue as prologue
import torch
from matplotlib import pyplot as plt

torch.manual_seed(0)

# %% [markdown]
# ## The perceptron
#
# As long as a sample is on the wrong side, add it to the weights, with the sign of its class. The algorithm stops when a
# whole epoch changes nothing, which happens if and only if the classes can be separated by a plane.


# %%
def train_perceptron(x, y, nb_epochs_max):
    w = torch.zeros(x.size(1))
    changes = []
    for _ in range(nb_epochs_max):
        nb_changes = 0
        for sample, sign in zip(x, y, strict=True):
            if sample.dot(w) * sign <= 0:
                w += sample * sign
                nb_changes += 1
        changes.append(nb_changes)
        if nb_changes == 0:
            break
    return w, changes


# %% [markdown]
# Zeros against ones. On the whole of the real MNIST it makes 64, 24, 10, 6, 5, 4, 3, 2 and 0 changes, and ends with 0.00 % of
# errors on the training samples and 0.14 % on the test samples. Which data you have, the prologue says.

# %%
train_input, train_target, test_input, test_target = prologue.read_mnist()
nb = prologue.pick(60_000, 4000)


def select(input, target, mean, std):
    chosen = target < 2
    x = (input[chosen].flatten(1).float() - mean) / std
    return torch.cat((x, torch.ones(x.size(0), 1)), 1), 2.0 * target[chosen] - 1


pixels = train_input[train_target < 2].float()
mean, std = pixels.mean(), pixels.std()
x, y = select(train_input[:nb], train_target[:nb], mean, std)
x_test, y_test = select(test_input, test_target, mean, std)
w, changes = train_perceptron(x, y, nb_epochs_max=50)
train_error = ((x @ w) * y <= 0).float().mean().item()
test_error = ((x_test @ w) * y_test <= 0).float().mean().item()
print(f"changes {changes}, train error {train_error:.2%}, test error {test_error:.2%}")

# %% [markdown]
# The weights are an image: dark where ink speaks for a zero, bright where it speaks for a one.

# %%
plt.imshow(w[:-1].view(28, 28), cmap="gray")
plt.axis("off")
# %% [markdown]
# ## Linear discriminant analysis
#
# Two Gaussian classes that share their covariance are separated best by a plane, which follows from means and covariance
# alone: $w = \Sigma^{-1} (\mu_1 - \mu_0)$.

# %%
covariance = torch.tensor([[1.0, 0.8], [0.8, 1.5]])
root = torch.linalg.cholesky(covariance)
means = torch.tensor([[-1.0, 0.5], [1.0, -0.5]])
points = torch.cat([mean + torch.randn(500, 2) @ root.t() for mean in means])
classes = torch.arange(1000) // 500
estimated = sum(torch.cov(points[classes == c].t()) for c in (0, 1)) / 2
centres = torch.stack([points[classes == c].mean(0) for c in (0, 1)])
direction = torch.linalg.solve(estimated, centres[1] - centres[0])
side = (points - centres.mean(0)) @ direction > 0
lda_error = (side != classes.bool()).float().mean().item()
naive_side = (points - centres.mean(0)) @ (centres[1] - centres[0]) > 0
naive_error = (naive_side != classes.bool()).float().mean().item()
print(f"LDA {lda_error:.1%}, the plane halfway between the means {naive_error:.1%}")

# %% [markdown]
# ## What no plane separates: xor
#
# The product of both coordinates, as a third feature, makes it linear. A perceptron on two features never stops.

# %%
corners = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
xor = torch.tensor([-1.0, 1.0, 1.0, -1.0])
ones = torch.ones(4, 1)
_, changes_plain = train_perceptron(torch.cat((corners, ones), 1), xor, 100)
_, changes_product = train_perceptron(torch.cat((corners, corners.prod(1, keepdim=True), ones), 1), xor, 100)
changes_plain[-1], changes_product

# %% [markdown]
# ## Features of chance
#
# An "8" against all other digits, with products of two random pixels as features and a linear classifier on them (least
# squares). More features fit better; watch what the test error does.

# %%
nb_samples = prologue.pick(4000, 1000)
a = train_input[:nb_samples].flatten(1).float() / 255
b = test_input[:nb_samples].flatten(1).float() / 255
sign_a, sign_b = (2.0 * (target[:nb_samples] == 8) - 1 for target in (train_target, test_target))


def measure_features(nb_features):
    torch.manual_seed(0)
    i, j = torch.randint(0, 784, (2, nb_features))

    def expand(z):
        return torch.cat((z, z[:, i] * z[:, j], torch.ones(z.size(0), 1)), 1)

    phi = expand(a)
    ridge = 1e-1 * torch.eye(phi.size(1))
    weights = torch.linalg.solve(phi.t() @ phi + ridge, phi.t() @ sign_a)
    return tuple(((expand(z) @ weights) * s <= 0).float().mean().item() for z, s in ((a, sign_a), (b, sign_b)))


feature_errors = {
    nb_features: measure_features(nb_features) for nb_features in prologue.pick((0, 1000, 5000), (0, 1000))
}
for nb_features, (train, test) in feature_errors.items():
    print(f"{nb_features:5} products: train error {train:.1%}, test error {test:.1%}")

# %% [markdown]
# ## Logistic regression
#
# The gradient of $-\log \sigma(y\, w \cdot x)$ is $-(1 - \sigma(y\, w \cdot x))\, y\, x$: steps of $\eta = 0.1$ against it.

# %%
targets = 2.0 * classes - 1
samples = torch.cat((points, torch.ones(1000, 1)), 1)
weights = torch.zeros(3)
losses = []
for _ in range(200):
    margin = targets * (samples @ weights)
    losses.append(torch.nn.functional.softplus(-margin).mean().item())
    gradient = -((1 - margin.sigmoid()) * targets) @ samples / 1000
    weights -= 0.1 * gradient
logistic_error = ((samples @ weights) * targets <= 0).float().mean().item()
print(f"loss {losses[0]:.3f} to {losses[-1]:.3f}, error {logistic_error:.1%}")

# %% [markdown]
# ## Sums of ReLUs draw any function
#
# A hidden layer of ReLUs is a sum of broken lines. With their bends spread over the axis and the output weights fitted, the
# largest deviation from a smooth function shrinks as their number grows.

# %%
t = torch.linspace(-1, 1, 500)
wanted = torch.sin(6 * t)
figure, axes = plt.subplots(1, 3, figsize=(11, 2.5), sharey=True)
deviations = []
for axis, nb_units in zip(axes, (4, 12, 40), strict=True):
    bends = torch.linspace(-1, 1, nb_units + 1)[:-1]
    units = torch.cat(((t[:, None] - bends).relu(), torch.ones(500, 1)), 1)
    fit = units @ torch.linalg.lstsq(units, wanted[:, None]).solution
    deviations.append((fit[:, 0] - wanted).abs().max().item())
    axis.plot(t, wanted, t, fit[:, 0])
    axis.set_title(f"{nb_units} units: {deviations[-1]:.3f}")

# %% [markdown]
# ## Back-propagation
#
# One hidden layer: $x_1 = \sigma(w_1 x_0 + b_1)$, $x_2 = \sigma(w_2 x_1 + b_2)$, and the loss is $\|x_2 - t\|^2$. Backward, from
# the loss to the input: the gradient with respect to $x_l$, times $\sigma'(s_l)$, gives the one with respect to $s_l$; from
# that follow the gradients of $w_l$, $b_l$ and $x_{l-1}$. You write it for real in practical 3.


# %%
def dtanh(s):
    return 1 - s.tanh().pow(2)


x0, t0 = torch.randn(5), torch.randn(2)
w1, b1, w2, b2 = torch.randn(4, 5), torch.randn(4), torch.randn(2, 4), torch.randn(2)
s1 = w1 @ x0 + b1
x1 = s1.tanh()
s2 = w2 @ x1 + b2
x2 = s2.tanh()

dl_ds2 = 2 * (x2 - t0) * dtanh(s2)
dl_dw2, dl_db2 = torch.outer(dl_ds2, x1), dl_ds2
dl_ds1 = (w2.t() @ dl_ds2) * dtanh(s1)
dl_dw1, dl_db1 = torch.outer(dl_ds1, x0), dl_ds1

for parameter in (w1, b1, w2, b2):
    parameter.requires_grad_()
((w2 @ (w1 @ x0 + b1).tanh() + b2).tanh() - t0).pow(2).sum().backward()
pairs = ((w1, dl_dw1), (b1, dl_db1), (w2, dl_dw2), (b2, dl_db2))
agree = all(torch.allclose(parameter.grad, mine, atol=1e-5) for parameter, mine in pairs)
agree

# %% [markdown]
# ## Try
#
# - Which pair of digits takes the perceptron the longest? Does it stop for 3 and 5?
# - Give the perceptron's xor the feature $x_1^2$ instead of the product. Why does it not help?
# - Replace `tanh` by a ReLU in the last cell. What is its derivative, and where does it have none?
