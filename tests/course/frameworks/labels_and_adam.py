"""float32 throughout, cross-entropy of class numbers, Adam, dropout, and a param() that is None for an activation."""

import torch


class Linear:
    def __init__(self, dim_in, dim_out):
        self.weight = torch.FloatTensor(dim_out, dim_in).normal_(0, 0.3)
        self.bias = torch.FloatTensor(dim_out).fill_(0)
        self.gradweight = torch.FloatTensor(dim_out, dim_in).fill_(0)
        self.gradbias = torch.FloatTensor(dim_out).fill_(0)

    def forward(self, input):
        self.input = input.float()
        return self.input.matmul(self.weight.t()) + self.bias

    def backward(self, gradwrtoutput):
        self.gradweight += gradwrtoutput.t().matmul(self.input)
        self.gradbias += gradwrtoutput.sum(0)
        return gradwrtoutput.matmul(self.weight)

    def param(self):
        return [(self.weight, self.gradweight), (self.bias, self.gradbias)]


class ReLU:
    def forward(self, input):
        self.input = input
        return torch.max(input, torch.zeros(input.size(), dtype=input.dtype))

    def backward(self, gradwrtoutput):
        return gradwrtoutput.mul((self.input > 0).type(gradwrtoutput.dtype))

    def param(self):
        return None


class Dropout:
    def __init__(self, p=0.1):
        self.p = p

    def forward(self, input):
        self.mask = (torch.rand(input.shape) > self.p).to(input.dtype) / (1 - self.p)
        return input * self.mask

    def backward(self, gradwrtoutput):
        return gradwrtoutput * self.mask

    def param(self):
        return None


class CrossEntropyLoss:
    def forward(self, input, target):
        self.prob, self.target = input.softmax(1), target.long()
        return -self.prob[range(len(target)), self.target].log().mean()

    def backward(self):
        grad = self.prob.clone()
        grad[range(len(grad)), self.target] -= 1
        return grad / len(grad)


class Adam:
    def __init__(self, params, lr=1e-2):
        self.params, self.lr, self.t = params, lr, 0
        self.m = [torch.zeros_like(p) for p, _ in params]
        self.v = [torch.zeros_like(p) for p, _ in params]

    def zero_grad(self):
        for _, grad in self.params:
            grad.zero_()

    def step(self):
        self.t += 1
        for (p, grad), m, v in zip(self.params, self.m, self.v, strict=True):
            m.mul_(0.9).add_(0.1 * grad)
            v.mul_(0.999).add_(0.001 * grad * grad)
            p -= self.lr * (m / (1 - 0.9**self.t)) / ((v / (1 - 0.999**self.t)).sqrt() + 1e-8)


def train(x, target):
    layers, loss, losses = [Linear(2, 25), ReLU(), Dropout(), Linear(25, 2)], CrossEntropyLoss(), []
    optimizer = Adam([pair for layer in layers for pair in layer.param() or []])
    for _ in range(40):
        h = x
        for layer in layers:
            h = layer.forward(h)
        losses.append(loss.forward(h, target.argmax(1)).item())
        optimizer.zero_grad()
        grad = loss.backward()
        for layer in reversed(layers):
            grad = layer.backward(grad)
        optimizer.step()
    return losses
