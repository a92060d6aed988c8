# %% [markdown]
# # Lecture 11: sequences, words, attention
#
# Networks with a memory, what gates are for, words as vectors, and attention, which looks at a whole sequence at once. Runs in some
# three minutes.

# %%
# %matplotlib inline
import dlc_practical_prologue as prologue
import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

torch.manual_seed(0)
device = prologue.device

# %% [markdown]
# ## A task that needs memory
#
# Ten symbols; is a sequence two identical halves? Half of them are. Halves have 1 to 10 symbols; a symbol is a one-hot row.


# %%
def draw_sequence(half=None):
    half = int(torch.randint(1, 11, ())) if half is None else half
    first, kind = torch.randint(0, 10, (half,)), int(torch.randint(0, 2, ()))
    second = first.clone()
    if not kind:
        while torch.equal(first, second):
            second = torch.randint(0, 10, (half,))
    return F.one_hot(torch.cat((first, second)), 10).float(), kind


examples = [draw_sequence(half=3) for _ in range(4)]
[(sequence.argmax(1).tolist(), kind) for sequence, kind in examples]

# %% [markdown]
# ## Four cells with 50 units
#
# Elman's: $h_t = \mathrm{relu}(W x_t + V h_{t-1} + b)$. With a gate $z_t$ that mixes the new value with the old one,
# $h_t = z_t h_{t-1} + (1 - z_t) \bar h_t$, a memory can last. LSTM and GRU have more gates, and come with torch.


# %%
class Elman(nn.Module):
    def __init__(self, gated):
        super().__init__()
        self.gated = gated
        self.new, self.gate = nn.Linear(60, 50), nn.Linear(60, 50)

    def forward(self, x):
        h = x.new_zeros(x.size(1), 50)
        for symbol in x:
            joined = torch.cat((symbol, h), 1)
            new = F.relu(self.new(joined))
            z = self.gate(joined).sigmoid() if self.gated else 0.0
            h = z * h + (1 - z) * new
        return h


