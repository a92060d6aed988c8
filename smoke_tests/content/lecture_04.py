# Lecture 4: gradients that are known in closed form, shapes, and what is visible to a module.
assert torch.allclose(w1.grad, grad_w1, rtol=1e-3) and torch.allclose(w2.grad, grad_w2, rtol=1e-3)
assert norm.item() == 3 and torch.allclose(norm_grad, torch.tensor([1.0, 2.0, 2.0]) / 3)
assert accumulated.tolist() == [54, 24, 150]
assert torch.allclose(second, torch.tensor([14.778, 0.0, -806.86]), atol=1e-2)
assert all(abs(a - b) < 1e-3 for a, b in zip(joint, (1 / 3, -1 / 3), strict=True))
assert all(abs(a - b) < 1e-3 for a, b in zip(cut, (1, 0), strict=True))
assert nb_doublings == 11 and x.shape == (3,)
assert "inplace" in in_place_message
assert loop > 1.5 * batch, (loop, batch)
assert out.shape == (117, 5, 9, 1) and dilated.shape == (1, 1, 12, 22)
assert pooled.flatten().tolist() == [5, 7, 13, 15]
assert (nb_buggy, nb_fixed) == (2, 8)
assert nb_parameters == 105_506
assert error_signed <= error_01 + 0.05 < 0.95, (error_signed, error_01)
