# %% [markdown]
# # Lecture 11: answers

# %%
import math
import random

import torch
from torch.nn import functional as F

# %% [markdown]
# ## 1. Halves of 15
#
# Set `max_half` to 15 for the test sequences and look at the errors by length. Nothing in the training asks for more
# than 10: the state has to hold the first half, and the network has learned to hold 10 symbols in it. A half of 15
# symbols is one of $10^{15}$, which is some 17 bits more than one of $10^{10}$. Where the halves differ in several
# places, it is enough to remember one of them, so that the error need not be one half. An attention network has no state
# to fill: it can look at place $t$ of the first half, if its encoding of places reaches that far.

# %%
bits = {half: half * math.log2(10) for half in (10, 15)}
print({half: round(value, 1) for half, value in bits.items()}, "bits")
assert 16 < bits[15] - bits[10] < 17

# %% [markdown]
# ## 2. Windows of one and of four words
#
# With one word on each side, words are alike that can stand in each other's place. With four, words that appear in the
# same sentences become alike, too, but the nearest are still those that can stand in each other's place. Counting shows
# it without a training: each word gets the vector of the numbers of its
# neighbors. Look at the similarity of *soup* to *cheese*, its rival, and to *cooks*, which stands in its sentences.

# %%
random.seed(0)
people, foods = ("anna", "boris", "clara"), ("soup", "cheese", "rice")
cars, cities = ("bus", "train", "car"), ("bern", "basel", "geneva")
text = []
for _ in range(500):
    cook, food, guest = random.choice(people), random.choice(foods), random.choice(people)
    text += f"{cook} cooks {food} for {guest} .".split()
    text += f"the {random.choice(cars)} from {random.choice(cities)} is late .".split()
vocabulary = sorted(set(text))
number_of = {word: number for number, word in enumerate(vocabulary)}
words = torch.tensor([number_of[word] for word in text])
similarities = {}
for width in (1, 4):
    counts = torch.zeros(len(vocabulary), len(vocabulary))
    for shift in range(1, width + 1):
        ones = torch.ones(len(words) - shift)
        counts.index_put_((words[:-shift], words[shift:]), ones, accumulate=True)
        counts.index_put_((words[shift:], words[:-shift]), ones, accumulate=True)
    vectors = F.normalize(counts, dim=1)
    similarities[width] = {
        other: (vectors[number_of["soup"]] @ vectors[number_of[other]]).item()
        for other in ("cheese", "cooks")
    }
    print(
        f"{width} words:", {other: round(value, 2) for other, value in similarities[width].items()}
    )
assert all(found["cheese"] > found["cooks"] for found in similarities.values())
assert similarities[4]["cooks"] > similarities[1]["cooks"] + 0.2

# %% [markdown]
# ## 3. The first with the last, and the two between
#
# A shape is one of the outer two or of the inner two by its rank, not by its place alone: the network must compare its
# place with those of the others. The same holds for "side". How far does the place alone lead? Below, a shape is put
# into the group that is the more frequent at its place: many shapes go wrong, in both tasks. A network that learns the
# task must do more, and positions are what it can compare.

# %%
torch.manual_seed(0)
width = torch.randint(5, 12, (4000, 4))
free = 100 - width.sum(1, keepdim=True)
start = (torch.rand(4000, 4) * (free + 1)).long().sort(1).values + width.cumsum(1) - width
mistakes = {}
for name, group in {"side": [0, 0, 1, 1], "outer and inner": [0, 1, 1, 0]}.items():
    counts = torch.zeros(100, 2)
    groups = torch.tensor(group).expand(4000, 4)
    counts.index_put_((start.flatten(), groups.flatten()), torch.ones(16000), accumulate=True)
    mistakes[name] = (counts.min(1).values.sum() / counts.sum()).item()
print("wrong by the place alone:", {name: f"{share:.0%}" for name, share in mistakes.items()})
assert all(0.05 < share < 0.5 for share in mistakes.values())
