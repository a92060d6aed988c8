# Lecture 2: fits, their errors, and two methods without targets.
import itertools

assert knn_errors[1][0] == 0 and knn_errors[25][1] < knn_errors[1][1] and knn_errors[25][1] < knn_errors[151][1]
assert knn_errors[1][0] < knn_errors[5][0] <= knn_errors[25][0]

# Polynomials: the published value, capacity, penalty.
assert abs(first_value - 0.1836) < 5e-5, first_value
assert all(later <= earlier + 1e-9 for earlier, later in itertools.pairwise(train_errors))
assert train_errors[10] < 1e-6 < train_errors[4]
assert min(penalty_test) < 0.2 * test_errors[10] and min(penalty_test) < 0.2 * penalty_test[-1]
norms = [alpha.norm().item() for alpha in penalized]
assert all(later <= earlier * (1 + 1e-9) for earlier, later in itertools.pairwise(norms))
assert all(later >= earlier - 1e-9 for earlier, later in itertools.pairwise(penalty_train))
for _ in range(12):  # draws of the noise
    noisy = truth(x_train) + 0.2 * torch.randn(11, dtype=torch.float64)
    elsewhere = [
        (evaluate(fit_polynomial(x_train, noisy, *capacity), x_test) - truth(x_test)).square().mean().item()
        for capacity in ((0,), (3,), (4,), (5,), (10,), (10, 1e-4), (10, 10.0))
    ]
    assert elsewhere[0] > 5 * min(elsewhere[1:4]) and elsewhere[4] > 1.2 * min(elsewhere[1:4]), elsewhere
    assert elsewhere[4] > 1.2 * elsewhere[5] and elsewhere[6] > 5 * elsewhere[5], elsewhere
assert fit_polynomial(x_train.expand(2, -1), y_train.expand(2, -1), 3).sub(fits[3]).abs().max() < 1e-6

# Bias and variance add up to the error. The bias falls at odd degrees, as far as a mean over few sets shows it, and
# the variance is that of the noise, 0.04, for each of the coefficients, shared by 15 places.
assert all(abs(bias + variance - error) < 1e-9 for bias, variance, error in decomposition)
rest = 3 * 0.04 * 9 / 15 / nb_sets
assert all(later < earlier + rest for earlier, later in itertools.pairwise(biases))
assert biases[1] < 0.6 * biases[0] and biases[3] < 0.1 * biases[1] and biases[5] < 0.1 * biases[3] + rest
assert all(0.7 < variance * 15 / 0.04 / (degree + 1) < 1.3 for degree, variance in enumerate(variances)), variances
assert min(errors) in errors[3:7], errors

# Chance, and what it makes of a choice: 0.62; the spread of the observed share is 0.028 for 300 contests.
assert abs(chance - 0.6236) < 5e-5 and abs(observed - chance) < 0.1
assert chosen_errors[10_000][0] < 0.37 < 0.45 < chosen_errors[10_000][1] < 0.55
assert 3 <= best_degree <= 9 and true_errors[best_degree] < 1.6 * min(true_errors)

# k-means and PCA.
assert all(b <= a * (1 + 1e-5) for costs in (*kmeans_costs.values(), cloud_costs) for a, b in itertools.pairwise(costs))
for name in ("MNIST", "CIFAR10"):
    assert kmeans_costs[name, 32][-1] < kmeans_costs[name, 4][-1] < kmeans_costs[name, 1][-1]
    assert abs(residuals[name, 0] - 1) < 1e-5 and residuals[name, 100] < residuals[name, 10] < residuals[name, 1] < 1
    directions = bases[name][3][:20]
    assert torch.allclose(directions @ directions.t(), torch.eye(20), atol=1e-4)
assert torch.allclose(bases["MNIST"][2] / 255, tile(digits.mean(0, keepdim=True) / 255, 1).flatten())
