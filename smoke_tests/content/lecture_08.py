"""What lecture 8 must show; run as the last cell of its notebook, in its kernel."""

# Units and layers.
assert plane_errors[-1] < prologue.pick(0.05, 0.15), plane_errors
assert digit_error < prologue.pick(0.25, 0.6), digit_error
assert kept[2].shape == (1, 32, 8, 8) and kept[5].shape == (1, 64, 2, 2) and kept[8].shape == (1, 200)
assert 0.1 < sparsity[8] < 0.95, sparsity
assert map_errors["hidden layer"] < map_errors["pixels"] + prologue.pick(0.0, 0.2), map_errors
assert filter_correlation > 0.5, filter_correlation  # the filters keep much of the noise that they began as
if not prologue.args.tiny:
    assert map_errors["second layer"] < 0.6 * map_errors["pixels"], map_errors
    assert abs(map_errors["hidden layer"] - digit_error) < 0.04, (map_errors, digit_error)

# Explanations: the shape is where they point to, more often than by chance (deconvolution hardly), and no hook is left.
assert shape_error < prologue.pick(0.1, 0.6), shape_error
pointing = {name: share / area_share for name, share in energy_share.items() if name != "deconvolution"}
assert all(times > prologue.pick(2.0, 1.3) for times in pointing.values()), pointing
if not prologue.args.tiny:
    assert min(energy_share, key=energy_share.get) == "deconvolution", energy_share
assert maps["guided"][0].shape == images[:1].shape
again = compute_saliency(images[:1], classes[0].item()).abs()
assert torch.allclose(again, maps["saliency"][0], rtol=1e-2, atol=1e-4)
assert not any(module._backward_hooks or module._forward_hooks for module in [*shape_net, *digit_net])

# Inputs made to order, and adversarial ones.
assert confidence["free"].min() > 0.9 and confidence["blurred"].mean() > 0.5, confidence
assert attack_errors[0.4][1] > attack_errors[0.4][0] + 0.2, attack_errors
assert attack_errors[0.4][1] > attack_errors[0.0][1] + 0.3, attack_errors
for seed in range(5):  # random signs do little, whatever they are
    torch.manual_seed(seed)
    by_chance = compute_error(digit_net, test_input[:200] + 0.4 * torch.randn_like(test_input[:200]).sign(), y)
    assert by_chance < attack_errors[0.0][0] + prologue.pick(0.05, 0.15), by_chance
assert (fooled_answers != test_target[right]).all() and relative_change.max() < 0.6, relative_change

# Receptive fields: 1 + 2 x the sum of the dilations; with a constant dilation of 2 only every other pixel is seen.
assert field_width == {(1, 1, 1, 1): 9, (1, 2, 4, 8): 31, (2, 2, 2, 2): 17}, field_width
assert field_pixels == {(1, 1, 1, 1): 81, (1, 2, 4, 8): 31**2, (2, 2, 2, 2): 81}, field_pixels
