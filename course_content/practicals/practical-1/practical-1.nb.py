# %% [markdown]
# # Practical 1: tensors
#
# Four short exercises on what a tensor is: a way to look at numbers in memory. They need no data, and each answer is
# a few lines long. About one hour.
#
# Write your functions in the cells below, or in the file `practical_1.py` beside this notebook (double-click it).
# Then let them be checked as often as you like: the last cell does it.

# %%
import time

import torch

torch.__version__

# %% [markdown]
# ## 1. Several views of one storage
#
# Write `make_grid()`, which returns this 13 x 13 matrix. **No loop**: write through views (slices) of one tensor.
#
# ```
# 1 2 1 1 1 1 2 1 1 1 1 2 1
# 2 2 2 2 2 2 2 2 2 2 2 2 2
# 1 2 1 1 1 1 2 1 1 1 1 2 1
# 1 2 1 3 3 1 2 1 3 3 1 2 1
# 1 2 1 3 3 1 2 1 3 3 1 2 1
# 1 2 1 1 1 1 2 1 1 1 1 2 1
# 2 2 2 2 2 2 2 2 2 2 2 2 2
# 1 2 1 1 1 1 2 1 1 1 1 2 1
# 1 2 1 3 3 1 2 1 3 3 1 2 1
# 1 2 1 3 3 1 2 1 3 3 1 2 1
# 1 2 1 1 1 1 2 1 1 1 1 2 1
# 2 2 2 2 2 2 2 2 2 2 2 2 2
# 1 2 1 1 1 1 2 1 1 1 1 2 1
# ```
#
# It is 1 everywhere, 2 on the rows and columns of index 1, 6 and 11, and 3 on four blocks of 2 x 2.
#
# *Useful:* `torch.full`; a slice with a step, `m[1::5]`, or `narrow` and `fill_`.
#
# *Expected:* the sum of all elements is 270.


# %%
def make_grid(): ...


make_grid()

# %% [markdown]
# ## 2. Eigenvalues
#
# Draw a 20 x 20 matrix $M$ with independent Gaussian coefficients, and let `compute_eigenvalues()` return the
# eigenvalues of
#
# $$M^{-1} \, \mathrm{diag}(1, \dots, 20) \, M .$$
#
# **No loop.** Which values do you expect, and why do they not depend on $M$? How far from them are yours in
# `float32`, and how far in `float64`?
#
# *Useful:* `torch.randn`, `torch.diag`, `torch.linalg.inv` or `torch.linalg.solve`, `torch.linalg.eigvals`. The
# diagonal made with `torch.arange(1, 21)` holds integers, and cannot be multiplied by a matrix of floats.
#
# *Expected:* whole numbers, in any order, as complex numbers whose imaginary part is 0. In `float32` about three
# digits are right, in `float64` about twelve.


# %%
def compute_eigenvalues(n=20): ...


compute_eigenvalues()

# %% [markdown]
# ## 3. How fast is this machine?
#
# The product of two $n \times n$ matrices takes $n^3$ products of two numbers. Write
# `measure_products_per_second(n)`, which multiplies two Gaussian matrices and returns how many of these products your
# machine does in a second, with $n = 5000$.
#
# *Useful:* `torch.mm`, `time.perf_counter`. On a GPU, call `torch.cuda.synchronize()` before you look at the clock:
# operations are queued, and the call returns before they are done.
#
# *Expected:* billions, or tens of billions; thousands of billions on a GPU.


# %%
def measure_products_per_second(n=5000): ...


print(f"{measure_products_per_second() or 0:.3e} products a second")

# %% [markdown]
# ## 4. Loops against strides
#
# Write `mul_row(m)`, which gets a matrix and returns a new one of the same size, with row $i$ (from 0) multiplied by
# $i + 1$: with Python loops over the elements `m[i, j]`, not with whole rows or slices. Then write `mul_row_fast(m)`,
# which returns the same **without any loop**. The matrix that is given must not change.
#
# For example, `torch.full((4, 8), 2.0)` becomes rows of 2, 4, 6 and 8.
#
# *Useful:* `torch.empty_like`, `torch.arange`, `view`, broadcasting.
#
# *Expected:* with 1000 x 400 elements seconds with loops, and more than a hundred times less without.


# %%
def mul_row(m): ...


def mul_row_fast(m): ...


m = torch.full((1000, 400), 2.0)

start = time.perf_counter()
mul_row(m)
middle = time.perf_counter()
mul_row_fast(m)
end = time.perf_counter()

print(f"{middle - start:.3f} s with loops, {end - middle:.6f} s without")

# %% [markdown]
# ## Is it right?
#
# Save this notebook (Ctrl-S), then run the next cell. It looks at what you changed last, the notebook or the file,
# and says for each function `ok`, `todo`, or what is wrong.

# %%
# !course-check 1
