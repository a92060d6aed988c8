# %% [markdown]
# # Lecture 1: answers

# %%
import torch

# %% [markdown]
# ## 1. A chessboard
#
# Slices with a step of 2 select every second row and every second column. One assignment fills the white squares of
# the even rows, the other those of the odd rows.

# %%
board = torch.zeros(8, 8)
board[::2, ::2] = 1
board[1::2, 1::2] = 1
print(board)
assert board.sum() == 32 and board[0, 0] == 1 and board[0, 1] == 0 and torch.equal(board, board.t())

# %% [markdown]
# ## 2. A parabola through the blood pressure
#
# The error on the samples gets smaller, or stays the same: with $a = 0$ the parabola is a line, so it can do no worse.
# The model is not better for it. The measurements come from a line, and on people who were not measured the parabola
# is worse on average: its third coefficient has only the noise to follow.

# %%
torch.manual_seed(0)
age = torch.empty(500, 60).uniform_(20, 75)  # 500 times 60 people
pressure = 95 + 1.0 * age + 10 * torch.randn(500, 60)
others = torch.linspace(20, 75, 200).expand(500, -1)


def stack_powers(x, degree):
    """The powers 0 to degree of the ages, on a scale from about -1 to 1."""
    return ((x[..., None] - 47.5) / 27.5) ** torch.arange(degree + 1)


on_samples, on_others = {}, {}
for degree in (1, 2):
    coefficients = torch.linalg.lstsq(stack_powers(age, degree), pressure[..., None]).solution
    fitted = (stack_powers(age, degree) @ coefficients)[..., 0]
    expected = (stack_powers(others, degree) @ coefficients)[..., 0]
    on_samples[degree] = (fitted - pressure).square().mean(1)
    on_others[degree] = (expected - (95 + others)).square().mean(1) + 10**2
    print(
        f"degree {degree}: squared error on the samples {on_samples[degree].mean():.1f},",
        f"on others {on_others[degree].mean():.1f}",
    )
assert (on_samples[2] <= on_samples[1] + 1e-2).all()
assert on_others[2].mean() > on_others[1].mean() > 100

# %% [markdown]
# ## 3. Windows by `as_strided`
#
# Both strides are 1: the next row begins one number later, and so does the next column. It takes no memory besides the
# ten numbers, 40 bytes. A number is an element of up to three rows: who writes into one row writes into its
# neighbors, too, and what an operation in place makes of such a tensor is not defined.

# %%
numbers = torch.arange(10.0)
windows = numbers.as_strided((8, 3), (1, 1))
print(windows)
assert windows[5].tolist() == [5, 6, 7] and windows.untyped_storage().nbytes() == 40
assert windows.data_ptr() == numbers.data_ptr()
