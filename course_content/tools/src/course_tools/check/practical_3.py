"""Checks of practical 3: a perceptron with one hidden layer, its gradients by hand."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from course_tools.check.checking import Student, check, describe

NAMES = ("dl_dw1", "dl_db1", "dl_dw2", "dl_db2")
FORWARD = ("x0", "s1", "x1", "s2", "x2")
UNCHANGED = "unchanged: add to the tensor that is given, in place"
OVERWRITTEN = "overwritten: add to what is there, the gradients of all samples are summed"


def derive(x: Tensor) -> Tensor:
    """Return the derivative of tanh."""
    return 1 - x.tanh().square()


RIGHT: dict[str, Callable[..., Any]] = {
    "sigma": torch.tanh,
    "dsigma": derive,
    "loss": lambda v, t: (v - t).square().sum(),
    "dloss": lambda v, t: 2 * (v - t),
}


@check("sigma")
def non_linearity(student: Student) -> Iterator[str]:
    yield from compare_function(student, "sigma", torch.tanh, "tanh")


@check("dsigma")
def derivative(student: Student) -> Iterator[str]:
    yield from compare_function(student, "dsigma", derive, "the slope of tanh")


def compare_function(student: Student, name: str, right: Callable[[Tensor], Tensor], title: str) -> Iterator[str]:
    """Yield what is wrong with a function that is applied to each element."""
    torch.set_default_dtype(torch.float64)
    x = torch.tensor([0.5, -1.5, 0.0, 2.0, -0.1, 3.0])
    for argument in (x, x.view(2, 3)):
        with student.intact(name, x=argument), student.repaired(**RIGHT):
            value = student.tensor(name, student.call(name, argument), tuple(argument.shape))
        expected = right(argument)
        wrong = ((value - expected).abs() > 1e-5).flatten() | value.isnan().flatten()
        if wrong.any():
            index = wrong.nonzero()[0].item()
            number, where = value.flatten()[index].item(), x[index].item()
            yield f"{name}: gives {number:.4f} at x = {where:g}, but {title} is {expected.flatten()[index]:.4f} there"
            return
    x = torch.tensor([-1000.0, -100.0, 100.0, 1000.0], dtype=torch.float32)
    with student.repaired(**RIGHT):
        value = student.tensor(name, student.call(name, x), (4,))
    if not torch.allclose(value.to(x), right(x), atol=1e-5):
        found = f"{value[2].item():g} at x = 100, {value[3].item():g} at x = 1000"
        yield f"{name}: gives {found}: a power of e is too large there"


@check("loss")
def squared_norm(student: Student) -> Iterator[str]:
    v, t = torch.tensor([1.0, 2.0, -1.0, 0.5]), torch.tensor([0.0, 4.0, -1.0, 1.5])
    with student.intact("loss", v=v, t=t):
        value = student.call("loss", v, t)
    if isinstance(value, torch.Tensor) and value.numel() == v.numel():
        yield "loss: gives a number for each element, expected one: their sum"
        return
    if not isinstance(value, int | float) and not (isinstance(value, torch.Tensor) and value.numel() == 1):
        yield f"loss: gives {describe(value)}, expected one number"
        return
    hints = {1.5: ", the mean: the sum is asked", 2.449: ", the norm: its square is asked", 3: ", half of it"}
    if abs(float(value) - 6) > 1e-4:
        hint = next((text for number, text in hints.items() if abs(float(value) - number) < 1e-3), "")
        yield f"loss: the squares of the differences 1, -2, 0, -1 add up to 6, not to {float(value):.4g}{hint}"


@check("dloss")
def loss_gradient(student: Student) -> Iterator[str]:
    torch.set_default_dtype(torch.float64)
    v, t = torch.tensor([1.0, 2.0, -1.0, 0.5, 0.2]), torch.tensor([0.0, 4.0, -1.0, 1.5, 0.7])
    with student.intact("dloss", v=v, t=t):
        value = student.tensor("dloss", student.call("dloss", v, t), (5,))
    if what := diagnose(value, 2 * (v - t)):
        yield f"dloss: the gradient {what}"


def diagnose(value: Tensor, right: Tensor) -> str:
    """Return what is wrong with a gradient; "" when nothing is."""
    if torch.allclose(value, right, rtol=1e-5, atol=1e-8):
        return ""
    if torch.allclose(value, -right, rtol=1e-5, atol=1e-8):
        return "has the wrong sign"
    largest = right.abs().argmax()
    ratio = (value.flatten()[largest] / right.flatten()[largest]).item()
    if ratio != 0 and torch.allclose(value, ratio * right, rtol=1e-5, atol=1e-8):
        return f"is {ratio:.4g} times what it should be"
    if right.dim() == 2 and right.size(0) == right.size(1) and torch.allclose(value, right.t(), rtol=1e-5, atol=1e-8):
        return "is transposed"
    return "is wrong"


def make_network(nb_inputs: int, nb_hidden: int, nb_outputs: int) -> tuple[list[Tensor], Tensor, Tensor]:
    """Return w1, b1, w2, b2 of a small network, an input and a target, none of which looks like another."""
    parameters = [
        torch.randn(nb_hidden, nb_inputs) / 2,
        torch.randn(nb_hidden),
        torch.randn(nb_outputs, nb_hidden) / 2,
        torch.randn(nb_outputs) / 2,
    ]
    return parameters, torch.randn(nb_inputs), torch.randn(nb_outputs) / 2


def run_forward(parameters: Sequence[Tensor], x: Tensor) -> tuple[Tensor, ...]:
    """Return x0, s1, x1, s2, x2."""
    w1, b1, w2, b2 = parameters
    s1 = w1 @ x + b1
    s2 = w2 @ s1.tanh() + b2
    return x, s1, s1.tanh(), s2, s2.tanh()


@check("forward_pass")
def forward(student: Student) -> Iterator[str]:
    torch.set_default_dtype(torch.float64)
    parameters, x, _ = make_network(5, 4, 3)
    w1, b1, w2, b2 = parameters
    with student.intact("forward_pass", w1=w1, b1=b1, w2=w2, b2=b2, x=x), student.repaired(**RIGHT):
        result = student.call("forward_pass", *parameters, x)
    if not isinstance(result, tuple | list) or len(result) != 5:
        yield f"forward_pass: gives {describe(result)}, expected five tensors: x0, s1, x1, s2, x2"
        return
    right = run_forward(parameters, x)
    if is_permuted(result, right):
        yield f"forward_pass: the five tensors are not in the order {', '.join(FORWARD)}"
        return
    values = [
        student.tensor(f"forward_pass: {name}", value, tuple(expected.shape))
        for name, value, expected in zip(FORWARD, result, right, strict=True)
    ]
    x0, s1, x1, s2, x2 = values
    # Each from what the student has before it: so a mistake is told where it is made, not again behind it.
    steps: list[tuple[str, Tensor, Tensor, dict[str, Tensor]]] = [
        ("x0", x0, x, {}),
        ("s1", s1, w1 @ x + b1, {"b1 is missing": w1 @ x}),
        ("x1", x1, s1.tanh(), {"sigma is missing": s1}),
        ("s2", s2, w2 @ x1 + b2, {"b2 is missing": w2 @ x1, "it is made from s1, not from x1": w2 @ s1 + b2}),
        ("x2", x2, s2.tanh(), {"sigma is missing": s2}),
    ]
    for name, value, expected, mistakes in steps:
        if not torch.allclose(value, expected, atol=1e-6):
            hints = [text for text, wrong in mistakes.items() if torch.allclose(value, wrong, atol=1e-6)]
            yield f"forward_pass: {name} is wrong" + (f": {hints[0]}" if hints else "")


def is_permuted(result: Sequence[Any], right: Sequence[Tensor]) -> bool:
    """Return whether the results are the right tensors in another order."""

    def find(value: Any) -> int | None:
        for index, tensor in enumerate(right):
            if isinstance(value, Tensor) and value.shape == tensor.shape and torch.allclose(value.to(tensor), tensor):
                return index
        return None

    found = [find(value) for value in result]
    return None not in found and len(set(found)) == len(right) and found != list(range(len(right)))


@check("backward_pass")
def backward(student: Student) -> Iterator[str]:
    torch.set_default_dtype(torch.float64)
    # All layers of one size first: there a transposed matrix is a wrong number, and not yet an error of torch.
    for sizes in ((4, 4, 4), (5, 4, 3)):
        parameters, x, t = make_network(*sizes)
        lines = list(compare_gradients(student, parameters, x, t))
        yield from lines
        if lines:
            return


def compare_gradients(student: Student, parameters: list[Tensor], x: Tensor, t: Tensor) -> Iterator[str]:
    """Yield what is wrong with what the student's backward pass adds to the four gradients."""
    given = [*parameters, t, *run_forward(parameters, x)]
    names = ("w1", "b1", "w2", "b2", "t", "x", "s1", "x1", "s2", "x2")
    before = [torch.randn_like(parameter) for parameter in parameters]
    gradients = [tensor.clone() for tensor in before]
    with student.intact("backward_pass", **dict(zip(names, given, strict=True))), student.repaired(**RIGHT):
        student.run("backward_pass", *given, *gradients)
    right = compute_gradients(parameters, x, t)
    added = [after - start for after, start in zip(gradients, before, strict=True)]
    if all(torch.allclose(*pair) for pair in zip(added, right, strict=True)):
        return
    for text, wrong in list_mistakes(parameters, t, run_forward(parameters, x)):
        if all(torch.allclose(*pair) for pair in zip(added, wrong, strict=True)):
            yield f"backward_pass: {text}"
            return
    found: dict[str, list[str]] = {}
    for name, after, start, gradient in zip(NAMES, gradients, before, right, strict=True):
        if torch.equal(after, start):
            what = UNCHANGED
        elif torch.allclose(after, gradient):
            what = OVERWRITTEN
        else:
            what = diagnose(after - start, gradient)
        if what:
            found.setdefault(what, []).append(name)
    for what, wrong_ones in found.items():
        yield f"backward_pass: {', '.join(wrong_ones)}: {what}"


