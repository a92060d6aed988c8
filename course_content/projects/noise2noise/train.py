"""Train both networks and write what they learned: `python train.py`, before you hand in.

It writes Miniproject_1/bestmodel.pth and Miniproject_2/bestmodel.pth, which `load_pretrained_model` reads.
"""

import dlc_noise
import torch
from Miniproject_1.model import Model as TorchModel
from Miniproject_2.model import Model as OwnModel

torch.manual_seed(0)

noisy_1, noisy_2 = dlc_noise.load_train()
val_input, val_clean = dlc_noise.load_val()
for name, model in (("Miniproject_1", TorchModel()), ("Miniproject_2", OwnModel())):
    model.train(noisy_1, noisy_2, 3)
    model.save()
    print(f"{name}: {dlc_noise.compute_psnr(model.predict(val_input), val_clean):.2f} dB, bestmodel.pth is written")
