"""Checks the two networks of a noise2noise project as a grader would use them, run by `course-submit`.

`main` in the project's folder imports both models, loads what they learned, lets them predict and train, and notes what
it found for course_tools.submit.cli: ok, problem or note, one line each. The second one has to do without autograd.
"""

import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from course_tools.datasets.catalogue import COURSE_FOLDER
from course_tools.datasets.places import home_folder
from course_tools.submit import framework_check
from course_tools.submit.framework_calls import AutogradError, first_line, refuse_autograd
from course_tools.submit.submission import MEGABYTE, format_size

PARTS = ("Miniproject_1", "Miniproject_2")
METHODS = ("load_pretrained_model", "train", "predict")
BEST = "bestmodel.pth"
LARGEST = 20 * MEGABYTE
NB, NB_TRAIN = 50, 50  # pictures
STD = 30.0  # of the noise, where no pictures of the project are found

Found = Iterator[tuple[str, str]]


class WrongError(Exception):
    """One line: what is wrong with a part."""


def find_pictures() -> tuple[Tensor, Tensor]:
    """Return noisy pictures and the clean ones (N x 3 x 32 x 32 of uint8): the project's, else drawn ones."""
    named = os.environ.get("PYTORCH_DATA_DIR")
    course = [*([Path(named)] if named else []), home_folder(), Path(COURSE_FOLDER)]
    for folder in (Path("data"), *(folder / "noise2noise" for folder in course)):
        with suppress(Exception):
            noisy, clean = torch.load(folder / "val_data.pkl")
            return noisy[:NB], clean[:NB]
    import numpy

    from course_tools.datasets import pictures

    drawn, _ = pictures.make(NB, numpy.random.default_rng(1), lambda done: None)
    clean = torch.from_numpy(drawn)
    return add_noise(clean), clean


def add_noise(clean: Tensor) -> Tensor:
    """Return pictures with Gaussian noise of their own."""
    return (clean + STD * torch.randn(clean.shape)).round().clamp(0, 255).to(torch.uint8)


def compute_psnr(output: Tensor, clean: Tensor) -> float:
    """Return the mean peak signal-to-noise ratio in dB of pictures from 0 to 255."""
    error = ((output.float() - clean.float()) / 255).pow(2).flatten(1).mean(1)
    return float((-10 * torch.log10(error + 1e-10)).mean())


def check(folder: Path, part: str, noisy: Tensor, clean: Tensor) -> Found:
    """Check one part; the lines begin with its name."""
    torch.manual_seed(0)
    try:
        yield from ((kind, f"{part}: {text}") for kind, text in check_part(folder, part, noisy, clean))
    except (WrongError, AutogradError) as error:
        yield "problem", f"{part}: {error}"
    except NotImplementedError:
        yield "problem", f"{part}: not done yet"
    except (Exception, SystemExit) as error:
        yield "problem", f"{part}: {type(error).__name__}: {first_line(error)}"
    else:
        yield "ok", part


def check_part(folder: Path, part: str, noisy: Tensor, clean: Tensor) -> Found:
    """Check the interface, the file with what was learned, the pictures that come out, and a short training."""
    if not (folder / part / "model.py").is_file():
        raise WrongError("there is no model.py in it")
    model = make_model(part)
    best = folder / part / BEST
    if not best.is_file():
        raise WrongError(f"there is no {BEST} in it: train the network and write it")
    if best.stat().st_size > LARGEST:
        yield "problem", f"{BEST} has {format_size(best.stat().st_size)}, more than {format_size(LARGEST)}"
    model.load_pretrained_model()
    if part == PARTS[1] and any(isinstance(thing, torch.nn.Module) for thing in list_things(model)):
        raise WrongError("its model contains a module of torch.nn, which this part is about to do without")
    before = compute_psnr(noisy, clean)
    after = compute_psnr(predict(model, noisy), clean)
    yield "note", f"PSNR {after:.2f} dB of {len(noisy)} pictures; as they are, {before:.2f} dB"
    if not after > before:
        yield "problem", f"what it predicts is no better than the noisy pictures: {after:.2f} against {before:.2f} dB"
    fresh = make_model(part)
    untrained = predict(fresh, noisy)
    fresh.train(add_noise(clean[:NB_TRAIN]), add_noise(clean[:NB_TRAIN]), num_epochs=1)
    if torch.equal(predict(fresh, noisy), untrained):
        yield "note", "one epoch of train() on 50 pairs changes nothing that predict() shows"


def check_modules(names: Sequence[str]) -> Found:
    """Check the derivatives of the classes in the files `names`, which have the names that the students gave them."""
    torch.set_grad_enabled(False)
    classes, found = framework_check.load_classes(Path(), names)
    for kind, text in [*found, *framework_check.check(classes)]:
        if kind != "ok" and framework_check.SUGGESTS not in text:
            yield kind, f"{PARTS[1]}: {text}"


def make_model(part: str) -> Any:
    """Return the model of a part; raise WrongError where its class or a method is missing."""
    module = importlib.import_module(f"{part}.model")
    if not isinstance(kind := getattr(module, "Model", None), type):
        raise WrongError("model.py has no class Model")
    lacking = [name for name in METHODS if not callable(getattr(kind, name, None))]
    if lacking:
        raise WrongError(f"Model has no {', '.join(lacking)}")
    return kind()


def predict(model: Any, noisy: Tensor) -> Tensor:
    """Return the pictures that a model gives; raise WrongError where they are none from 0 to 255."""
    output = model.predict(noisy.clone())
    if not isinstance(output, Tensor):
        raise WrongError(f"predict returns a {type(output).__name__} instead of a tensor")
    if output.shape != noisy.shape:
        raise WrongError(f"predict returns size {[*output.shape]} for pictures of size {[*noisy.shape]}")
    output = output.detach().cpu().float()
    if not output.isfinite().all():
        raise WrongError("predict returns numbers that are not finite")
    if output.max() <= 2 < noisy.float().mean():
        raise WrongError(f"predict returns numbers up to {output.max():.2f}: pictures go from 0 to 255")
    if output.min() < -1 or output.max() > 256:
        raise WrongError(f"predict returns numbers from {output.min():.0f} to {output.max():.0f}, not 0 to 255")
    return output


def list_things(thing: Any, depth: int = 5) -> Iterator[Any]:
    """Yield what can be reached from `thing` by attributes, lists and dictionaries."""
    yield thing
    if depth and not isinstance(thing, Tensor | torch.nn.Module | type):
        if isinstance(thing, dict):
            members = list(thing.values())
        elif isinstance(thing, list | tuple | set):
            members = list(thing)
        else:
            members = list(getattr(thing, "__dict__", {}).values())
        for member in members:
            yield from list_things(member, depth - 1)


def main() -> None:
    """Check both parts in the current folder, and note the findings where course-submit reads them."""
    torch.set_num_threads(1)
    sys.path.insert(0, "")  # before the package's own folder
    torch.manual_seed(0)
    noisy, clean = find_pictures()
    found = list(check(Path(), PARTS[0], noisy, clean))
    refuse_autograd()
    found += check(Path(), PARTS[1], noisy, clean)
    found += check_modules([name for name in sys.argv[2:] if name.startswith(f"{PARTS[1]}/")])
    file = os.environ.get("COURSE_SUBMIT_RECORD")
    with open(file, "a") if file else sys.stdout as out:  # noqa: PTH123
        for kind, text in [*found, ("ok", "end")]:
            print(f"{kind}\t{text.encode('unicode_escape').decode()}", file=out)
    sys.stdout.flush()
    os._exit(0)  # threads that a module started would keep the process


if __name__ == "__main__":
    main()
