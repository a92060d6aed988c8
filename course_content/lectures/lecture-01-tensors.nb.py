# %% [markdown]
# # Lecture 1: tensors
#
# A tensor is a block of numbers in memory, and a rule how to walk through it. From there to a first model, a line through
# points, and to images.
#
# Runs in seconds; half an hour to read and play with.

# %%
# %matplotlib inline
import tempfile
from pathlib import Path

import dlc_practical_prologue as prologue
import torch
from matplotlib import pyplot as plt

torch.manual_seed(0)
print(
    f"torch {torch.__version__} on {prologue.device};",
    f"CIFAR10: {prologue.get_data_source('cifar10')}",
)

# %% [markdown]
# ## 1. Make, fill, measure
#
# A name that ends in `_` works **in place**: `fill_` changes `x`. Look at what comes back: sizes are a `torch.Size`, a mean is a
# tensor without dimensions, and `item()` makes a Python number of it.

# %%
x = torch.empty(2, 5)
x.fill_(1.125)
x_mean, x_std = x.mean().item(), x.std().item()
print(x)
print(x.size(), x.dtype, x.mean(), f"mean {x_mean}, standard deviation {x_std}")

# %% [markdown]
# **Every tensor has one type of number.** `arange(5)` counts in whole numbers, `arange(5.0)` does not. Elements of both kinds
# can be added, `mm` and `@` want the same on both sides: look at the message.

# %%
whole, real = torch.arange(5), torch.arange(5.0)
print(whole.dtype, real.dtype, (whole + real).dtype, (whole / 2).dtype)
try:
    torch.diag(whole) @ torch.diag(real)
except RuntimeError as error:
    type_message = str(error)
    print("RuntimeError:", type_message)

# %% [markdown]
# `*` multiplies element by element, `@` is the product of matrices.

# %%
p, q = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[0.0, 1.0], [1.0, 0.0]])
print(p * q)
print(p @ q)

# %% [markdown]
# **A view has other sizes and the same memory.** `narrow(dimension, start, length)` and slices are views: what you write into
# them, you write into the tensor. A `clone` has memory of its own. Look at the sevens: they came in through the window.

# %%
y = torch.zeros(4, 6)
kept = y.clone()
y.narrow(1, 2, 3).fill_(7.0)
y[1:3] += 1
print(y)
print("sum of the clone:", kept.sum().item())

# %% [markdown]
# ## 2. Three equations, and more than three
#
# `solve` finds the $x$ of $A x = b$. With more equations than unknowns there is none, and `lstsq` finds the one for which
# $\|A x - b\|^2$ is least. Look at the residuals: zero (but for rounding) for three equations, not for six, and then at
# right angles to each column of $A$.

# %%
a = torch.tensor([[2.0, 1.0, 0.0], [1.0, 3.0, 1.0], [0.0, 1.0, 4.0]])
b = torch.tensor([4.0, 10.0, 14.0])
solution = torch.linalg.solve(a, b)
print("solution", solution, "residuals", a @ solution - b)

tall, right = torch.randn(6, 3), torch.randn(6, 1)
nearest = torch.linalg.lstsq(tall, right).solution
residual = tall @ nearest - right
print(
    f"six equations: |residual| {residual.norm():.2f},",
    f"A' residual {(tall.t() @ residual).norm():.1e}",
)

# %% [markdown]
# ## 3. Linear regression: blood pressure against age
#
# Measurements that we make up: the systolic pressure rises by 1 mmHg a year from 95 mmHg, with a spread of 10 mmHg. The model
# is $f(x) = a x + b$ and its loss $\frac{1}{N}\sum_n (f(x_n) - y_n)^2$. A column of ones beside the ages makes this a least
# squares problem with two unknowns. Look at how near $a$ and $b$ come, and at the two errors.
#
# On the 60 people measured, the error may be above the spread of 10 mmHg or below it, and more often it is below: the line was
# fitted to them. On other people, no line can expect less than the spread. What our line adds to it is its distance from the true
# line, which we know here because we made the measurements up.

# %%
age = torch.empty(60).uniform_(20, 75)
pressure = 95 + 1.0 * age + 10 * torch.randn(60)

design = torch.stack((age, torch.ones(60)), dim=1)
slope, offset = torch.linalg.lstsq(design, pressure[:, None]).solution.flatten().tolist()
sample_error = (slope * age + offset - pressure).square().mean().sqrt().item()
ages = torch.linspace(20, 75, 1000)
distance = (slope * ages + offset) - (1.0 * ages + 95)
expected_error = (10**2 + distance.square().mean()).sqrt().item()
print(f"a = {slope:.3f} mmHg a year, b = {offset:.1f} mmHg")
print(
    f"error: on these people {sample_error:.2f} mmHg, expected on others {expected_error:.2f} mmHg"
)

figure, ax = plt.subplots(figsize=(5, 3))
ax.plot(age, pressure, ".")
ends = torch.tensor([20.0, 75.0])
ax.plot(ends, slope * ends + offset)
ax.set(xlabel="age (years)", ylabel="systolic pressure (mmHg)")
prologue.show(
    "Sixty points, systolic pressure against age, and the fitted line, which rises by about 1 "
    "mmHg a year."
)

