# Lecture 2: fits, their errors, and two methods without targets.
import itertools

assert knn_errors[1][0] == 0 and knn_errors[51][1] < knn_errors[1][1]
assert abs(first_value - 0.1836) < 5e-4, first_value
assert all(later <= earlier + 1e-9 for earlier, later in itertools.pairwise(train_errors))
assert min(test_errors[2:7]) < test_errors[0] and test_errors[9] > 5 * min(test_errors)
assert penalty_errors[1e-3] < penalty_errors[0.0]
assert all(abs(bias + variance - error) < 1e-6 * max(error, 1) for bias, variance, error in decomposition)
assert biases[0] > 10 * biases[3] and variances[7] > variances[0]
assert abs(chance - 0.62) < 0.005 and abs(observed - chance) < 0.12
assert 3 <= best_degree <= 9
assert all(b <= a * (1 + 1e-5) for costs in kmeans_costs.values() for a, b in itertools.pairwise(costs))
assert kmeans_costs[32][-1] < kmeans_costs[1][-1]
assert abs(residuals[0] - 1) < 1e-5 and residuals[300] < residuals[100] < residuals[10] < 0.8
