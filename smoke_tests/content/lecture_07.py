"""What lecture 7 must show; run as the last cell of its notebook, in its kernel."""

# Numbers that depend on nothing but the definitions.
assert cell_length == 30 and target.shape == (1, 7, 7, 30)
assert target.sum(dim=3)[target[..., 4] == 0].abs().max() == 0 and int((target[..., 4] == 1).sum()) == 3
assert sum(terms_of_perfect.values()) < 1e-6, terms_of_perfect
assert abs(terms_of_half["class"] - 3 * 20 * 0.25) < 1e-4, terms_of_half  # 3 objects, 20 scores that are wrong by 1/2
assert abs(terms_of_half["no object"] - 0.5 * 0.25 * (2 * 49 - 3)) < 1e-4, terms_of_half
assert score_map.shape == (1, 20, 9, 9) and largest_difference < (1e-3 if device.type == "cpu" else 5e-2)  # TF32
assert abs(batch.mean()) < 0.1 and abs(batch.std() - 1) < 0.1 and batch.shape == (100, 1, 28, 28)
if prologue.get_data_source("mnist") == "real":
    # those of the whole training set; the course published 0.1302 and 0.3069
    assert abs(digits_mean - 0.1307) < 4e-3 and abs(digits_std - 0.3081) < 5e-3, (digits_mean, digits_std)

# Receptive fields: the classifier sees windows of 7 + 2 + 8 + 4 + 8 pixels, at every eighth pixel.
assert (width, field, step) == (2, 21, 8)
last = dense_classifier[6]
assert field + (last.kernel_size[0] - 1) * step == 29 <= 32

# Layers taken over: nothing moves while frozen.
assert first_layer_moved["frozen"] == 0 and first_layer_moved["free"] > 1e-3, first_layer_moved

# What was trained has learned.
assert classifier_error < prologue.pick(0.15, 0.8), classifier_error
assert yolo_loss_after < 0.7 * yolo_loss_before, (yolo_loss_before, yolo_loss_after)
if not prologue.args.tiny:
    assert recall > 0.6 and precision > 0.6, (recall, precision)
    assert mean_iou["FCN"] > 0.5, mean_iou
    assert digits_error < 0.2, digits_error
    assert monster_losses["free"] < monster_losses["frozen"], monster_losses
assert mean_iou["background everywhere"] < 0.05

# Section 2: its second answer is the right one in most of the errors, and its first has the right color; three draws.
for seed in range(3):
    torch.manual_seed(seed)
    x, y, _, _ = draw_scenes(1000, size=32, nb_objects=1, grid=1)
    wrong, second, color = find_errors(x.to(device), y[:, 0].to(device))
    assert len(wrong) >= 10 and second > prologue.pick(0.5, 0.25) and color > prologue.pick(0.8, 0.5), (second, color)

# Section 8: the file has the tensors of the network, nothing moves in frozen layers, and the weights are worth samples.
assert sorted(state) == sorted(pretrained.state_dict()) and sum(t.numel() for t in state.values()) == 65154
assert sum(p.numel() for p in make_digit_net(4)[7].parameters()) == 404
assert not path.exists()
if not prologue.args.tiny:
    better = [new < old for new, old in zip(errors_of_few["fine-tuned"], errors_of_few["from scratch"], strict=True)]
    assert sum(better) >= 4 and sum(errors_of_few["fine-tuned"]) < sum(errors_of_few["from scratch"]), errors_of_few
