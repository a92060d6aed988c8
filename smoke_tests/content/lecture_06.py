"""What lecture 6 must show; run as the last cell of its notebook, in its kernel."""

# Numbers that depend on nothing but the definitions.
assert nb_pieces == {depth: 2**depth for depth in range(1, 9)}, nb_pieces
assert abs(largest_slope["sigmoid"] - 0.25) < 1e-3 and largest_slope["ReLU"] == 1
assert set(dropped.unique().tolist()) == {0, 4} and (kept == 1).all()
assert set(dropped_channels.mean(dim=(2, 3)).unique().tolist()) <= {0, 2}
assert torch.allclose(normalized.mean(dim=0), torch.tensor([2.0, 4.0, 8.0]), atol=1e-4)
assert torch.allclose(normalized.std(dim=0), torch.tensor([1.0, 2.0, 3.0]), rtol=1e-3)
assert abs(running_share - (1 - 0.9**50)) < 1e-3
assert nb_parameters == 117_802
assert same_device_is_same_tensor and not other_type_is_same_tensor and module_is_moved_in_place
assert parallel_output.shape == (50, 2)

# Gradients: kept by the matching initialization only.
assert ratios["sigmoid", 1] < 1e-10 and ratios["ReLU", 1] < 1e-3 and 0.2 < ratios["ReLU", 2] < 5, ratios
for seed in range(1, 5):
    assert gradient_ratio(torch.sigmoid, 0.01, seed) < 1e-10 and gradient_ratio(F.relu, 0.01, seed) < 1e-3
    assert 0.2 < gradient_ratio(F.relu, 0.02, seed) < 5 and 0.02 < gradient_ratio(torch.tanh, 0.01, seed) < 1

# Batch normalization trains from any scale of the weights; without it the smallest and the largest do not.
assert disc_errors[True][1.0] < prologue.pick(0.1, 0.3), disc_errors
assert disc_errors[False][1e-3] > 0.35, disc_errors
if not prologue.args.tiny:
    assert max(disc_errors[True].values()) < 0.15, disc_errors
    assert disc_errors[False][10.0] > 0.35, disc_errors
    assert resnet_results[True][0] < resnet_results[False][0], resnet_results
    # Of three seeds on the stand-in: training losses of 0.002 and 0.003 to 0.015, test losses of 0.95 to 1.00 and 0.80.
    assert max(loss for loss, *_ in dropout_results.values()) < 0.1, dropout_results
    assert max(error for _, error, *_ in dropout_results.values()) < 0.02, dropout_results
    assert dropout_results[0.5][2] < dropout_results[0.0][2], dropout_results  # test loss

assert abs(expected_nb_blocks - 17.75) < 1e-6 and abs(mean_nb_blocks - 17.75) < 0.8