def compute_gradients(parameters: list[Tensor], x: Tensor, t: Tensor) -> tuple[Tensor, ...]:
    """Return the gradient of the loss with respect to w1, b1, w2, b2, by autograd."""
    leaves = [parameter.clone().requires_grad_() for parameter in parameters]
    return tuple(torch.autograd.grad((run_forward(leaves, x)[-1] - t).square().sum(), leaves))


def list_mistakes(
    parameters: list[Tensor], t: Tensor, passed: tuple[Tensor, ...]
) -> Iterator[tuple[str, tuple[Tensor, ...]]]:
    """Yield mistakes that others made before, and the four gradients that each gives."""
    x0, s1, x1, s2, x2 = passed
    w2 = parameters[2]
    dl_dx2 = 2 * (x2 - t)

    def propagate(at2: Tensor, at1: Tensor, back: Tensor, dl_ds2: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return the gradients with these derivatives of sigma, `back` as the matrix back, and its other factor."""
        second = at2 * dl_dx2
        first = at1 * (back @ (second if dl_ds2 is None else dl_ds2))
        return first.outer(x0), first, second.outer(x1), second

    one = torch.ones(())
    yield "the derivative of sigma at s2 is missing", propagate(one, derive(s1), w2.t())
    yield "the derivative of sigma at s1 is missing", propagate(derive(s2), one, w2.t())
    yield "the derivatives of sigma are missing", propagate(one, one, w2.t())
    yield "the derivative of sigma is taken at x2, not at s2", propagate(derive(x2), derive(s1), w2.t())
    yield "the derivative of sigma is taken at x1, not at s1", propagate(derive(s2), derive(x1), w2.t())
    yield "the derivative of sigma is taken at x1 and x2, not at s1 and s2", propagate(derive(x2), derive(x1), w2.t())
    yield "sigma stands where its derivative should", propagate(s2.tanh(), s1.tanh(), w2.t())
    yield "the first layer gets dl_dx2 where it needs dl_ds2", propagate(derive(s2), derive(s1), w2.t(), dl_dx2)
    if w2.size(0) == w2.size(1):
        yield "w2 is not transposed on the way back to the first layer", propagate(derive(s2), derive(s1), w2)


@check("backward_pass")
def accumulation(student: Student) -> Iterator[str]:
    if "backward_pass" in student.faulty:
        return
    parameters, _, _ = make_network(6, 5, 3)
    gradients = [torch.zeros_like(parameter) for parameter in parameters]
    total = [torch.zeros_like(parameter) for parameter in parameters]
    for _ in range(3):
        x, t = torch.randn(6), torch.randn(3)
        with student.repaired(**RIGHT):
            student.run("backward_pass", *parameters, t, *run_forward(parameters, x), *gradients)
        for tensor, gradient in zip(total, compute_gradients(parameters, x, t), strict=True):
            tensor += gradient
    if not all(torch.allclose(*pair, atol=1e-4) for pair in zip(gradients, total, strict=True)):
        yield ("backward_pass: after three samples the gradients are not the sums of the three")
