"""Mini-project "noise2noise": reference solution. A network by torch.nn, and one by a framework without autograd.

python test.py [--tiny] [--save] [--device cuda] [--seed N] [--json FILE]

It trains both networks and prints their PSNR; with --save it also writes their bestmodel.pth.
"""

import os
import sys
import time
from pathlib import Path

import dlc_practical_prologue as prologue
import torch
from course_tools import report
from Miniproject_1.model import Model as TorchModel
from Miniproject_2.model import Model as OwnModel

sys.path.append(str(Path(__file__).resolve().parent.parent))  # dlc_noise.py is beside the starter

NB_EPOCHS, NB_EPOCHS_TINY = 8, 4


def main() -> None:
    options = report.parse(__doc__)
    if options.tiny:
        os.environ["COURSE_TINY"] = "1"
    import dlc_noise

    noisy_1, noisy_2 = dlc_noise.load_train()
    val_input, val_clean = dlc_noise.load_val()
    psnr = {"noisy": dlc_noise.compute_psnr(val_input, val_clean)}
    print(f"noisy pictures: {psnr['noisy']:.2f} dB", flush=True)
    seconds = {}
    for name, make_model in (("Miniproject_1", TorchModel), ("Miniproject_2", OwnModel)):
        torch.manual_seed(options.seed)
        model = make_model(options.device)
        start = time.perf_counter()
        model.train(noisy_1, noisy_2, NB_EPOCHS_TINY if options.tiny else NB_EPOCHS)
        seconds[name] = time.perf_counter() - start
        if "--save" in sys.argv:
            model.save()
        psnr[name] = dlc_noise.compute_psnr(model.predict(val_input), val_clean)
        print(f"{name}: {psnr[name]:.2f} dB after {seconds[name]:.0f} s", flush=True)
    report.write(
        options,
        project="noise2noise",
        data=prologue.get_data_source("cifar10"),
        nb_pairs=len(noisy_1),
        psnr=psnr,
        seconds_per_training=seconds,
    )


if __name__ == "__main__":
    main()
