# %% [markdown]
# # Week 2: a table of trees, and a chart
#
# `trees.csv` was made up for this course: one row for each tree of a small park.

# %%
import csv
from pathlib import Path

import barchart

with Path("trees.csv").open() as file:
    rows = list(csv.DictReader(file))
rows[0]

# %% [markdown]
# `barchart` draws a chart of letters.

# %%
print(barchart.draw({row["name"]: float(row["height_m"]) for row in rows}))

# %% [markdown]
# **Your turn.** Write the body of `tallest`. Save the notebook, then run the last cell.


# %%
def tallest(rows):
    """Return the name of the tallest tree."""
    return ""  # replace this line


# %%
# !cs101-check 2
