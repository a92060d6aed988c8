# Lecture 10: a killed training goes on as if it had not been, and what was trained comes nearer to what is real.
assert len(losses) == nb_epochs and losses[-1] < losses[0]
assert all(abs(a - b) < 1e-3 * max(abs(a), 1) for a, b in zip(losses, restarted_losses, strict=True))
assert error_after < error_before, (error_before, error_after)
assert prologue.args.tiny or test_error < 0.3, test_error
assert len(dcgan_losses) > 0 and earth_mover.max() > 0
assert {tensor.device.type for tensor in checkpoint["model"].values()} == {"cpu"}
