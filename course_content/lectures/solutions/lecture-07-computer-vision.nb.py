# %% [markdown]
# # Lecture 7: answers

# %%
import torch

# %% [markdown]
# ## 1. Two centers in one cell
#
# The second box overwrites the first one, and the cell gets two classes at once: one object cannot be told from the
# target. With a finer grid the centers lie in two cells. Below, two centers in an image of 96 x 96 share a cell for
# S = 7, and the smallest grid from 7 on that parts them is S = 8.

# %%
centers = torch.tensor([[42.0, 42.0], [50.0, 50.0]])


def share_a_cell(grid: int) -> bool:
    column, row = (centers / 96 * grid).long().unbind(dim=1)
    return bool(column[0] == column[1] and row[0] == row[1])


smallest = next(grid for grid in range(7, 50) if not share_a_cell(grid))
print(f"in one cell for S = 7: {share_a_cell(7)}; parted by S = {smallest}")
assert share_a_cell(7) and smallest == 8

# %% [markdown]
# ## 2. A class for windows without an object
#
# With 20 classes, the probabilities of a window sum to 1 even where it shows nothing: one of them is at least 1/20, and
# in practice much more, which is why the maps of section 3 are bright in places where no object is. The 21st class
# takes this probability. The windows for it must be drawn like those of the scene: background alone, and objects cut
# by the border.

# %%
torch.manual_seed(0)
probabilities = torch.randn(1000, 20).softmax(dim=1)
print(f"least of the largest probabilities: {probabilities.max(dim=1).values.min():.3f}")
assert probabilities.max(dim=1).values.min() >= 1 / 20

# %% [markdown]
# ## 3. More samples
#
# Write `[:10]` and `[:20]` in place of `[:5]` in `learn_from_few`. The fewer samples there are, the more the pretraining is
# worth. The mean test errors of five seeds, on the stand-in, after a pretraining on 6 000 digits:
#
# | samples | from scratch | fine-tuned | gain |
# | --- | --- | --- | --- |
# | 20 | 24.2 % | 17.2 % | 7.0 % |
# | 40 | 18.0 % | 14.3 % | 3.7 % |
# | 80 | 13.4 % | 10.7 % | 2.7 % |
