# Lecture 11: memory, packed sequences, vectors of words, and attention.
assert all(torch.equal(s[: len(s) // 2], s[len(s) // 2 :]) == bool(kind) for s, kind in examples)
assert {len(errors) for errors in by_length.values()} == {10}
assert all(norm >= 0 for norms in gradient_norms.values() for norm in norms)
if not prologue.args.tiny:
    assert min(by_length["GRU"][:5]) < 0.1, by_length
assert packed.batch_sizes.tolist() == [3, 3, 2, 2, 2, 2, 1, 1, 1, 1] and packed_agrees
assert unpacked_lengths.tolist() == lengths and unpacked.shape == (10, 3, 50)
assert "word0" not in index and len(vocabulary) == 23
assert cbow_losses[-1] < 0.8 * cbow_losses[0]
assert set(nearest["anna"]) == set(PEOPLE) - {"anna"} and set(nearest["dog"]) == set(ANIMALS) - {"dog"}, nearest
assert train_x.shape[1:] == (1, 100)
assert all(error < train_y.pow(2).mean().item() for error, _, _ in results.values())
if not prologue.args.tiny:
    assert results["attention"][0] < results["convolutions"][0]
assert encode_positions(test_x).shape[1] == 8
assert equivariant
