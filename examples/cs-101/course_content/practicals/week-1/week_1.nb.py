# %% [markdown]
# # Week 1: values, lists and functions
#
# A list holds values in order. `sum` adds them, `len` counts them.

# %%
heights = [2.5, 4.0, 5.5]
sum(heights), len(heights)

# %% [markdown]
# `tree` shows the files of a folder. Lines that begin with `!` are commands of the shell.

# %%
# !tree ..

# %% [markdown]
# **Your turn.** Write the body of `average`. Save the notebook, then run the last cell.


# %%
def average(values):
    """Return the mean of a list of numbers."""
    return 0.0  # replace this line


# %%
# !cs101-check 1
