"""Lecture 11, run as the last cell of its notebook."""

torch.manual_seed(2)
x, lengths, target = make_sequences(500)
symbols, half = x.argmax(2), lengths // 2
identical = torch.tensor([torch.equal(s[:h], s[h : 2 * h]) for s, h in zip(symbols, half.tolist(), strict=True)])
assert torch.equal(identical.long(), target) and sorted(set(half.tolist())) == list(range(1, 11))
assert x.shape == (500, 20, 10) and torch.equal(x.sum(2), torch.ones(500, 20))

counts_of_parameters = {name: sum(p.numel() for p in model.parameters()) for name, model in recurrent_models.items()}
assert counts_of_parameters == {"Elman": 3152, "gated": 6202, "LSTM": 12502, "GRU": 9402}
assert all(0 <= error <= 1 for values in recurrent_errors.values() for error in values)
assert all(len(by_length) == 10 for by_length in errors_by_length.values())

assert max(lstm_difference, gru_difference) < 1e-5
assert norms == sorted(norms) and norms[-1] > 100 * norms[0]
assert norm_before > 1.25 and abs(clipped.norm().item() - 1.25) < 1e-3 and cosine > 0.9999

assert packed.data.tolist() == [11, 21, 31, 12, 22, 13, 14] and packed.batch_sizes.tolist() == [3, 2, 1, 1]
assert packed_difference < (1e-5 if device.type == "cpu" else 1e-2) and padded_difference > 0.01

assert vocabulary[0] == "*" and "anna" in vocabulary and not any("visitor" in word for word in vocabulary)
assert [vocabulary[k] for k in words[:60].tolist()] == [word if word in number_of else "*" for word in text[:60]]
assert cbow_losses[-1] < cbow_losses[0] < 0.7
right = [other in grammar["ANIMAL"] for other in nearest["cat"]] + [
    other in grammar["CITY"] for other in nearest["bern"]
]
assert sum(right) >= 4

assert attention_difference < 1e-5 and permuted_difference < 1e-5
for by in ("shape", "side"):
    signal, wanted = make_signals(200, by)
    assert signal.shape == wanted.shape == (200, 1, 100) and signal.min() >= 0 and signal.max() <= 25
    assert torch.equal(signal > 0, wanted > 0)
assert torch.allclose(weights.sum(1), torch.ones(100), atol=1e-4)
assert sorted(signal_errors) == sorted(
    f"{by}{extra}" for by in ("shape", "side") for extra in ("", " attention", " attention positions")
)
if not prologue.args.tiny:
    assert all(values[-1] < 0.2 for values in recurrent_errors.values())
    assert sum(right) == 6
    assert signal_errors["shape attention"] < 0.6 * signal_errors["shape"]
    assert signal_errors["side attention positions"] < 0.6 * signal_errors["side attention"]
    assert signal_errors["side attention"] < signal_errors["side"]

# Sequence to sequence, and the transformer block.
assert block_difference < 1e-5 and earlier_difference == 0
assert writing_errors.keys() == {"last state", "attention", "transformer"}
source, target = make_pairs(4)
assert torch.equal(target.flip(1), source) and write_target(transformer, source).shape == (4, 8)
changed = F.pad(target, (1, 0), value=start_symbol)[:, :-1].clone()
with torch.no_grad():
    before = transformer(source, changed)
    changed[:, 4:] = 0
    assert torch.allclose(transformer(source, changed)[:, :4], before[:, :4], atol=1e-5)  # nothing comes from later
if not prologue.args.tiny:
    # The places of shapes look at shapes (and three places around them) more than at flat parts; three draws.
    net = signal_nets["shape attention"]
    for seed in range(3):
        torch.manual_seed(seed)
        signal, _ = make_signals(50, "shape")
        near = F.max_pool1d((signal > 0).float(), kernel_size=7, stride=1, padding=3)[:, 0]
        with torch.no_grad():
            q, k, _ = net.layers[4].to_qkv(net.layers[:4](signal.to(device) / 10)).transpose(1, 2).chunk(3, 2)
            rows = (q @ k.transpose(1, 2) / q.size(2) ** 0.5).softmax(2).cpu()
        on_shapes = (rows * near[:, None, :]).sum(2)[signal[:, 0] > 0].mean().item()
        assert on_shapes > 1.2 * near.mean().item(), (on_shapes, near.mean().item())
    assert max(writing_errors["attention"]) < min(writing_errors["last state"]), writing_errors
    assert max(writing_errors["transformer"]) < 0.05, writing_errors
