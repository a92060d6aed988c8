# %% [markdown]
# # Lecture 11: recurrent networks, words, attention
#
# Recurrent cells on a task that needs memory, gradient clipping, sequences of different lengths in one batch, word
# vectors from raw text, what attention does that convolutions cannot, sequences made of sequences, and the block of
# which transformers consist.
# It takes about 4 minutes on a laptop's CPU; a GPU helps little, the networks are small.

# %%
import random
from collections import Counter

import dlc_practical_prologue as prologue
import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_sequence

device = prologue.device
print(device)

# %% [markdown]
# ## 1. A toy that needs memory
#
# Is the sequence made of two identical halves? There are 10 symbols, a half has 1 to 10 of them, and each symbol is
# given as a one-hot vector. Where the halves differ they may differ in a single place only or in all. Look at the
# examples: the answer is at the left.

# %%
nb_symbols, max_half = 10, 10


def make_sequences(nb: int) -> tuple[Tensor, Tensor, Tensor]:
    """One-hot symbols (nb x 20 x 10, padded with anything), lengths (nb), answers (nb).

    The answer is 1 where the halves are identical.
    """
    half = torch.randint(1, max_half + 1, (nb,))
    target = torch.randint(2, (nb,))
    first, other = torch.randint(nb_symbols, (2, nb, max_half))
    place = (torch.rand(nb, 1) * half[:, None]).long()  # here they differ, if they must
    other = other.scatter(
        1, place, (first.gather(1, place) + torch.randint(1, nb_symbols, (nb, 1))) % nb_symbols
    )
    second = torch.where(target[:, None] == 1, first, other)
    t = torch.arange(2 * max_half)
    source = torch.where(
        t < half[:, None], t, (max_half + t - half[:, None]).clamp(max=2 * max_half - 1)
    )
    symbols = torch.cat([first, second], 1).gather(1, source)
    return F.one_hot(symbols, nb_symbols).float(), 2 * half, target


