"""The stand-in for CIFAR-10: 32 x 32 colour pictures of ten drawn shapes.

Colour, place, size, direction, light, clutter and what hides a part say nothing of the class; only the form does.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

SIZE = 32
CHUNK = 2000
LEVEL = 16  # colours are multiples of it: nothing is lost for a classifier, and the files pack well
CLUTTER = 2  # strokes behind the shape

Field: TypeAlias = NDArray[np.float32]
Report = Callable[[int], None]


def disc(u: Field, v: Field) -> Field:
    return np.hypot(u, v) - 0.85


def ring(u: Field, v: Field) -> Field:
    return np.abs(np.hypot(u, v) - 0.7) - 0.22


def square(u: Field, v: Field) -> Field:
    return np.maximum(np.abs(u), np.abs(v)) - 0.72


def triangle(u: Field, v: Field) -> Field:
    return np.maximum(v, np.abs(u) * 0.866 - v * 0.5) - 0.5


def cross(u: Field, v: Field) -> Field:
    across = np.maximum(np.abs(u) - 0.95, np.abs(v) - 0.28)
    return np.minimum(across, np.maximum(np.abs(u) - 0.28, np.abs(v) - 0.95))


def star(u: Field, v: Field) -> Field:
    return (np.hypot(u, v) - 0.62 - 0.33 * np.cos(5 * np.arctan2(v, u))) * 0.6


def crescent(u: Field, v: Field) -> Field:
    return np.maximum(np.hypot(u, v) - 0.9, 0.75 - np.hypot(u - 0.5, v))


def frame(u: Field, v: Field) -> Field:
    return np.abs(np.maximum(np.abs(u), np.abs(v)) - 0.65) - 0.2


def bars(u: Field, v: Field) -> Field:
    return np.maximum(np.abs(np.abs(v) - 0.55) - 0.24, np.abs(u) - 0.9)


def hourglass(u: Field, v: Field) -> Field:
    return np.maximum(np.abs(u) - np.abs(v) * 0.85, np.abs(v) - 0.85)


SHAPES = (disc, ring, square, triangle, cross, star, crescent, frame, bars, hourglass)
NAMES = tuple(shape.__name__ for shape in SHAPES)
"""The classes, in the order of their numbers."""


def make(count: int, rng: np.random.Generator, report: Report) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return `count` pictures (N x 3 x 32 x 32) and their classes (N); `report(n)` hears of n more pictures."""
    classes = rng.integers(0, len(SHAPES), count)
    pieces = []
    for start in range(0, count, CHUNK):
        piece = classes[start : start + CHUNK]
        pieces.append(draw(piece, rng))
        report(len(piece))
    return np.concatenate(pieces), classes


def draw(classes: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return one picture for each class number."""
    count = len(classes)
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32) - (SIZE - 1) / 2
    shape, ground = choose_colours(count, rng)
    picture = np.broadcast_to(ground[:, :, None, None], (count, 3, SIZE, SIZE)).copy()
    for _ in range(CLUTTER):
        lay(picture, draw_stroke(y, x, count, rng), rng.uniform(0, 1, (count, 3)))
    lay(picture, draw_shapes(classes, y, x, rng), shape)
    hidden = draw_stroke(y, x, count, rng) * (rng.uniform(size=(count, 1, 1)) < 0.5)
    lay(picture, hidden, rng.uniform(0, 1, (count, 3)))
    slope = rng.normal(0, 0.35, (2, count, 1, 1)) / SIZE
    light = rng.uniform(0.75, 1.1, (count, 1, 1)) + slope[0] * y + slope[1] * x
    bright = np.clip(picture * light[:, None], 0, 1) * (255 / LEVEL)
    return (np.round(bright) * LEVEL).clip(0, 255).astype(np.uint8)


def choose_colours(count: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a colour for the shape and one for the ground, never so near that the shape is lost."""
    shape, ground = rng.uniform(0, 1, (count, 3)), rng.uniform(0, 1, (count, 3))
    near = np.abs(shape - ground).max(1) < 0.35
    shape[near] = (shape[near] + 0.5) % 1.0
    return shape, ground


def lay(picture: NDArray[np.float64], mask: NDArray[np.float64], colour: NDArray[np.float64]) -> None:
    """Paint `colour` (N x 3) over the pictures where `mask` (N x 32 x 32) is 1."""
    picture += mask[:, None] * (colour[:, :, None, None] - picture)


def draw_shapes(classes: NDArray[np.int64], y: Field, x: Field, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the masks of the shapes, each of a size, direction and place of its own."""
    count = len(classes)
    radius = rng.uniform(9, 13, count).reshape(-1, 1, 1)
    angle = rng.normal(0, 0.25, count).reshape(-1, 1, 1)
    squeeze = np.exp(rng.normal(0, 0.1, (2, count, 1, 1)))
    room = (SIZE / 2 - radius) * 0.7
    dy, dx = rng.uniform(-1, 1, (2, count, 1, 1)) * room
    cos, sin = np.cos(angle), np.sin(angle)
    u = ((x - dx) * cos + (y - dy) * sin) / radius / squeeze[0]
    v = ((y - dy) * cos - (x - dx) * sin) / radius / squeeze[1]
    masks = np.empty((count, SIZE, SIZE))
    for number, shape in enumerate(SHAPES):
        mine = classes == number
        masks[mine] = np.clip(0.5 - shape(u[mine], v[mine]) * radius[mine], 0, 1)
    return masks


def draw_stroke(y: Field, x: Field, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the masks of straight strokes: short, thin, anywhere."""
    angle = rng.uniform(0, np.pi, count).reshape(-1, 1, 1)
    dy, dx = rng.uniform(-SIZE / 2, SIZE / 2, (2, count, 1, 1))
    length, width = rng.uniform(3, 9, (count, 1, 1)), rng.uniform(0.7, 2.2, (count, 1, 1))
    along = (x - dx) * np.cos(angle) + (y - dy) * np.sin(angle)
    across = (y - dy) * np.cos(angle) - (x - dx) * np.sin(angle)
    return np.clip(0.5 - np.maximum(np.abs(along) - length, np.abs(across) - width), 0, 1)
