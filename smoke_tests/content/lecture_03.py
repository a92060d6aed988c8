# Lecture 3: what is separated, what is not, and a gradient by hand.
assert changes[-1] == 0 and train_error == 0, "zeros and ones are separated by a plane"
assert test_error < 0.02
if prologue.get_data_source("mnist") == "real" and not prologue.args.tiny:
    assert changes[0] < 100 and len(changes) < 15 and test_error < 0.003
assert w.numel() == 785
assert lda_error < naive_error < 0.3
assert changes_plain[-1] > 0 and changes_product[-1] == 0
few, *_, many = feature_errors.values()
assert many[0] < few[0], "more features fit the training samples better"
assert losses[-1] < losses[0] and abs(losses[0] - 0.6931) < 1e-3
assert abs(logistic_error - lda_error) < 0.02
assert deviations[0] > deviations[1] > deviations[2] and deviations[2] < 0.02
assert agree
