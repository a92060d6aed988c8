# %% [markdown]
# # Lecture 9: answers

# %%
import dlc_practical_prologue as prologue
import torch

# %% [markdown]
# ## 1. A Gaussian with a full covariance
#
# The components of a code are correlated, and independent Gaussians forget that: they draw combinations that no image
# has. The full covariance draws fewer of them. It is still an ellipse, while the codes fill some bent part of it. The
# codes of a VAE are pulled towards N(0, I) during the training, and its decoder has seen codes from all of that cloud.
#
# In two dimensions, with a correlation of 0.9, the full covariance is better by
# $-\frac{1}{2} \log(1 - 0.9^2) = 0.83$ in log-likelihood.

# %%
torch.manual_seed(0)
codes = torch.randn(5000, 2) @ torch.linalg.cholesky(torch.tensor([[1.0, 0.9], [0.9, 1.0]])).t()
full = torch.distributions.MultivariateNormal(codes.mean(0), codes.t().cov())
own = torch.distributions.Normal(codes.mean(0), codes.std(0))
gain = (full.log_prob(codes).mean() - own.log_prob(codes).sum(1).mean()).item()
print(f"gain in log-likelihood: {gain:.2f}")
assert abs(gain - 0.83) < 0.05

# %% [markdown]
# ## 2. The KL term times 0.1, and times 10
#
# With a small weight $\beta$ the reconstructions are better, more components are in use, and the codes are further from
# N(0, I), so that samples are worse. With a large weight it is the other way round: few components, blurred images.
#
# A linear VAE can be computed by hand: it uses the principal components whose variance is larger than $\beta$, and
# ignores the others. Here is their number for the normalized digits.

# %%
pixels = prologue.read_mnist()[0][:1000].flatten(1).float()
pixels = (pixels - pixels.mean()) / pixels.std()
variances = torch.linalg.svdvals(pixels - pixels.mean(0)).square() / len(pixels)
nb_used = {beta: int((variances > beta).sum()) for beta in (0.1, 1.0, 10.0)}
print("components in use:", nb_used)
assert nb_used[0.1] > nb_used[1.0] > nb_used[10.0] > 0

# %% [markdown]
# ## 3. A flow of depth 1
#
# One layer keeps a component as it is. So this one must be Gaussian already, and the other one must be Gaussian at each
# value of the first, with any mean and spread. The bent cloud of section 9 is of this kind, if the layer keeps the
# first component: $y_2 = (x_2 - x_1^2 + 1) / 0.3$ makes it round. If it keeps the second one, which is not Gaussian, no
# choice of $s$ and $t$ does.

# %%
points = torch.randn(20000, 2)
bent = torch.stack([points[:, 0], 0.3 * points[:, 1] + points[:, 0].pow(2) - 1], 1)
made_round = torch.stack([bent[:, 0], (bent[:, 1] - bent[:, 0].pow(2) + 1) / 0.3], 1)
skewness = (((bent - bent.mean(0)) / bent.std(0)) ** 3).mean(0)
print("covariance:", made_round.t().cov().numpy().round(2).tolist())
print("skewness of the two components of the cloud:", skewness.numpy().round(2).tolist())
assert (made_round.t().cov() - torch.eye(2)).abs().max() < 0.05
assert abs(skewness[0]) < 0.1 < 1 < skewness[1]
