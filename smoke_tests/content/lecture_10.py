"""Lecture 10, run as the last cell of its notebook."""

nb_generator, nb_discriminator = (sum(p.numel() for p in model.parameters()) for model in (model_g, model_d))
assert (nb_generator, nb_discriminator) == (8 * 100 + 100 + 100 * 2 + 2, 2 * 100 + 100 + 100 + 1)
assert isinstance(model_d[-1], nn.Sigmoid)
assert all(distance < 5 for distance in toy_distances)

# The optimal discriminator, for many pairs of distributions: its value is the divergence's, and no other has more.
assert abs(value_of_best - value_by_divergence) < 1e-5 and max(values_of_others) < value_of_best
for seed in range(20):
    torch.manual_seed(seed)
    p, q = torch.rand(2, 5).softmax(1)
    assert abs(compute_value(p / (p + q)) - 2 * compute_jensen_shannon(p, q).item() + 2 * math.log(2)) < 1e-5
    assert compute_value(p / (p + q)) >= compute_value(torch.rand(5))

assert sizes == [1, 7, 14, 28, 14, 7, 1]
assert all(images.shape == (12, 1, 28, 28) and images.abs().max() <= 1 for images in rows.values())
assert torch.tensor(dcgan_losses).isfinite().all()

assert torch.allclose(earth_mover, shifts.float(), atol=1e-4) and torch.allclose(dual, earth_mover, atol=1e-4)
assert torch.allclose(jensen_shannon[5:], torch.full((16,), 0.693147), atol=1e-4)
assert jensen_shannon[0] == 0 and jensen_shannon[1] < 0.2
assert 1.5 < estimates["penalty"] < 2.6  # two clouds 2 apart
assert all(len(curve) == prologue.pick(3000, 30) for curve in wgan_curves.values())

assert all(images.shape == (10, 1, 28, 28) for images in conditional_rows)
assert error_after < error_before

assert len(losses) == nb_epochs and losses[-1] < losses[0]
if device.type == "cpu":
    assert restarted_losses == losses
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), restarted_model.parameters(), strict=True))
    assert forgetful_losses[:3] == losses[:3]
else:  # a GPU may add in another order
    assert all(abs(a - b) <= 1e-3 * a for a, b in zip(losses, restarted_losses, strict=True))
assert forgetful_losses[3] != losses[3]
assert {tensor.device.type for tensor in checkpoint["model"].values()} == {"cpu"}
assert sorted(checkpoint) == ["losses", "model", "optimizer", "rng"]
assert refusal and not Path(folder.name).exists()

if not prologue.args.tiny:
    assert toy_distances[-1] < toy_distances[0] / 3
    assert all(distance < 0.25 for distance in wgan_distances.values())
    assert abs(estimates["penalty"] - 2) < 0.4 < abs(estimates["clipping"] - 2), estimates
    for method, values in wgan_curves.items():  # they swing at first, then go down
        tenths = torch.tensor(values).view(10, -1)
        assert tenths[-1].mean() < tenths[1].mean() / 2 and tenths[-1].std() < tenths[0].std() / 3, (
            method,
            tenths.mean(1),
        )
    assert error_after < 0.1
    assert test_error < 0.10
