"""Any network may be ψ of a coupling: here one with attention over columns, in a training loop of its own."""

import sys

import torch
from torch import nn

from rheon import Flow, check_flow
from rheon.bijections import ActNorm, Composition, Coupling
from rheon.distributions import StandardNormal
from rheon.elementwise import Affine
from rheon.partitions import Halves

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 300


class Attention(nn.Module):
    """(B, columns) → (B, outputs): each column is a token. The head starts at zero, so ψ = 0 at first."""

    def __init__(self, columns: int, outputs: int, width: int = 16) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.randn(columns, width))
        self.mix = nn.TransformerEncoderLayer(width, 2, 32, dropout=0.0, batch_first=True)
        self.head = nn.Linear(width * columns, outputs)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x_a, context=None):
        return self.head(self.mix(x_a.unsqueeze(2) * self.place + self.place).flatten(1))


torch.manual_seed(0)
layers = []
for part in (Halves(), Halves().swapped()) * 2:
    layers += [ActNorm(6), Coupling(part, Affine(), Attention(3, Affine().num_params * 3))]
flow = Flow(Composition(layers), StandardNormal(6))

# The flow is a torch module whose call is log p: the loss of maximum likelihood is its mean, negative.
x = torch.randn(4000, 6).cumsum(1)
optimiser = torch.optim.Adam(flow.parameters(), 3e-3)
for step in range(steps):
    loss = -flow(x[torch.randint(len(x), (256,))]).mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    if step % max(1, steps // 5) == 0:
        print(f"step {step}: {loss.item():.3f} nats")

entropy = 6 * 0.5 * torch.log(torch.tensor(2 * torch.pi * torch.e))
print(f"the entropy of these rows, which no density can beat: {entropy:.3f} nats")
print(str(check_flow(flow.eval(), seconds=10)).splitlines()[0])
