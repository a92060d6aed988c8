# Lecture 9: a transposed convolution by hand, codes that rebuild, noise taken out, and a flow that can be walked back.
assert spread.tolist() == [2, 7, 4, -4, -2, 1]
assert torch.equal(matrix.t() @ torch.tensor([2.0, 3.0, 0.0, -1.0]), spread)
assert sizes[:6] == [28, 24, 20, 9, 4, 1], sizes
assert set(models) == {8, 16, 32}
assert all(code_losses[-1] < code_losses[0] for code_losses in losses.values())
assert in_codes.shape[0] == 12 and sampled_images.shape == (12, 1, 28, 28)
assert set(damaged) == set(denoised) and len(damaged) == 3
assert abs(kl - kl_of_torch) < 1e-3
assert vae_losses[-1] < vae_losses[0] and vae_samples.shape == (12, 1, 28, 28)
assert torch.equal(jacobian, jacobian.tril()), "triangular, so its determinant is the product of its diagonal"
assert abs(log_det - torch.linalg.slogdet(jacobian).logabsdet.item()) < 1e-4
assert nll[-1] < nll[0] and inversion_error < 1e-3
