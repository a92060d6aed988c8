# Lecture 1: views share memory, strides say how, and a line is found back.
assert (x_mean, x_std) == (1.125, 0)
assert whole.dtype == torch.int64 and "dtype" in type_message
assert (p * q).tolist() == [[0, 2], [3, 0]] and (p @ q).tolist() == [[2, 1], [4, 3]]
assert y.sum().item() == 4 * 3 * 7 + 2 * 6 and y[0, 2] == 7 and y[1, 0] == 1 and kept.sum() == 0

assert torch.allclose(a @ solution, torch.tensor([4.0, 10.0, 14.0]))
assert residual.norm() > 0.1 and (tall.t() @ residual).norm() < 1e-4
assert 0.7 < slope < 1.3 and 80 < offset < 110 and 7 < sample_error < 13 and 10 <= expected_error < 11
# Of 2000 such lines: the error on the people measured is below the spread for 57 %, the one on others never.
many_ages = torch.empty(2000, 60).uniform_(20, 75)
many = many_ages + 95 + 10 * torch.randn(2000, 60)
lines = torch.linalg.lstsq(torch.stack((many_ages, torch.ones(2000, 60)), dim=2), many[..., None]).solution
on_these = (lines[:, :1, 0] * many_ages + lines[:, 1:, 0] - many).square().mean(1).sqrt()
assert 0.5 < (on_these < 10).float().mean() < 0.65
assert (on_these > 6).all() and (on_these < 14).all() and ((lines[:, 0] - 1).abs() < 0.4).all()

assert table.tolist()[1] == [7, -3, 7, -3, 7] and table.shape == (4, 5) and trap.shape == (60, 60)
assert window.tolist() == [[-1, 6], [9, 10], [13, 14]] and same_memory == -1
assert strides == ((4, 1), (1, 4)) and "view" in view_message
assert wide.stride() == (0, 0) and wide.untyped_storage().nbytes() == 4
assert flat.data_ptr() != m.data_ptr() and flat[:3].tolist() == [0, 4, 8]

assert images.shape == (50_000, 3, 32, 32) and sheet.shape == (128, 384, 3)
assert torch.equal(sheet[32:64, 32:64].permute(2, 0, 1), images[13]) and torch.equal(saved, sheet)
white = {name: image[-1, 0].tolist() for name, image in variants.items() if name.startswith("no ")}
assert white == {"no red": [0, 255, 255], "no green": [255, 0, 255], "no blue": [255, 255, 0]}
assert variants["no red"][..., 0].sum() == 0 and torch.equal(
    variants["image"].permute(2, 0, 1)[:, :-5], images[7, :, :-5]
)
