# %% [markdown]
# # Lecture 1: tensors
#
# A tensor is a block of numbers in memory, and a rule how to walk through it. From there to a first model: a line through
# points. Runs in seconds.

# %%
# %matplotlib inline
import dlc_practical_prologue as prologue
import torch
from matplotlib import pyplot as plt

torch.manual_seed(0)

# %% [markdown]
# ## Make, fill, measure

# %%
x = torch.empty(2, 5)
x.fill_(1.125)
x_mean, x_std = x.mean().item(), x.std().item()
x.size(), x_mean, x_std

# %% [markdown]
# `narrow` and slices give a **view**: other sizes, the same memory. What you write into it, you write into the tensor.

# %%
y = torch.zeros(4, 6)
y.narrow(1, 2, 3).fill_(7.0)
y[1:3] += 1
y

# %% [markdown]
# ## Three equations
#
# `solve` finds the x of $A x = b$; with more equations than unknowns `lstsq` comes as near as possible.

# %%
a = torch.tensor([[2.0, 1.0, 0.0], [1.0, 3.0, 1.0], [0.0, 1.0, 4.0]])
solution = torch.linalg.solve(a, torch.tensor([4.0, 10.0, 14.0]))
solution

# %% [markdown]
# ## A line through points: blood pressure against age
#
# Made-up measurements: systolic pressure rises by about 1 mmHg a year, with a spread of 10 mmHg. Least squares finds the slope
# and the offset back.

# %%
age = torch.empty(60).uniform_(20, 75)
pressure = 95 + 1.0 * age + 10 * torch.randn(60)
design = torch.stack((age, torch.ones(60)), 1)
slope, offset = torch.linalg.lstsq(design, pressure[:, None]).solution.flatten().tolist()

plt.plot(age, pressure, ".")
line = torch.tensor([20.0, 75.0])
plt.plot(line, slope * line + offset)
plt.xlabel("age (years)")
plt.ylabel("systolic blood pressure (mmHg)")
plt.title(f"{slope:.2f} age + {offset:.0f}")
# %% [markdown]
# ## Images are tensors
#
# CIFAR10 as one tensor, samples x channels x rows x columns. Four rows of twelve images make one large image: only sizes are
# moved about.

# %%
images, _, _, _ = prologue.read_cifar()
sheet = images[:48].view(4, 12, 3, 32, 32).permute(0, 3, 1, 4, 2).reshape(4 * 32, 12 * 32, 3)
plt.figure(figsize=(10, 3.5))
plt.imshow(sheet)
plt.axis("off")
# %% [markdown]
# Transposed, a picture is mirrored along its diagonal; without a channel, its colours change.

# %%
picture = images[7].permute(1, 2, 0)
variants = [picture, picture.transpose(0, 1)]
for channel in range(3):
    killed = picture.clone()
    killed[:, :, channel] = 0
    variants.append(killed)
figure, axes = plt.subplots(1, 5, figsize=(9, 2))
for axis, image, name in zip(axes, variants, ("image", "transposed", "no red", "no green", "no blue"), strict=True):
    axis.imshow(image)
    axis.set_title(name)
    axis.axis("off")

# %% [markdown]
# ## Broadcasting
#
# A dimension of size 1 is repeated as often as the other tensor needs, without a copy: 4 x 1 plus 1 x 5 is 4 x 5.

# %%
column = torch.tensor([[1.0], [2.0], [3.0], [4.0]])
row = torch.tensor([[5.0, -5.0, 5.0, -5.0, 5.0]])
table = column + row
table

# %% [markdown]
# ## Storage, offset, strides
#
# A tensor is a storage, an offset into it, sizes, and strides: how far apart neighbours are in each dimension. From the numbers 0
# to 19: begin at 5, three rows that are 4 apart, two columns that are 1 apart.

# %%
numbers = torch.arange(20.0)
window = torch.empty(0).set_(numbers.untyped_storage(), 5, (3, 2), (4, 1))
window

# %%
window[0, 0] = -1
same_memory = numbers[5].item()
numbers.as_strided((3, 2), (4, 1), 5), same_memory

# %% [markdown]
# Transposing swaps two strides and moves nothing. `view` needs elements that can be walked through in order, so it refuses a
# transposed tensor; `reshape` copies where it must.

# %%
m = torch.arange(12.0).view(3, 4)
strides = m.stride(), m.t().stride()
try:
    m.t().view(-1)
except RuntimeError as error:
    view_message = str(error)
    print(view_message)
flat = m.t().reshape(-1)
strides, flat.data_ptr() == m.data_ptr()

# %% [markdown]
# ## Try
#
# - Write a 9 x 9 board of chess with two assignments to slices.
# - Which strides has `torch.randn(4, 1).expand(4, 5)`? How much memory does it take?
# - Fit $a x^2 + b x + c$ to the blood pressure. Is the error smaller? Is it a better model?
