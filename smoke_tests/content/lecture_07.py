# Lecture 7: a classifier and its convolutional twin, a detector's target, pixels, and layers taken over.
assert classifier_error < 0.15
assert same_scores and score_map.shape == (1, 3, 17, 17)
assert cell_size == 30 and target.shape == (7, 7, 30)
assert all(abs(value) < 1e-5 for value in terms_perfect.values()), terms_perfect
assert terms_zero["box"] > 0 and terms_zero["class"] > 0 and terms_zero["no object"] == 0
assert pixel_error < 0.9 * background_error, (pixel_error, background_error)
assert nb_batches == len(digits) // 100
if prologue.get_data_source("mnist") == "real":
    assert abs(digits_mean - 0.1302) < 0.01 and abs(digits_std - 0.3069) < 0.01
else:
    assert 0.05 < digits_mean < 0.3 and 0.2 < digits_std < 0.4
assert frozen_stayed and tuned_moved
assert frozen_error < 0.4