class Recurrent(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.cell = {"LSTM": nn.LSTM, "GRU": nn.GRU}[kind](10, 50)

    def forward(self, x):
        return self.cell(x)[0][-1]


def make_model(kind):
    cell = Recurrent(kind) if kind in ("LSTM", "GRU") else Elman(gated=kind == "gated")
    return nn.Sequential(cell, nn.ReLU(), nn.Linear(50, 2)).to(device)


# %% [markdown]
# Sequences of one length make a mini-batch. Gradients through many steps can become huge: they are cut to a norm of 1.25.


# %%
def draw_batch(nb=64, half=None):
    half = int(torch.randint(1, 11, ())) if half is None else half
    sequences, kinds = zip(*(draw_sequence(half) for _ in range(nb)), strict=True)
    return torch.stack(sequences, 1).to(device), torch.tensor(kinds, device=device)


def train_on_sequences(kind, nb_batches):
    torch.manual_seed(0)
    model = make_model(kind)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    errors, norms = [], []
    for _ in range(nb_batches):
        x, t = draw_batch()
        output = model(x)
        loss = F.cross_entropy(output, t)
        optimizer.zero_grad()
        loss.backward()
        norms.append(nn.utils.clip_grad_norm_(model.parameters(), 1.25).item())
        optimizer.step()
        errors.append((output.argmax(1) != t).float().mean().item())
    return model, errors, norms


models, histories, gradient_norms = {}, {}, {}
for kind in ("Elman", "gated", "LSTM", "GRU"):
    models[kind], histories[kind], gradient_norms[kind] = train_on_sequences(kind, prologue.pick(1500, 60))

# %%
window = prologue.pick(100, 20)
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3))
by_length = {}
with torch.no_grad():
    for kind, errors in histories.items():
        means = torch.tensor(errors).unfold(0, window, window // 4).mean(1)
        left.plot(torch.arange(len(means)) * (window // 4) * 64, means, label=kind)
        by_length[kind] = []
        for half in range(1, 11):
            x, t = draw_batch(prologue.pick(500, 50), half)
            by_length[kind].append((models[kind](x).argmax(1) != t).float().mean().item())
        right.plot(range(2, 22, 2), by_length[kind], label=kind)
left.set(xlabel="sequences seen", ylabel="error")
right.set(xlabel="length", ylabel="error")
left.legend()
# %% [markdown]
# ## Sequences of different lengths at once
#
# Padded with zeros, short sequences would go on computing. A packed sequence ends each where it ends: the last state is the one of the
# sequence alone.

# %%
sequences = [draw_sequence(half)[0] for half in (5, 3, 1)]
lengths = [len(sequence) for sequence in sequences]
gru = nn.GRU(10, 50)
padded = nn.utils.rnn.pad_sequence(sequences)
packed = pack_padded_sequence(padded, lengths)
with torch.no_grad():
    outputs, last = gru(packed)
    alone = torch.cat([gru(sequence[:, None])[1] for sequence in sequences], 1)
unpacked, unpacked_lengths = pad_packed_sequence(outputs)
packed_agrees = torch.allclose(last, alone, atol=1e-6)
packed.batch_sizes.tolist(), packed_agrees

# %% [markdown]
# ## Words as vectors
#
# A small made-up language: people and animals do things that such do. Words met fewer than 100 times become `*`. A word is
# predicted from the two before and the two after it (CBOW), not among all words but against a few drawn at random: binary
# cross-entropy on scores (negative sampling).

# %%
PEOPLE, ANIMALS = ["anna", "ben", "clara", "david"], ["cat", "dog", "horse", "mouse"]
HUMAN, BESTIAL = ["reads", "writes", "argues", "votes"], ["runs", "eats", "sleeps", "hides"]
PLACES = ["home", "outside", "today", "again"]


def draw_word(words):
    return words[int(torch.randint(0, len(words), ()))]


torch.manual_seed(0)
text = []
for number in range(prologue.pick(6000, 2500)):
    who, what = (PEOPLE, HUMAN) if torch.rand(()) < 0.5 else (ANIMALS, BESTIAL)
    rare = [f"word{number}"] if number % 200 == 0 else []
    text += ["the", draw_word(who), *rare, draw_word(what), draw_word(PLACES), "."]
counts = {}
for word in text:
    counts[word] = counts.get(word, 0) + 1
vocabulary = ["*", *(word for word, count in counts.items() if count >= 100)]
index = {word: number for number, word in enumerate(vocabulary)}
coded = torch.tensor([index.get(word, 0) for word in text])
len(counts), vocabulary

# %%
windows = coded.unfold(0, 5, 1)
contexts, centres = windows[:, [0, 1, 3, 4]], windows[:, 2]
context_vectors, word_vectors = nn.Embedding(len(vocabulary), 10), nn.Embedding(len(vocabulary), 10)
optimizer = torch.optim.Adam([*context_vectors.parameters(), *word_vectors.parameters()], lr=1e-2)
nb_negatives = 5
cbow_losses = []
for _ in range(prologue.pick(8, 16)):
    for chosen in torch.randperm(len(centres)).split(100):
        candidates = torch.cat(
            (centres[chosen, None], torch.randint(0, len(vocabulary), (len(chosen), nb_negatives))), 1
        )
        scores = (word_vectors(candidates) @ context_vectors(contexts[chosen]).mean(1)[:, :, None])[:, :, 0]
        wanted = torch.zeros_like(scores)
        wanted[:, 0] = 1
        loss = F.binary_cross_entropy_with_logits(scores, wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        cbow_losses.append(loss.item())
directions = F.normalize(word_vectors.weight.detach(), dim=1)


def find_nearest(word, nb=3):
    closest = (directions @ directions[index[word]]).topk(nb + 1).indices.tolist()
    return [vocabulary[number] for number in closest if vocabulary[number] != word][:nb]


nearest = {word: find_nearest(word) for word in ("anna", "dog", "votes", "sleeps")}
nearest

# %% [markdown]
# ## Attention
#
# A sequence of 100 values holds two triangles and two rectangles, of widths 5 to 11 and heights up to 25. The output must show the
# same shapes, each with the mean height of its kind. A shape and its twin can be far apart: no convolution of a few values sees both.


# %%
def draw_shapes_sequence():
    x, y = torch.zeros(100), torch.zeros(100)
    heights, starts = torch.empty(4).uniform_(1, 25), torch.arange(4) * 25 + torch.randint(0, 13, (4,))
    triangles = torch.randperm(4) < 2
    for triangle, height, start in zip(triangles, heights, starts, strict=True):
        width = int(torch.randint(5, 12, ()))
        profile = torch.ones(width)
        if triangle:
            profile = 1 - (torch.linspace(-1, 1, width + 2)[1:-1]).abs()
        place = slice(int(start), int(start) + width)
        x[place] = height * profile
        y[place] = heights[triangles == triangle].mean() * profile
    return x, y


def draw_sequences(nb):
    inputs, outputs = zip(*(draw_shapes_sequence() for _ in range(nb)), strict=True)
    return torch.stack(inputs)[:, None] / 10, torch.stack(outputs)[:, None] / 10


# %% [markdown]
# An attention layer: each position asks with a query, every position has a key and a value, and what comes out is the mean of the
# values, weighted by how well keys match the query. It knows nothing of places unless they are told to it, by a positional encoding.


# %%
class Attention(nn.Module):
    def __init__(self, nb_channels, nb_keys):
        super().__init__()
        self.query, self.key = (nn.Conv1d(nb_channels, nb_keys, 1, bias=False) for _ in range(2))
        self.value = nn.Conv1d(nb_channels, nb_channels, 1, bias=False)

    def forward(self, x):
        weights = (self.query(x).transpose(1, 2) @ self.key(x)).softmax(2)
        return self.value(x) @ weights.transpose(1, 2)


def make_shape_model(attention, nb_inputs=1):
    middle = Attention(32, 32) if attention else nn.Conv1d(32, 32, 5, padding=2)
    return nn.Sequential(
        nn.Conv1d(nb_inputs, 32, 5, padding=2),
        nn.ReLU(),
        nn.Conv1d(32, 32, 5, padding=2),
        nn.ReLU(),
        middle,
        nn.ReLU(),
        nn.Conv1d(32, 32, 5, padding=2),
        nn.ReLU(),
        nn.Conv1d(32, 1, 5, padding=2),
    ).to(device)


def encode_positions(x):
    """Add to each sequence the bits of the number of each position."""
    numbers = torch.arange(100, device=x.device)
    bits = torch.stack([(numbers >> bit) & 1 for bit in range(7)]).float()
    return torch.cat((x, bits.expand(len(x), -1, -1)), 1)


train_x, train_y = (tensor.to(device) for tensor in draw_sequences(prologue.pick(2500, 300)))
test_x, test_y = (tensor.to(device) for tensor in draw_sequences(prologue.pick(500, 100)))


def train_shape_model(attention, positions):
    torch.manual_seed(0)
    model = make_shape_model(attention, 8 if positions else 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    prepare = encode_positions if positions else (lambda x: x)
    for _ in range(prologue.pick(25, 10)):
        for x, y in zip(train_x.split(100), train_y.split(100), strict=True):
            loss = F.mse_loss(model(prepare(x)), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        output = model(prepare(test_x))
    return F.mse_loss(output, test_y).item(), output[0, 0].cpu(), model


results = {
    "convolutions": train_shape_model(False, False),
    "attention": train_shape_model(True, False),
    "attention and positions": train_shape_model(True, True),
}
figure, axes = plt.subplots(1, 3, figsize=(12, 2.3), sharey=True)
for axis, (name, (error, output, _)) in zip(axes, results.items(), strict=True):
    axis.plot(test_x[0, 0].cpu(), ":", label="input")
    axis.plot(test_y[0, 0].cpu(), label="wanted")
    axis.plot(output, label="output")
    axis.set_title(f"{name}: {error:.3f}")
axes[0].legend()
# %% [markdown]
# Without positions, an attention layer does not know the order: permute its input, and its output is permuted.

# %%
layer, some = Attention(4, 8), torch.randn(1, 4, 6)
order = torch.randperm(6)
with torch.no_grad():
    equivariant = torch.allclose(layer(some[:, :, order]), layer(some)[:, :, order], atol=1e-6)
equivariant

# %% [markdown]
# ## Try
#
# - How long may the halves become before the GRU fails? Train on halves of up to 20 symbols.
# - Add a third kind of beings to the language. Where do their vectors go?
# - Average by side (the two left shapes, the two right ones) instead of by shape. Which model can learn it?
