# %% [markdown]
# # Week 1
#
# Text between the cells is Markdown. Run a cell with Shift and Enter.

# %%
print("It works.")
