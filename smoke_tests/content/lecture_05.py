"""What lecture 5 must show; run as the last cell of its notebook, in its kernel."""

from itertools import pairwise

# Numbers that depend on nothing but the definitions.
assert abs(cross_entropy.item() - 2.5141) < 5e-5
assert torch.allclose(by_hand.mean(), cross_entropy)
assert mse_surface[0, -1] > mse_surface[40, 40] and ce_surface[0, -1] < 1e-3  # too right: only the MSE minds
assert kill_head_is_right and abs_product_is_right and mistake_is_found
assert killed.tolist() == [0, 0, 3, -4, 5]

# Optimization: more steps go further in one epoch, and momentum and Adam beat plain descent in a valley.
by_size = [final_loss[size] for size in sorted(final_loss, reverse=True)]
assert by_size[0] > by_size[1] > by_size[2] > by_size[3], by_size
assert steps_needed["momentum 0.8"] < 0.7 * steps_needed["SGD"], steps_needed
assert steps_needed["Adam"] < 0.7 * steps_needed["SGD"], steps_needed

# Penalties.
norms = [norm for _, norm, _ in l2_results.values()]
assert all(first > second for first, second in pairwise(norms)), norms
zeros = [share for _, _, share in l1_results.values()]
assert zeros == sorted(zeros) and zeros[0] < 0.01 and zeros[-1] > prologue.pick(0.3, 0.03), zeros
if not prologue.args.tiny:
    assert all(error < 0.2 for value, (error, _, _) in l2_results.items() if value < 5e-3), l2_results
    assert l1_results[5e-4][0] > l1_results[0.0][0] + 0.03, l1_results
    if prologue.get_data_source("mnist") == "real":
        assert 0.03 < l2_results[0.0][0] < 0.15, l2_results  # published 0.064
        assert l2_results[2e-2][0] > min(error for error, _, _ in l2_results.values()), l2_results  # 0.101, 0.063

# Initialization: a factor of 0.58 per layer for the default (a little less, tanh), about 1 at first with Xavier's.
ratios = [second / first for first, second in pairwise(scales["default"])]
assert all(0.5 < ratio < 0.6 for ratio in ratios), ratios
assert scales["Xavier"][-1] > 0.3

assert vanishing["default"] < 5e-5 and 0.1 < vanishing["Xavier"] < 0.4, vanishing
ratios = [second / first for first, second in pairwise(scales["Xavier"])]
assert all(0.7 < ratio < 1 for ratio in ratios) and ratios == sorted(ratios), ratios

# Losses.
for before, after in ((before_drop, after_drop), drop_learning_rate(1, nb_epochs), drop_learning_rate(2, nb_epochs)):
    assert all(curve[0] < before[-1] for lr, curve in after.items() if lr < 0.5), (before, after)
    assert all(sum(curve[-3:]) < sum(after[0.5][-3:]) for lr, curve in after.items() if lr < 0.5), after
if not prologue.args.tiny:
    assert curves[0.1][-1] < 0.5 * curves[0.01][-1]
    assert curves[0.01] == sorted(curves[0.01], reverse=True)
    assert train_losses.median() < 0.1 < test_losses.mean(), (train_losses.median(), test_losses.mean())
    worst_tenth = test_losses.sort(descending=True).values[: len(test_losses) // 10].sum() / test_losses.sum()
    assert worst_tenth > 0.5, worst_tenth
assert test_losses.mean() > 0 and train_losses.numel() == train_input.size(0)
