# %% [markdown]
# # Lecture 10: answers

# %%
import torch
from torch import nn

# %% [markdown]
# ## 1. Five steps of one network for one of the other
#
# With five steps of the discriminator, it knows better where real points lack, and the generator follows it slowly.
# With five steps of the generator, all points run to where the discriminator is largest, before it can change its
# mind: that is mode collapse. In the extreme, the discriminator stands still, and the best answer of the generator is
# one single point, the maximum of $D$. Here is this extreme: the spread of the generated points falls.

# %%
torch.manual_seed(0)
generator = nn.Sequential(nn.Linear(8, 100), nn.ReLU(), nn.Linear(100, 2))
optimizer = torch.optim.Adam(generator.parameters(), lr=1e-3)
place = torch.tensor([1.0, 0.0])  # where this discriminator, exp(-distance² / 2), is largest
spreads = []
for _ in range(300):
    points = generator(torch.randn(100, 8))
    spreads.append(points.std(0).mean().item())
    loss = ((points - place).square().sum(1) / 2).mean()  # -log D
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"spread {spreads[0]:.2f} at first, {spreads[-1]:.2f} after 300 steps")
assert spreads[-1] < spreads[0] / 2

# %% [markdown]
# ## 2. Other limits for the clipped weights
#
# The slope of the critic can at most be as large as the weights allow. With three layers, a limit of 0.01 instead of
# 0.1 makes it about a thousand times smaller, and with it the estimate and the gradient that the generator gets. With a
# limit of 1 the estimate is far above the distance, and the training swings. The order of the distances remains, their
# unit does not.

# %%
estimates = {}
for limit in (0.01, 0.1, 1.0):
    torch.manual_seed(0)
    layers = [nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1)]
    critic = nn.Sequential(*layers)
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-3)
    for _ in range(200):
        real, fake = torch.randn(100, 2), torch.randn(100, 2) + torch.tensor([2.0, 0.0])
        estimate = critic(real).mean() - critic(fake).mean()
        optimizer.zero_grad()
        (-estimate).backward()
        optimizer.step()
        with torch.no_grad():
            for p in critic.parameters():
                p.clamp_(-limit, limit)
    estimates[limit] = estimate.item()
    print(f"limit {limit}: estimate {estimates[limit]:.4f}")
assert 100 * estimates[0.01] < estimates[0.1] < estimates[1.0]

# %% [markdown]
# ## 3. A checkpoint in the middle of an epoch
#
# The order of the batches of this epoch and the number of batches that are done, and the sum of the losses so far. The
# state of the random generator alone is not enough: the order was drawn from it before, so that it has moved on. One
# can save the order itself, or the state from before the draw.

# %%
torch.manual_seed(0)
before = torch.get_rng_state()
order = torch.randperm(10)
after = torch.get_rng_state()
torch.set_rng_state(after)
another = torch.randperm(10)
torch.set_rng_state(before)
print("order  ", order.tolist(), "\nafter  ", another.tolist())
assert not torch.equal(another, order) and torch.equal(torch.randperm(10), order)
