"""Lecture 9, run as the last cell of its notebook."""

assert spread.tolist() == [2, 7, 4, -4, -2, 1]
assert (matrix.t() @ torch.tensor([2.0, 3.0, 0.0, -1.0])).tolist() == spread.tolist()
assert strided.tolist() == [2, 4, 1, 6, -3, 0, -1, -2, 1]

assert sizes == [28, 24, 20, 9, 4, 1, 4, 9, 20, 24, 28]
assert {name: model.encode(test_input[:2]).shape for name, model in models.items()} == {
    nb_codes: (2, nb_codes) for nb_codes in (8, 16, 32)
}
assert errors[8][0] > errors[16][0] > errors[32][0]  # PCA
# One epoch of 12 batches hardly learns, but must not diverge: answering the mean gives about 784.
assert all(error < 1000 for _, error in errors.values())
assert all(values[-1] <= values[0] for values in losses.values())
assert in_pixels.shape == in_codes.shape == (12, 1, 28, 28)
assert torch.allclose(in_pixels[0], test_input[0]) and torch.allclose(in_pixels[-1], test_input[1], atol=1e-5)
assert torch.allclose(in_codes[:1], models[8](test_input[:1]), atol=1e-2)
assert all(images.isfinite().all() for images in sampled.values())

assert abs((damaged["Gaussian 0.5"] - test_unit).std().item() - 0.5) < 0.01
off = (damaged["zeros 55 %"] == 0)[test_unit > 0].float().mean().item()
assert abs(off - 0.55) < 0.02
touched = (damaged["salt-pepper"] != test_unit)[(test_unit > 0) & (test_unit < 1)].float().mean().item()
assert abs(touched - 0.10) < 0.03
assert F.mse_loss(denoised["Gaussian 0.5"], test_unit).item() < 0.1 < F.mse_loss(damaged["Gaussian 0.5"], test_unit)

assert abs(kl - kl_of_torch) < 1e-3
assert vae.encode(test_input[:2])[0].shape == (2, 32)
assert vae_losses[-1] < vae_losses[0] and (kl_per_component > -1e-6).all()

assert jacobian.shape == (6, 6) and jacobian.triu(1).abs().max() == 0
assert torch.equal(jacobian[:3, :3], torch.eye(3))
assert abs(log_det - torch.linalg.slogdet(jacobian).logabsdet.item()) < 1e-5
assert len(flow.layers) == 4 and flow.layers[0].s[0].weight.shape == (2, 2)
assert nll[-1] < nll[0] and nll[-1] < baseline_nll and inversion_error < 1e-3

if not prologue.args.tiny:
    assert all(error < pca_error for pca_error, error in errors.values())
    with torch.no_grad():  # samples are further from real images with 32 numbers than with 8, and the VAE repairs it
        torch.manual_seed(7)
        distances = {}
        for nb_codes in (8, 32):
            codes = torch.cat([models[nb_codes].encode(batch) for batch in train_input.split(500)])
            drawn = codes.mean(0) + codes.std(0) * torch.randn(500, nb_codes).to(device)
            distances[nb_codes] = models[nb_codes].decode(drawn)
        distances["VAE"] = vae.decoder(torch.randn(500, 32).to(device))
        for name, samples in distances.items():
            distances[name] = torch.cdist(samples.flatten(1), train_input.flatten(1)).min(1).values.mean().item()
    assert max(distances[8], distances["VAE"]) < distances[32] - 1, distances
    assert 4 <= nb_used <= 28 and kl_per_component.sort().values[:4].max() < 0.02, kl_per_component
    assert entropy - 0.1 < nll[-1] < entropy + 0.25
    for name in damages:
        assert F.mse_loss(denoised[name], test_unit).item() < F.mse_loss(damaged[name], test_unit).item() / 2