# %% [markdown]
# ## 4. Broadcasting
#
# A dimension of size 1 is repeated as often as the other tensor needs, without a copy: 4 x 1 plus 1 x 5 is 4 x 5. Dimensions
# are matched from the last one, and missing ones count as 1. This also happens where you did not want it: look at the
# difference of a vector and a column, which is no vector.

# %%
column = torch.tensor([[1.0], [2.0], [3.0], [4.0]])
row = torch.tensor([[5.0, -5.0, 5.0, -5.0, 5.0]])
table = column + row
print(table)

prediction, truth = torch.randn(60, 1), torch.randn(60)
trap = prediction - truth
print("60 x 1 minus 60 is", " x ".join(map(str, trap.shape)))

# %% [markdown]
# ## 5. Storage, offset, strides
#
# A tensor is a storage, an offset into it, sizes, and strides: how far apart neighbors are along each dimension. From the
# numbers 0 to 19: begin at 5, three rows that are 4 apart, two columns that are 1 apart. Then -1 is written into the window:
# look at where it turns up.

# %%
numbers = torch.arange(20.0)
window = torch.empty(0).set_(numbers.untyped_storage(), 5, (3, 2), (4, 1))
print(window)

window[0, 0] = -1
same_memory = numbers[5].item()
print(numbers)
print(numbers.as_strided((3, 2), (4, 1), 5))  # the same in one call

# %% [markdown]
# **Transposing swaps two strides and moves nothing**, and expanding sets a stride to 0: one number in memory, seen many times.

# %%
m = torch.arange(12.0).view(3, 4)
strides = m.stride(), m.t().stride()
wide = torch.ones(1).expand(1000, 1000)
print(
    "strides of m",
    strides[0],
    "of its transpose",
    strides[1],
    "same memory:",
    m.t().data_ptr() == m.data_ptr(),
)
print(
    f"{wide.numel()} elements with strides {wide.stride()}",
    f"in {wide.untyped_storage().nbytes()} bytes",
)

# %% [markdown]
# `view` gives new sizes to the same memory, so it refuses a tensor whose elements do not lie in the order of its rows. `reshape`
# copies where it must, and `contiguous` always gives a tensor that lies in order. Look at the order of the elements.

# %%
try:
    m.t().view(-1)
except RuntimeError as error:
    view_message = str(error)
    print("RuntimeError:", view_message)
flat = m.t().reshape(-1)
print(flat, "a copy:", flat.data_ptr() != m.data_ptr())

# %% [markdown]
# ## 6. Images are tensors
#
# CIFAR10 as one tensor, samples x channels x rows x columns, one byte for a value. As floating-point numbers it takes four
# times the memory.

# %%
images, labels, _, _ = prologue.read_cifar()
print(
    images.shape,
    images.dtype,
    f"{images.numel() / 2**20:.0f} MiB, as float32 {4 * images.numel() / 2**20:.0f} MiB",
)
print("mean of each channel", images[: prologue.pick(10_000, 1000)].float().mean((0, 2, 3)))

# %% [markdown]
# **One picture of 48.** The first 48 images, in four rows of twelve: no loop, the dimensions only change places, from (row,
# column, channel, y, x) to (row, y, column, x, channel). It is saved as a PNG, which loses nothing: read again, it is the same.

# %%
sheet = images[:48].view(4, 12, 3, 32, 32).permute(0, 3, 1, 4, 2).reshape(4 * 32, 12 * 32, 3)
path = Path(tempfile.mkdtemp()) / "cifar-4x12.png"
plt.imsave(path, sheet.numpy())
saved = torch.from_numpy(plt.imread(path))[:, :, :3].mul(255).round().byte()
print(f"saved as {path}, the same when read again: {torch.equal(saved, sheet)}")

plt.figure(figsize=(9, 3.2))
plt.imshow(saved)
plt.axis("off")
prologue.show("The first 48 images of CIFAR10 as one picture, in four rows of twelve.")

# %% [markdown]
# **Rows and columns swapped, channels killed.** Transposed, a picture is mirrored along its diagonal; flipped, from left to
# right. A white strip is added at the bottom. Look at its color when a channel is zero: cyan without red, magenta without
# green, yellow without blue.

# %%
picture = images[7].permute(1, 2, 0).clone()
picture[-5:] = 255  # white: all of red, green and blue
variants = {"image": picture, "transposed": picture.transpose(0, 1), "flipped": picture.flip(1)}
for channel, name in enumerate(("red", "green", "blue")):
    killed = (
        picture.clone()
    )  # without the clone, the image itself would lose its channels one by one
    killed[:, :, channel] = 0
    variants[f"no {name}"] = killed

figure, axes = plt.subplots(1, 6, figsize=(9, 1.8))
for ax, (name, image) in zip(axes, variants.items(), strict=True):
    ax.imshow(image)
    ax.set_title(name, fontsize=9)
    ax.axis("off")
prologue.show(
    "One image six times: as it is, transposed, flipped, and without red, green or blue; its "
    "white strip turns cyan, magenta and yellow."
)

# %% [markdown]
# ## Try
#
# 1. Fill an 8 x 8 chessboard with two assignments to slices.
# 2. Fit $a x^2 + b x + c$ to the blood pressure. Is the error smaller? Is it a better model?
# 3. With `as_strided`, make of `torch.arange(10.0)` the 8 x 3 tensor whose row $i$ is $i, i + 1, i + 2$. How much memory does
#    it take? (Do not write into it. Why?)