torch.manual_seed(0)
x, lengths, target = make_sequences(6)
for sequence, length, answer in zip(
    x.argmax(2).tolist(), lengths.tolist(), target.tolist(), strict=True
):
    print(answer, sequence[: length // 2], sequence[length // 2 : length])

# %% [markdown]
# ## 2. Recurrent cells
#
# Elman's network (J. Elman, *Finding structure in time*, 1990) makes a new state $h_t$ from the old one and the input
# $x_t$:
#
# $$h_t = \mathrm{ReLU}(W x_t + V h_{t-1} + b) .$$
#
# The gated one computes, for each component of the state, how much of the old value is kept: what is kept does not
# fade. With the logistic sigmoid $\sigma$ and the product $\odot$ of components,
#
# $$z_t = \sigma(W_z x_t + V_z h_{t-1} + b_z), \quad
#   h_t = z_t \odot h_{t-1} + (1 - z_t) \odot \mathrm{ReLU}(W x_t + V h_{t-1} + b) .$$
#
# Both are written out here. The answer is a linear function of the last state.
#
# All sequences of a batch advance together; a sequence that has ended keeps its state.

# %%


class Elman(nn.Module):
    """N x T x nb_symbols and lengths to N x 2. The state: h = ReLU(W x + V h)."""

    def __init__(self, nb_hidden: int = 50):
        super().__init__()
        self.from_input = nn.Linear(nb_symbols, nb_hidden)
        self.from_state = nn.Linear(nb_hidden, nb_hidden, bias=False)
        self.output = nn.Linear(nb_hidden, 2)

    def update(self, x: Tensor, h: Tensor) -> Tensor:
        return F.relu(self.from_input(x) + self.from_state(h))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        h = x.new_zeros(x.size(0), self.from_state.in_features)
        running = torch.arange(x.size(1)) < lengths[:, None]
        running = running.to(x.device)
        for t in range(int(lengths.max())):
            h = torch.where(running[:, t, None], self.update(x[:, t], h), h)
        return self.output(h)


class Gated(Elman):
    """The same with a gate: h = z * h + (1 - z) * ReLU(W x + V h)."""

    def __init__(self, nb_hidden: int = 50):
        super().__init__(nb_hidden)
        self.gate_from_input = nn.Linear(nb_symbols, nb_hidden)
        self.gate_from_state = nn.Linear(nb_hidden, nb_hidden, bias=False)

    def update(self, x: Tensor, h: Tensor) -> Tensor:
        z = torch.sigmoid(self.gate_from_input(x) + self.gate_from_state(h))
        return z * h + (1 - z) * super().update(x, h)


# %% [markdown]
# **LSTM.** It has two states: the cell $c_t$, which only gates change, and the output $h_t$. Three gates say what is
# taken in ($i$), what is kept ($f$) and what is shown ($o$):
#
# $$\begin{aligned}
# i_t &= \sigma(W_i x_t + V_i h_{t-1} + b_i) & f_t &= \sigma(W_f x_t + V_f h_{t-1} + b_f) \\
# o_t &= \sigma(W_o x_t + V_o h_{t-1} + b_o) & g_t &= \tanh(W_g x_t + V_g h_{t-1} + b_g) \\
# c_t &= f_t \odot c_{t-1} + i_t \odot g_t & h_t &= o_t \odot \tanh(c_t)
# \end{aligned}$$
#
# (S. Hochreiter and J. Schmidhuber, *Long short-term memory*, 1997; the forget gate $f$ is from F. Gers, J. Schmidhuber
# and F. Cummins, *Learning to forget*, 2000.)
#
# **GRU.** It has one state and two gates: the reset gate $r$ hides parts of the old state from the new value $n$, the
# update gate $z$ chooses between the two, as in the gated network above:
#
# $$\begin{aligned}
# r_t &= \sigma(W_r x_t + V_r h_{t-1} + b_r) & z_t &= \sigma(W_z x_t + V_z h_{t-1} + b_z) \\
# n_t &= \tanh(W_n x_t + b_n + r_t \odot (V_n h_{t-1} + b_n')) & h_t &= z_t \odot h_{t-1} + (1 - z_t) \odot n_t
# \end{aligned}$$
#
# (K. Cho, B. van Merriënboer, C. Gulcehre, D. Bahdanau, F. Bougares, H. Schwenk and Y. Bengio, *Learning phrase
# representations using RNN encoder-decoder for statistical machine translation*, 2014.) These are the formulas of
# torch, which has two biases where one would do. Look at the differences: one step of each formula against torch.

# %%


def step_lstm(cell: nn.LSTMCell, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """The next h and c, by the formulas."""
    gates = x @ cell.weight_ih.t() + cell.bias_ih + h @ cell.weight_hh.t() + cell.bias_hh
    i, f, g, o = gates.chunk(4, dim=1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def step_gru(cell: nn.GRUCell, x: Tensor, h: Tensor) -> Tensor:
    """The next h, by the formulas."""
    from_x = x @ cell.weight_ih.t() + cell.bias_ih
    from_h = h @ cell.weight_hh.t() + cell.bias_hh
    (r_x, z_x, n_x), (r_h, z_h, n_h) = from_x.chunk(3, dim=1), from_h.chunk(3, dim=1)
    r, z = (r_x + r_h).sigmoid(), (z_x + z_h).sigmoid()
    return z * h + (1 - z) * (n_x + r * n_h).tanh()


torch.manual_seed(0)
x, h, c = torch.randn(4, 10), torch.randn(4, 50), torch.randn(4, 50)
lstm_cell, gru_cell = nn.LSTMCell(10, 50), nn.GRUCell(10, 50)
with torch.no_grad():
    lstm_pairs = zip(step_lstm(lstm_cell, x, h, c), lstm_cell(x, (h, c)), strict=True)
    lstm_difference = max((ours - theirs).abs().max().item() for ours, theirs in lstm_pairs)
    gru_difference = (step_gru(gru_cell, x, h) - gru_cell(x, h)).abs().max().item()
print(f"largest difference: LSTM {lstm_difference:.1e}, GRU {gru_difference:.1e}")

# %% [markdown]
# `nn.LSTM` and `nn.GRU` go through whole sequences, and take those of different lengths *packed*, see section 4. Look
# at the numbers of parameters: an LSTM has four matrices for the input where an Elman network has one.

# %%


class TorchRecurrent(nn.Module):
    """The last state of torch's LSTM or GRU, then a linear layer."""

    def __init__(self, kind: type[nn.LSTM] | type[nn.GRU], nb_hidden: int = 50):
        super().__init__()
        self.recurrent = kind(nb_symbols, nb_hidden, batch_first=True)
        self.output = nn.Linear(nb_hidden, 2)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        _, h = self.recurrent(
            pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        )
        return self.output((h[0] if isinstance(h, tuple) else h)[0])


makers = {
    "Elman": Elman,
    "gated": Gated,
    "LSTM": lambda: TorchRecurrent(nn.LSTM),
    "GRU": lambda: TorchRecurrent(nn.GRU),
}
for name, make in makers.items():
    print(f"{name}: {sum(p.numel() for p in make().parameters())} parameters")

# %% [markdown]
# Train each with Adam on sequences that are drawn anew for each batch (of the shortest, there are only 100). Look at the
# left figure for who learns first, and at the right one for who remembers longest. A network that guesses is at 50 %.

# %%
torch.manual_seed(1)
test_x, test_lengths, test_target = make_sequences(prologue.pick(4000, 200))
test_x, test_target = test_x.to(device), test_target.to(device)


def find_wrong(model: nn.Module) -> Tensor:
    """For each test sequence, is the answer wrong?"""
    with torch.no_grad():
        return model(test_x, test_lengths).argmax(1) != test_target


def train_recurrent(
    model: nn.Module, nb_steps: int, batch_size: int = 100
) -> tuple[list[int], list[float]]:
    """Gives how many sequences had been seen, and the test error then."""
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    seen, errors = [0], [find_wrong(model).float().mean().item()]
    for step in range(1, nb_steps + 1):
        x, lengths, target = make_sequences(batch_size)
        loss = F.cross_entropy(model(x.to(device), lengths), target.to(device))
        optimizer.zero_grad()
        loss.backward()
        clip_grad_norm_(model.parameters(), 1.25)
        optimizer.step()
        if step % (nb_steps // 20) == 0:
            seen.append(step * batch_size)
            errors.append(find_wrong(model).float().mean().item())
    return seen, errors


recurrent_models, recurrent_errors, errors_by_length = {}, {}, {}
figure, axes = plt.subplots(1, 2, figsize=(10, 3))
for name, make in makers.items():
    torch.manual_seed(0)
    model = make().to(device)
    seen, errors = train_recurrent(model, prologue.pick(2300, 20))
    wrong = find_wrong(model).cpu().float()
    by_length = [
        wrong[test_lengths == length].mean().item() for length in range(2, 2 * max_half + 1, 2)
    ]
    recurrent_models[name], recurrent_errors[name], errors_by_length[name] = (
        model,
        errors,
        by_length,
    )
    axes[0].plot(seen, errors, label=name)
    axes[1].plot(range(2, 2 * max_half + 1, 2), by_length)
    print(f"{name}: error {errors[-1]:.1%} after {seen[-1]} sequences")
axes[0].set(xlabel="sequences seen", ylabel="error", ylim=(0, 0.6))
axes[1].set(xlabel="length", ylim=(0, 0.6))
axes[0].legend()
prologue.show(
    "Two plots for the four cells: the error over the sequences seen, which falls from one half, "
    "and the error over the length of the sequence."
)

# %% [markdown]
# ## 3. Exploding gradients, and `clip_grad_norm_`
#
# The gradient goes back through all steps. For Elman's network, with the diagonal matrix $D_t$ that is 1 where the
# ReLU was active,
#
# $$\frac{\partial h_T}{\partial h_0} = \prod_{t=T}^{1} D_t V .$$
#
# If $V$ is a little too large, the norm of this product grows exponentially with $T$. Look at the norms: the step of
# one bad batch would destroy the network. `clip_grad_norm_` scales a gradient $g$ that is longer than $c$, here 1.25,
# down to this length, and keeps its direction:
#
# $$g \leftarrow g \cdot \min \left( 1, \frac{c}{\| g \|} \right) .$$
#
# (R. Pascanu, T. Mikolov and Y. Bengio, *On the difficulty of training recurrent neural networks*, 2013.)

# %%
torch.manual_seed(0)
model = Elman().to(device)
with torch.no_grad():
    model.from_state.weight.mul_(4)
norms = []
for length in (2, 4, 8, 12, 16, 20):
    model.zero_grad()
    loss = F.cross_entropy(model(test_x[:100], torch.full((100,), length)), test_target[:100])
    loss.backward()
    norms.append(torch.cat([p.grad.flatten() for p in model.parameters()]).norm().item())
    print(f"length {length:2d}: norm of the gradient {norms[-1]:9.2f}")
gradient = torch.cat([p.grad.flatten() for p in model.parameters()])
norm_before = clip_grad_norm_(model.parameters(), 1.25).item()
clipped = torch.cat([p.grad.flatten() for p in model.parameters()])
print(f"norm {norm_before:.2f} before, {clipped.norm().item():.4f} after clipping")
cosine = F.cosine_similarity(gradient, clipped, dim=0).item()
print(f"cosine of the angle between the two: {cosine:.6f}")

# %% [markdown]
# ## 4. Sequences of different lengths: `PackedSequence`
#
# The rows of a packed batch are all first elements, then all second elements, and so on; `batch_sizes` says how many
# sequences are still running. No time goes into padding. Look at the order of the values: the longest comes first.

# %%
sequences = [torch.tensor([11.0, 12, 13, 14]), torch.tensor([21.0, 22]), torch.tensor([31.0])]
packed = pack_sequence(sequences)
print("data       ", packed.data.tolist())
print("batch_sizes", packed.batch_sizes.tolist())
print("padded instead:", pad_sequence(sequences, batch_first=True).tolist())

# %% [markdown]
# Does the packed batch give what each sequence gives alone? Look at the largest difference, below 1e-5: rounding.
# A padded batch whose last state is read without caring for the lengths is another thing: see the second number.

# %%
lstm = recurrent_models["LSTM"].recurrent
x, lengths = test_x[:50], test_lengths[:50]
with torch.no_grad():
    _, (h_packed, _) = lstm(
        pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    )
    h_alone = torch.cat(
        [lstm(x[k : k + 1, :length])[1][0] for k, length in enumerate(lengths.tolist())], 1
    )
    _, (h_padded, _) = lstm(x)
packed_difference = (h_packed - h_alone).abs().max().item()
padded_difference = (h_padded - h_alone).abs().max().item()
print(
    f"packed against alone: {packed_difference:.1e}, padded against alone: {padded_difference:.2f}"
)

# %% [markdown]
# ## 5. Words
#
# A small grammar writes our text: rules with alternatives, where a symbol in capitals is replaced by a rule. Look at
# the sentences. Nothing tells the network that *cat* and *dog* are animals: it can only see their neighbors.

# %%
grammar = {
    "S": ["ANIMALS", "PEOPLE", "PLACES", "NUMBERS"],
    "ANIMALS": [
        "the SIZE ANIMAL eats the FOOD .",
        "a ANIMAL sleeps near the ANIMAL .",
        "my ANIMAL likes FOOD .",
    ],
    "PEOPLE": [
        "NAME drives the VEHICLE to CITY .",
        "NAME and NAME live in CITY .",
        "NAME cooks FOOD for NAME .",
    ],
    "PLACES": [
        "the VEHICLE from CITY is late .",
        "CITY is a SIZE place .",
        "from CITY to CITY take the VEHICLE .",
    ],
    "NUMBERS": [
        "NUMBER and NUMBER make NUMBER .",
        "the ANIMAL has NUMBER legs .",
        "CITY is NUMBER hours away .",
    ],
    "ANIMAL": ["cat", "dog", "horse", "cow", "fox", "pig"],
    "FOOD": ["bread", "cheese", "soup", "rice", "fish", "salad"],
    "VEHICLE": ["car", "bus", "train", "tram", "boat", "truck"],
    "CITY": ["lausanne", "geneva", "bern", "basel", "zurich", "lugano"],
    "NUMBER": ["two", "three", "four", "five", "six", "seven"],
    "SIZE": ["small", "big", "huge", "tiny"],
    "NAME": [
        "anna",
        "boris",
        "clara",
        "david",
        "emma",
        "frank",
        *(f"visitor{k}" for k in range(40)),
    ],
}


def write(symbol: str) -> list[str]:
    """The words of one sentence, or of a part of it."""
    if symbol not in grammar:
        return [symbol]
    alternatives = grammar[symbol]
    nb_frequent = 6 if symbol == "NAME" and random.random() < 0.9 else len(alternatives)
    return [
        word for part in random.choice(alternatives[:nb_frequent]).split() for word in write(part)
    ]


random.seed(0)
text = [word for _ in range(prologue.pick(10000, 400)) for word in write("S")]
print(len(text), "words:", " ".join(text[:60]))

# %% [markdown]
# A word seen a few times only cannot be learned: rare words become `*`. Here are the sizes before and after.

# %%
threshold = prologue.pick(100, 5)
counts = Counter(text)
vocabulary = ["*", *(word for word, count in counts.most_common() if count >= threshold)]
number_of = {word: number for number, word in enumerate(vocabulary)}
words = torch.tensor([number_of.get(word, 0) for word in text], device=device)
share_of_rare = (words == 0).float().mean().item()
print(f"{len(counts)} different words, {len(vocabulary)} with rare ones as '*'")
print(f"rare words are {share_of_rare:.1%} of the text")

# %% [markdown]
# ## 6. CBOW with negative sampling
#
# *Continuous bag of words*: the sum of the vectors of two words before and two after should tell the word between.
# A softmax over the whole vocabulary is slow when that is large, so the question is made smaller: which of these is the
# true word, and which are 5 drawn at random? That is a yes or no for each: `binary_cross_entropy_with_logits`.
#
# Each word $w$ has two vectors, $v_w$ as context and $u_w$ as answer. With the sum $s = \sum_{c} v_c$ over the context,
# the word $w$ that is there and the words $w_1, \dots, w_5$ that are drawn, the loss is
#
# $$- \log \sigma(u_w \cdot s) - \sum_{k=1}^{5} \log \sigma(- u_{w_k} \cdot s) ,$$
#
# here divided by the 6 candidates. (T. Mikolov, K. Chen, G. Corrado and J. Dean, *Efficient estimation of word
# representations in vector space*, 2013, and with I. Sutskever, *Distributed representations of words and phrases and
# their compositionality*, 2013.) Look at the loss go down.

# %%


class CBOW(nn.Module):
    """Contexts (N x 4) and candidates (N x K) of word numbers to logits (N x K): does it fit?"""

    def __init__(self, nb_words: int, dim: int = 20):
        super().__init__()
        self.context = nn.Embedding(nb_words, dim)
        self.answer = nn.Embedding(nb_words, dim)
        nn.init.zeros_(self.answer.weight)

    def forward(self, context: Tensor, candidates: Tensor) -> Tensor:
        return torch.einsum("nd,nkd->nk", self.context(context).sum(1), self.answer(candidates))


windows = words.unfold(0, 5, 1)
contexts, centers = windows[:, [0, 1, 3, 4]], windows[:, 2]
torch.manual_seed(0)
cbow = CBOW(len(vocabulary)).to(device)
optimizer = torch.optim.Adam(cbow.parameters(), lr=1e-2)
cbow_losses = []
for _ in range(prologue.pick(6, 4)):
    acc_loss = 0.0
    for batch in torch.randperm(contexts.size(0)).to(device).split(200):
        negatives = torch.randint(len(vocabulary), (batch.size(0), 5)).to(device)
        logits = cbow(contexts[batch], torch.cat([centers[batch, None], negatives], 1))
        truth = torch.zeros_like(logits)
        truth[:, 0] = 1
        loss = F.binary_cross_entropy_with_logits(logits, truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        acc_loss += loss.item() * batch.size(0)
    cbow_losses.append(acc_loss / contexts.size(0))
print("loss of each epoch:", [round(loss, 3) for loss in cbow_losses])

# %% [markdown]
# Words that are used alike should have vectors of like direction. Look at the three nearest words of each: do animals
# stand with animals?

# %%
vectors = F.normalize(cbow.answer.weight.detach(), dim=1)


def find_nearest(word: str, nb: int = 3) -> list[str]:
    """The words whose vectors have the largest cosine with that of `word`, without itself."""
    similarity = vectors @ vectors[number_of[word]]
    similarity[number_of[word]] = -1
    return [vocabulary[k] for k in similarity.topk(nb).indices.tolist()]


nearest = {
    word: find_nearest(word) for word in ("cat", "soup", "train", "bern", "four", "huge", "anna")
}
for word, others in nearest.items():
    print(f"{word:7s} {others}")

# %% [markdown]
# ## 7. Attention
#
# Each output is an average of all *values*, with weights that say how well its *query* agrees with each *key*. For
# queries $q_t$ and keys $k_s$ of dimension $d$, and values $v_s$,
#
# $$a_{t,s} = \frac{\exp(q_t \cdot k_s / \sqrt{d})}{\sum_{r} \exp(q_t \cdot k_r / \sqrt{d})}, \quad
#   y_t = \sum_s a_{t,s} \, v_s, \quad \text{or} \quad
#   Y = \mathrm{softmax} \left( \frac{Q K^\top}{\sqrt{d}} \right) V .$$
#
# The sum over $d$ products grows like $\sqrt{d}$, hence the division: without it the softmax would be nearly all on one
# place. (D. Bahdanau, K. Cho and Y. Bengio, *Neural machine translation by jointly learning to align and translate*,
# 2014; in this form A. Vaswani, N. Shazeer, N. Parmar, J. Uszkoreit, L. Jones, A. Gomez, L. Kaiser and I. Polosukhin,
# *Attention is all you need*, 2017.) torch has it as one function; look at the difference to the formula.
#
# Attention does not know where things are: look at the second number, permuted input gives permuted output. So if
# places matter, they must be in the input: the *positional encoding*.

# %%


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Queries N x T x D, keys N x S x D, values N x S x E: averages N x T x E."""
    return (q @ k.transpose(1, 2) / q.size(2) ** 0.5).softmax(2) @ v


torch.manual_seed(0)
q, k, v = torch.randn(3, 1, 7, 16)
attention_difference = (
    (attend(q, k, v) - F.scaled_dot_product_attention(q, k, v)).abs().max().item()
)
order = torch.randperm(7)
permuted_difference = (
    (attend(q[:, order], k[:, order], v[:, order]) - attend(q, k, v)[:, order]).abs().max().item()
)
print(f"against torch: {attention_difference:.1e}; permuted: {permuted_difference:.1e}")

# %% [markdown]
# ## 8. A toy for attention
#
# A signal of length 100 with two triangles and two rectangles, 5 to 11 wide and 1 to 25 high. The network must give the
# same signal with heights averaged: of the two triangles and of the two rectangles ("shape"), or of the two at the left
# and the two at the right ("side"). So it must carry a number from one shape to the other, far away.

# %%
signal_length = 100


def make_signals(nb: int, by: str) -> tuple[Tensor, Tensor]:
    """Signals and what is wanted of them, both nb x 1 x 100; `by` is "shape" or "side"."""
    is_rectangle = torch.rand(nb, 4).argsort(1) >= 2
    width = torch.randint(5, 12, (nb, 4))
    height = torch.randint(1, 26, (nb, 4)).float()
    free = signal_length - width.sum(1, keepdim=True)
    start = (torch.rand(nb, 4) * (free + 1)).long().sort(1).values + width.cumsum(1) - width
    group = (
        is_rectangle if by == "shape" else torch.tensor([False, False, True, True]).expand(nb, 4)
    )
    mean_height = (group[:, :, None] == group[:, None, :]).float() @ height[:, :, None] / 2
    place = (torch.arange(signal_length) + 0.5 - start[:, :, None]) / width[
        :, :, None
    ]  # from 0 to 1 inside
    profile = torch.where(is_rectangle[:, :, None], 1.0, 1 - (2 * place - 1).abs()) * (
        (place > 0) & (place < 1)
    )
    return (profile * height[:, :, None]).sum(1, keepdim=True), (profile * mean_height).sum(
        1, keepdim=True
    )


torch.manual_seed(1)
figure, axes = plt.subplots(1, 2, figsize=(10, 2))
for axis, by in zip(axes, ("shape", "side"), strict=True):
    signal, wanted = make_signals(1, by)
    axis.plot(signal[0, 0].numpy(), color="lightgray", linewidth=4, label="given")
    axis.plot(wanted[0, 0].numpy(), label="wanted")
    axis.set(title=f"by {by}", ylim=(0, 26))
axes[0].legend()
prologue.show(
    "Two signals of two triangles and two rectangles in gray, and in blue the same with heights "
    "averaged, by shape at the left and by side at the right."
)

# %% [markdown]
# Five convolutions of width 5: an output sees 10 steps to each side, no more. With attention in the place of the middle
# one it sees everything. What attention gives is added to its input, so that a place does not lose what it knew of
# itself. The positional encoding is six more inputs of the attention, sines and cosines of the place.

# %%
places = torch.arange(signal_length) / signal_length * torch.pi
encoding = torch.stack([f(k * places) for k in (1, 2, 4) for f in (torch.sin, torch.cos)]).to(
    device
)


class Attention(nn.Module):
    """Self-attention on N x C x T, added to its input.

    Queries, keys and values are linear in a place's input and, with `positions`, its encoding.
    """

    def __init__(self, nb_channels: int, positions: bool):
        super().__init__()
        self.positions = positions
        nb_inputs = nb_channels + len(encoding) * positions
        self.to_qkv = nn.Conv1d(nb_inputs, 3 * nb_channels, kernel_size=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        with_places = torch.cat([x, encoding.expand(x.size(0), -1, -1)], 1)
        q, k, v = self.to_qkv(with_places if self.positions else x).transpose(1, 2).chunk(3, 2)
        return x + attend(q, k, v).transpose(1, 2)


class SignalNet(nn.Module):
    """Signals N x 1 x 100 to signals."""

    def __init__(self, attention: bool, positions: bool, c: int = 32):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(1, c, kernel_size=5, padding=2),
            nn.ReLU(),
            nn.Conv1d(c, c, kernel_size=5, padding=2),
            nn.ReLU(),
            Attention(c, positions) if attention else nn.Conv1d(c, c, kernel_size=5, padding=2),
            nn.Identity() if attention else nn.ReLU(),
            nn.Conv1d(c, c, kernel_size=5, padding=2),
            nn.ReLU(),
            nn.Conv1d(c, 1, kernel_size=5, padding=2),
        )

    def forward(self, x: Tensor) -> Tensor:
        return 10 * self.layers(x / 10)


# %% [markdown]
# Batches of 100, Adam with `lr` 1e-3. The number is the mean squared error on new signals; returning the signal
# unchanged is the first line. Which task needs attention, and which the places as well? Where places do not matter,
# they are six inputs that the network must learn to ignore.


# %%
def compute_signal_error(model: nn.Module | None, by: str) -> float:
    torch.manual_seed(1)
    signal, wanted = (part.to(device) for part in make_signals(1000, by))
    with torch.no_grad():
        return F.mse_loss(signal if model is None else model(signal), wanted).item()


def train_signal_net(by: str, attention: bool, positions: bool, nb_steps: int) -> SignalNet:
    torch.manual_seed(0)
    model = SignalNet(attention, positions).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(nb_steps):
        signal, wanted = (part.to(device) for part in make_signals(100, by))
        loss = F.mse_loss(model(signal), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


signal_nets, signal_errors = {}, {}
nb_steps = prologue.pick(2000, 10)
for by in ("shape", "side"):
    print(f"by {by}: unchanged {compute_signal_error(None, by):.2f}")
    for attention, positions in ((False, False), (True, False), (True, True)):
        name = by + " attention" * attention + " positions" * positions
        signal_nets[name] = train_signal_net(by, attention, positions, nb_steps)
        signal_errors[name] = compute_signal_error(signal_nets[name], by)
        print(f"  {name:27s} {signal_errors[name]:.2f}")

# %% [markdown]
# Where does the network look? A row of the right figure holds the weights of one output place. The places inside a
# shape look at shapes, near or far, and hardly at the flat parts between. Do not read more from the weights: a row may
# look at shapes of both kinds, and the values and the layers after it decide what becomes of them.

# %%
torch.manual_seed(3)
signal, wanted = make_signals(1, "shape")
net = signal_nets["shape attention"]
with torch.no_grad():
    output = net(signal.to(device)).cpu()
    hidden = net.layers[:4](signal.to(device) / 10)
    q, k, _ = net.layers[4].to_qkv(hidden).transpose(1, 2).chunk(3, 2)
    weights = (q @ k.transpose(1, 2) / q.size(2) ** 0.5).softmax(2)[0].cpu()
figure, axes = plt.subplots(1, 2, figsize=(11, 3.2))
axes[0].plot(signal[0, 0].numpy(), color="lightgray", linewidth=4, label="given")
axes[0].plot(wanted[0, 0].numpy(), label="wanted")
axes[0].plot(output[0, 0].numpy(), "--", label="network")
axes[0].legend()
axes[1].imshow(weights.numpy(), cmap="gray_r")
axes[1].set(xlabel="looks at", ylabel="output place")
prologue.show(
    "A signal with what is wanted and what the network gives, and the 100 x 100 weights of its "
    "attention, dark where an output place looks."
)

# %% [markdown]
# ## 9. Sequence to sequence
#
# A translation has its own length and its own order. So one network, the *encoder*, reads the source $x$; another one,
# the *decoder*, writes the target $y$ symbol by symbol, each given the source and what is written so far:
#
# $$p(y \mid x) = \prod_t p(y_t \mid y_1, \dots, y_{t-1}, x) .$$
#
# (I. Sutskever, O. Vinyals and Q. Le, *Sequence to sequence learning with neural networks*, 2014.) In the training the
# decoder is given the true symbols before $y_t$; when it writes, it is given its own. The toy: 8 symbols, to be written
# in reverse order.
#
# In the first network, the last state of the encoder is all that the decoder knows of the source. In the second one,
# the decoder's state is also a query to all states of the encoder: attention (D. Bahdanau and others, section 7).

# %%
nb_places, start_symbol = 8, nb_symbols  # one more symbol begins each target


def make_pairs(nb: int) -> tuple[Tensor, Tensor]:
    """Sources and targets, both nb x 8 numbers of symbols."""
    source = torch.randint(nb_symbols, (nb, nb_places)).to(device)
    return source, source.flip(1)


class SequenceToSequence(nn.Module):
    """Sources N x 8 and what is written so far, N x T, to logits of next symbols, N x T x 10."""

    def __init__(self, attention: bool, nb_hidden: int = 64):
        super().__init__()
        self.attention = attention
        self.embedding = nn.Embedding(nb_symbols + 1, 16)
        self.encoder = nn.GRU(16, nb_hidden, batch_first=True)
        self.decoder = nn.GRU(16, nb_hidden, batch_first=True)
        self.output = nn.Linear(nb_hidden * (1 + attention), nb_symbols)

    def forward(self, source: Tensor, written: Tensor) -> Tensor:
        memory, last_state = self.encoder(self.embedding(source))
        h, _ = self.decoder(self.embedding(written), last_state)
        if self.attention:
            h = torch.cat([h, attend(h, memory, memory)], 2)
        return self.output(h)


def train_writer(model: nn.Module, nb_steps: int) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(nb_steps):
        source, target = make_pairs(100)
        written = F.pad(target, (1, 0), value=start_symbol)[:, :-1]  # the target, one place later
        loss = F.cross_entropy(model(source, written).flatten(0, 1), target.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@torch.no_grad()
def write_target(model: nn.Module, source: Tensor) -> Tensor:
    """Write the most likely symbol, eight times (N x 8)."""
    written = torch.full((source.size(0), 1), start_symbol, device=device)
    for _ in range(nb_places):
        written = torch.cat([written, model(source, written)[:, -1:].argmax(2)], 1)
    return written[:, 1:]


def compute_writing_error(model: nn.Module) -> float:
    """The share of the symbols of new targets that are wrong."""
    torch.manual_seed(1)
    source, target = make_pairs(500)
    return (write_target(model, source) != target).float().mean().item()


# %% [markdown]
# Look at the share of wrong symbols, for two seeds each (guessing: 90 %). With the same number of steps, the network
# with attention makes fewer errors: it need not press eight symbols into one state.

# %%
writing_errors = {}
nb_steps = prologue.pick(300, 20)
for name, attention in (("last state", False), ("attention", True)):
    writing_errors[name] = []
    for seed in range(2):
        torch.manual_seed(seed)
        writer = SequenceToSequence(attention).to(device)
        train_writer(writer, nb_steps)
        writing_errors[name].append(compute_writing_error(writer))
    print(f"{name:10s}", *(f"{error:6.1%}" for error in writing_errors[name]))
source, target = make_pairs(3)
for line in torch.stack([source, write_target(writer, source), target], 1).tolist():
    print("source {}, written {}, wanted {}".format(*line))

# %% [markdown]
# ## 10. A transformer block
#
# A transformer has no recurrence: attention carries information between places, and a small perceptron works at each
# place alone. Both are added to what was there, as in a residual network, and read a normalized copy of it (LN, layer
# norm):
#
# $$x' = x + \mathrm{MHA}(\mathrm{LN}(x)), \quad y = x' + W_2 \, \mathrm{ReLU}(W_1 \, \mathrm{LN}(x') + b_1) + b_2 .$$
#
# Multi-head attention (MHA) cuts queries, keys and values into $H$ parts, attends with each part on its own, and mixes
# the $H$ results $Y_h$ by a matrix:
#
# $$\mathrm{MHA}(x) = [ Y_1, \dots, Y_H ] \, W_O, \quad
#   Y_h = \mathrm{softmax} \left( \frac{Q_h K_h^\top}{\sqrt{d / H}} + M \right) V_h .$$
#
# The mask $M$ is $-\infty$ where a place would look at a later one, and 0 elsewhere. So the network can be trained on
# all places of a sequence at once, and none sees the answer. (A. Vaswani and others, section 7; the norms stood after
# the sums there.) torch has the block as `nn.TransformerEncoderLayer`; look at the difference.

# %%


class Block(nn.Module):
    """A transformer block on N x T x dim; a place looks at itself and at those before it."""

    def __init__(self, dim: int, nb_heads: int = 2):
        super().__init__()
        self.nb_heads = nb_heads
        self.norm_1, self.norm_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.to_qkv, self.mix = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.perceptron = nn.Sequential(nn.Linear(dim, 4 * dim), nn.ReLU(), nn.Linear(4 * dim, dim))

    def attend_to_earlier(self, x: Tensor) -> Tensor:
        nb, length, dim = x.shape
        parts = self.to_qkv(x).view(nb, length, 3, self.nb_heads, dim // self.nb_heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4)  # each N x heads x T x dim / heads
        scores = q @ k.transpose(2, 3) / q.size(3) ** 0.5
        later = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
        y = scores.masked_fill(later, -torch.inf).softmax(3) @ v
        return self.mix(y.transpose(1, 2).flatten(2))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attend_to_earlier(self.norm_1(x))
        return x + self.perceptron(self.norm_2(x))


torch.manual_seed(0)
block, x = Block(32), torch.randn(5, 16, 32)
options = {"dim_feedforward": 128, "dropout": 0.0, "batch_first": True, "norm_first": True}
of_torch = nn.TransformerEncoderLayer(32, 2, **options)
for theirs, ours in (
    (of_torch.norm1, block.norm_1),
    (of_torch.norm2, block.norm_2),
    (of_torch.self_attn.out_proj, block.mix),
    (of_torch.linear1, block.perceptron[0]),
    (of_torch.linear2, block.perceptron[2]),
):
    theirs.load_state_dict(ours.state_dict())
with torch.no_grad():
    of_torch.self_attn.in_proj_weight.copy_(block.to_qkv.weight)
    of_torch.self_attn.in_proj_bias.copy_(block.to_qkv.bias)
    mask = nn.Transformer.generate_square_subsequent_mask(16)
    block_difference = (block(x) - of_torch(x, src_mask=mask)).abs().max().item()
    changed = x.clone()
    changed[:, 8:] = 0
    earlier_difference = (block(x)[:, :8] - block(changed)[:, :8]).abs().max().item()
print(f"largest difference to torch: {block_difference:.1e}")
print(f"the first 8 places change by {earlier_difference:.1e} when the last 8 do")

# %% [markdown]
# A single block for the toy of section 9. The source and what is written so far are one sequence, and each place has a
# vector of its own that is learned and added: the positional encoding. Look at the error after a third of the steps.

# %%


class Transformer(nn.Module):
    """The same task and the same shapes as `SequenceToSequence`, without recurrence."""

    def __init__(self, dim: int = 32):
        super().__init__()
        self.embedding = nn.Embedding(nb_symbols + 1, dim)
        self.place = nn.Embedding(2 * nb_places, dim)
        self.layers = nn.Sequential(Block(dim), nn.LayerNorm(dim), nn.Linear(dim, nb_symbols))

    def forward(self, source: Tensor, written: Tensor) -> Tensor:
        symbols = torch.cat([source, written], 1)
        x = self.embedding(symbols) + self.place.weight[: symbols.size(1)]
        return self.layers(x)[:, nb_places:]


writing_errors["transformer"] = []
for seed in range(2):
    torch.manual_seed(seed)
    transformer = Transformer().to(device)
    train_writer(transformer, nb_steps // 3)
    writing_errors["transformer"].append(compute_writing_error(transformer))
for name, errors in writing_errors.items():
    print(f"{name:11s}", *(f"{error:6.1%}" for error in errors))

# %% [markdown]
# ## Try
#
# 1. Train on halves of 1 to 10 symbols and test on halves of 15. Why can you rely on none of the four
#    cells there?
# 2. Change the window of CBOW to one word on each side, then to four. Which words are nearest now?
# 3. Give the attention toy a third task, "the first and the last shape are averaged, so are the two between". How far
#    does the place of a shape alone lead, and what must the network with positions compare?
