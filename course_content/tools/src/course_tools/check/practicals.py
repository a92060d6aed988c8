"""The practicals that can be checked: their files, and what the student writes in each of them. Nothing heavy here."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Practical:
    """The names of its files, and the names of what is to be written: a file with none of them is as it came."""

    files: tuple[str, ...]
    names: tuple[str, ...]


PRACTICALS = {
    1: Practical(
        ("practical_1.py", "practical-1.ipynb"),
        ("make_grid", "compute_eigenvalues", "measure_products_per_second", "mul_row", "mul_row_fast"),
    ),
    2: Practical(("practical_2.py", "practical-2.ipynb"), ("nearest_classification", "compute_nb_errors", "PCA")),
    3: Practical(
        ("practical_3.py", "practical-3.ipynb"),
        ("sigma", "dsigma", "loss", "dloss", "forward_pass", "backward_pass"),
    ),
    4: Practical(
        ("dlc_practical_4_embryo.py", "practical_4.py", "practical-4.ipynb"),
        ("train_model", "compute_nb_errors", "Net2"),
    ),
    5: Practical(
        ("practical_5.py", "practical-5.ipynb"),
        ("generate_disc_set", "train_model", "compute_nb_errors", "create_shallow_model", "create_deep_model"),
    ),
    6: Practical(("dlc_practical_6_embryo.py", "practical_6.py", "practical-6.ipynb"), ("get_stats",)),
}
