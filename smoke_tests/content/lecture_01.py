# Lecture 1: views share memory, strides say how, and a line is found back.
assert (x_mean, x_std) == (1.125, 0)
assert whole.dtype == torch.int64 and "dtype" in type_message
assert (p * q).tolist() == [[0, 2], [3, 0]] and (p @ q).tolist() == [[2, 1], [4, 3]]
assert y.sum().item() == 4 * 3 * 7 + 2 * 6 and y[0, 2] == 7 and y[1, 0] == 1 and kept.sum() == 0

assert torch.allclose(a @ solution, torch.tensor([4.0, 10.0, 14.0]))
assert residual.norm() > 0.1 and (tall.t() @ residual).norm() < 1e-4
assert 0.7 < slope < 1.3 and 80 < offset < 110 and 7 < spread < 13

assert table.tolist()[1] == [7, -3, 7, -3, 7] and table.shape == (4, 5) and trap.shape == (60, 60)
assert window.tolist() == [[-1, 6], [9, 10], [13, 14]] and same_memory == -1
assert strides == ((4, 1), (1, 4)) and "view" in view_message
assert wide.stride() == (0, 0) and wide.untyped_storage().nbytes() == 4
assert flat.data_ptr() != m.data_ptr() and flat[:3].tolist() == [0, 4, 8]

assert images.shape == (50_000, 3, 32, 32) and sheet.shape == (128, 384, 3)
assert torch.equal(sheet[32:64, 32:64].permute(2, 0, 1), images[13]) and torch.equal(saved, sheet)
assert variants["no red"][..., 0].sum() == 0 and torch.equal(variants["image"].permute(2, 0, 1), images[7])
