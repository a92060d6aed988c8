# Lecture 8: what is looked into is a network that works, and each way of looking shows something.
assert small_losses[-1] < 0.3 * small_losses[0]
assert test_error < 0.45
assert activations.shape == (16, 24, 24)
assert maps["pixels"].shape == maps["hidden layer"].shape == (nb, 2)
assert occlusion.max() > 0.1
assert saliency.shape == smoothed.shape == deconvolved.shape == guided.shape == digit.shape
assert not torch.allclose(guided, saliency) and not torch.allclose(deconvolved, saliency)
assert torch.equal(find_saliency(net, digit, digit_class), saliency), "the hooks are gone"
assert confidence.mean() > 0.8, confidence
assert error_of["adversarial steps"] > error_of["as they are"] + 0.3, error_of
assert error_of["adversarial steps"] > error_of["random steps"] + 0.2, error_of
assert fields == {(1, 1, 1, 1): 9, (1, 2, 4, 8): 31}
