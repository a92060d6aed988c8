"""Mini-project "pairs": compare the networks of models.py. A grader runs `python test.py`, without arguments."""

import dlc_practical_prologue as prologue
import torch
from models import MODELS
from training import run_round

torch.set_num_threads(1)  # networks this small only lose time when several threads share them

nb_pairs, nb_epochs = (200, 3) if prologue.args.tiny else (1000, 25)  # COURSE_TINY=1 python test.py: a quick try

for name, make_model in MODELS.items():
    sets = prologue.generate_pair_sets(nb_pairs)
    train_error, test_error = run_round(make_model(), sets, nb_epochs)
    print(f"{name}: train error {train_error:.1%}, test error {test_error:.1%}")

# To do: 10 rounds or more for each network, each with new data and a new network, and print for each network its
# number of parameters and the mean and the standard deviation of its test error.
