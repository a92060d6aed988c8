"""The stand-in for MNIST: the handwriting that scikit-learn brings along, enlarged and varied to 28 x 28.

Source: the 1797 digits of 13 people in `sklearn.datasets.load_digits`, 8 x 8 pixels of 17 levels each: the test part of
E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998.
"""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

SIZE = 28
ENLARGED = 5  # a source pixel becomes so many pixels before it is sampled, so that strokes are smooth
PIXEL = 2.5  # pixels of the result for one of the source: 8 become 20, the box that MNIST's digits fill
TEST_SHARE = 0.25  # of the sources: theirs are the test samples, no other sample comes from them
CHUNK = 2000

# Standard deviations of what varies, chosen so that the practicals' comparisons come out as on MNIST: docs/data.md.
ROTATION = 0.12  # radians
SHEAR = 0.11
STRETCH = 0.07
SHIFT = 0.7  # pixels
ELASTIC = 0.85  # pixels, at the knots of a 5 x 5 grid
KNOTS = 5

Images: TypeAlias = NDArray[np.uint8]
Report = Callable[[int], None]


def make(train: int, test: int, seed: int, report: Report) -> tuple[Images, Images, Images, Images]:
    """Return images (N x 28 x 28) and classes (N) for training, then for the test; `report(n)` hears of n more.

    The same numbers and `seed` give the same bytes. Neighbours come from different sources: the first thousand training
    samples show a thousand different ones.
    """
    sources, classes = read_sources()
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(sources))
    border = round(len(order) * TEST_SHARE)
    parts = []
    for chosen, count in ((order[border:], train), (order[:border], test)):
        rounds = [rng.permutation(chosen) for _ in range(-(-count // len(chosen)))]
        index = np.concatenate(rounds)[:count]
        images = np.concatenate([vary(sources, piece, rng, report) for piece in split(index)])
        parts += [images, classes[index]]
    return parts[0], parts[1], parts[2], parts[3]


def split(index: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """Yield `index` in pieces whose work fits into memory."""
    for start in range(0, len(index), CHUNK):
        yield index[start : start + CHUNK]


def read_sources() -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return the source images, enlarged, with values from 0 to 1, and their classes."""
    from scipy import ndimage
    from sklearn.datasets import load_digits

    digits = load_digits()
    small = np.pad(digits.images.astype(np.float32) / 16, ((0, 0), (2, 2), (2, 2)))
    large = ndimage.zoom(small, (1, ENLARGED, ENLARGED), order=3, grid_mode=True, mode="grid-constant")
    return np.clip(large, 0, 1).astype(np.float32), digits.target.astype(np.uint8)


def vary(sources: NDArray[np.float32], index: NDArray[np.intp], rng: np.random.Generator, report: Report) -> Images:
    """Return one image for each element of `index`, drawn anew from that source."""
    rows, columns = place(sources, index, rng)
    ink = sample(sources, index, rows, columns)
    threshold = rng.uniform(0.35, 0.6, (len(index), 1, 1)).astype(np.float32)  # a thick pen, or a thin one
    softness = rng.uniform(0.2, 0.45, (len(index), 1, 1)).astype(np.float32)
    grey = np.clip((ink - threshold) / softness + 0.5, 0, 1)
    grey *= (ink > 0.05) * rng.uniform(0.8, 1.0, (len(index), 1, 1)).astype(np.float32)
    report(len(index))
    return (np.round(grey * 31) * (255 / 31)).astype(np.uint8)  # 32 levels: nothing is seen of it, and it packs well


def place(
    sources: NDArray[np.float32], index: NDArray[np.intp], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return where in its source each pixel of the results lies: rows and columns, N x 28 x 28 each."""
    count = len(index)
    angle, shear = rng.normal(0, ROTATION, count), rng.normal(0, SHEAR, count)
    stretch = np.exp(rng.normal(0, STRETCH, (2, count)))
    shift = rng.normal(0, SHIFT, (2, count))
    scale = ENLARGED / PIXEL / stretch
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32) - (SIZE - 1) / 2
    knots = rng.normal(0, ELASTIC, (2, count, KNOTS, KNOTS)).astype(np.float32)
    weights = interpolate(KNOTS, SIZE)
    bent = weights @ knots @ weights.T
    y = y + bent[0] - shift[0].reshape(-1, 1, 1)
    x = x + bent[1] - shift[1].reshape(-1, 1, 1)
    cos, sin = np.cos(angle).reshape(-1, 1, 1), np.sin(angle).reshape(-1, 1, 1)
    middle = find_middle(sources[index])
    rows = (cos * y - sin * x) * scale[0].reshape(-1, 1, 1) + middle[0].reshape(-1, 1, 1)
    columns = (sin * y + cos * x + shear.reshape(-1, 1, 1) * y) * scale[1].reshape(-1, 1, 1)
    return rows.astype(np.float32), (columns + middle[1].reshape(-1, 1, 1)).astype(np.float32)


def interpolate(knots: int, size: int) -> NDArray[np.float32]:
    """Return the size x knots matrix that draws straight lines between `knots` values over `size` pixels."""
    at = np.linspace(0, knots - 1, size)
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(knots))).astype(np.float32)


def find_middle(images: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the centre of mass of each image: rows, columns."""
    mass = images.sum((1, 2))
    steps = np.arange(images.shape[1])
    return np.stack([images.sum(2) @ steps / mass, images.sum(1) @ steps / mass])


def sample(
    sources: NDArray[np.float32], index: NDArray[np.intp], rows: NDArray[np.float32], columns: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the sources' values at these places, between pixels in proportion; 0 outside."""
    limit = sources.shape[1] - 1
    rows, columns = np.clip(rows, 0, limit - 1e-3), np.clip(columns, 0, limit - 1e-3)
    top, left = rows.astype(np.intp), columns.astype(np.intp)
    down, right = rows - top, columns - left
    which = index.reshape(-1, 1, 1)
    above = sources[which, top, left] * (1 - right) + sources[which, top, left + 1] * right
    below = sources[which, top + 1, left] * (1 - right) + sources[which, top + 1, left + 1] * right
    return (above * (1 - down) + below * down).astype(np.float32)
