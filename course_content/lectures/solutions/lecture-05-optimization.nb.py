# %% [markdown]
# # Lecture 5: answers

# %%
import dlc_practical_prologue as prologue
import torch
from torch import nn
from torch.nn import functional as F

pixels, classes, _, _ = prologue.load_data(cifar=False, normalize=True)
pixels, classes = pixels[:500], classes[:500]

# %% [markdown]
# ## 1. A learning rate for each batch size
#
# Larger batches bear larger steps, because their gradients have less noise. Between batches of 50 and of 5 samples,
# more than half of the difference goes away with the best learning rate for each. One step with all samples stays
# behind: no learning rate makes up for the steps that the others have.


# %%
def measure_loss(batch_size, lr):
    """The loss after one epoch."""
    torch.manual_seed(0)
    model = nn.Linear(784, 10)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for x, y in zip(pixels.split(batch_size), classes.split(batch_size), strict=True):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    with torch.no_grad():
        return F.cross_entropy(model(pixels), classes).item()


same, best = {}, {}
for batch_size in (500, 50, 5):
    losses = {lr: measure_loss(batch_size, lr) for lr in (0.003, 0.01, 0.03, 0.1, 0.3)}
    same[batch_size], best[batch_size] = losses[0.003], min(losses.values())
    print(
        f"batches of {batch_size:3}: {same[batch_size]:.2f} with 0.003, {best[batch_size]:.2f}",
        f"with {min(losses, key=losses.get)}",
    )
assert same[50] - same[5] > 2 * (best[50] - best[5]) > 0 and best[500] > best[50] + 0.3

# %% [markdown]
# ## 2. `weight_decay`
#
# SGD adds `weight_decay` times the weight to the gradient, and the gradient of $\lambda \|w\|^2$ is $2 \lambda w$: the
# value is $2 \lambda$. It holds for `Adam`, too, whose option adds the same to the gradient. But Adam then divides this
# sum by its own size, the penalty's part included, so that weights with large gradients are pulled less. `AdamW` keeps
# the two apart: it shrinks all weights by the same factor, which is no penalty in the loss, as the differences show.


# %%
def train_twice(make, decay):
    """The weights after ten steps with a penalty in the loss, and with the option."""
    results = []
    for in_the_loss in (True, False):
        torch.manual_seed(0)
        w = torch.randn(20, requires_grad=True)
        x, y = torch.randn(50, 20), torch.randn(50)
        optimizer = make([w], 0.0 if in_the_loss else decay)
        for _ in range(10):
            optimizer.zero_grad()
            penalty = 0.05 * w.square().sum() if in_the_loss else 0.0
            ((x @ w - y).square().mean() + penalty).backward()
            optimizer.step()
        results.append(w.detach())
    return results


by_sgd = train_twice(lambda p, decay: torch.optim.SGD(p, lr=0.01, weight_decay=decay), 0.1)
by_adam = train_twice(lambda p, decay: torch.optim.Adam(p, lr=0.01, weight_decay=decay), 0.1)
by_adamw = train_twice(lambda p, decay: torch.optim.AdamW(p, lr=0.01, weight_decay=decay), 0.1)
for name, (penalty, option) in (("SGD", by_sgd), ("Adam", by_adam), ("AdamW", by_adamw)):
    print(f"{name:5}: largest difference {(penalty - option).abs().max():.1e}")
assert torch.allclose(*by_sgd, atol=1e-6) and torch.allclose(*by_adam, atol=1e-5)
assert (by_adamw[0] - by_adamw[1]).abs().max() > 1e-3

# %% [markdown]
# ## 3. The sign, straight through
#
# `gradcheck` complains, and is right: the derivative of the sign is 0 wherever there is one. The false gradient is
# useful because the true one teaches nothing. It tells in which direction the input has to move for the sign to change,
# and with it networks whose units or weights are only -1 and 1 are trained.


# %%
class Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sign()

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * (x.abs() < 1)


x = torch.tensor([-2.0, -0.5, 0.5, 2.0], dtype=torch.float64, requires_grad=True)
Sign.apply(x).sum().backward()
is_right = torch.autograd.gradcheck(Sign.apply, (x,), raise_exception=False)
print("gradient", x.grad.tolist(), "gradcheck passes:", is_right)
assert x.grad.tolist() == [0, 1, 1, 0] and not is_right
