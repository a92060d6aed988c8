"""Mini-project "noise2noise": what the two networks are worth. A grader runs `python test.py`, without arguments."""

import dlc_noise
from Miniproject_1.model import Model as TorchModel
from Miniproject_2.model import Model as OwnModel

val_input, val_clean = dlc_noise.load_val()
print(f"noisy pictures: {dlc_noise.compute_psnr(val_input, val_clean):.2f} dB")
for name, model in (("Miniproject_1", TorchModel()), ("Miniproject_2", OwnModel())):
    model.load_pretrained_model()
    print(f"{name}: {dlc_noise.compute_psnr(model.predict(val_input), val_clean):.2f} dB")
