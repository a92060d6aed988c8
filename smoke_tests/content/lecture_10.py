# Lecture 10: what is made comes nearer to what is real, and a killed training goes on as if it had not been.
assert after < 0.1 < before, (before, after)
assert abs(js[0] - js[10]) < 1e-5 and em[0] > em[10] > em[20] == 0, (
    "apart is apart for one, farther is more for the other"
)
assert all(parameter.abs().max() <= 0.1 + 1e-6 for parameter in clipped_critic.parameters())
assert max(wgan_distances) < 1.5 * before, (wgan_distances, before)
assert made_digits.shape == (16, 1, 32, 32) and made_digits.abs().max() <= 1
assert obeyed > 0.8, obeyed
assert len(resumed) == nb_epochs and resumed == uninterrupted and resumed[-1] < resumed[0]
assert devices == {"cpu"}
