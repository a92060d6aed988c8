# Lecture 6: what depth draws, and what keeps a signal alive on its way through it.
assert pieces == {depth: 2**depth for depth in range(1, 7)}
assert xavier[-1] < 1e-3 and 0.3 < he[-1] < 3
assert dropped.unique().tolist() == [0, 4] and torch.equal(kept, ones)
assert set(channels.flatten().tolist()) <= {0.0, 2.0} and (channels.flatten(2).std(2) == 0).all()
assert torch.allclose(normed_mean, torch.tensor([2.0, 4.0, 8.0]), atol=1e-4)
assert torch.allclose(normed_std, torch.tensor([1.0, 2.0, 3.0]), atol=1e-2)
assert all(without > 0.4 for without, _ in disc_errors.values())
assert min(with_norm for _, with_norm in disc_errors.values()) < 0.25, disc_errors
assert nb_parameters == 117_802
assert min(resnet_losses[1:]) < resnet_losses[0]
assert len(varied) > 1 and len(steady) == 1
assert same and moved.device.type == device.type
