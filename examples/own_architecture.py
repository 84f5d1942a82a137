"""A flow of your own from parts: put it through the battery, then let TableDensity train it on rows."""

import sys

import numpy as np

import rheon
from rheon import Flow
from rheon.bijections import ActNorm, Composition, Coupling
from rheon.conditioners import MLP
from rheon.distributions import StandardNormal
from rheon.elementwise import RationalQuadraticSpline
from rheon.partitions import Alternating

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 500


def mine(columns: int) -> Flow:
    """Four spline couplings over every other column, an ActNorm before each."""
    layers = []
    for part in (Alternating(), Alternating().swapped()) * 2:
        (kept,), (changed,) = part.shapes((columns,))
        spline = RationalQuadraticSpline(bins=8)
        layers += [ActNorm(columns), Coupling(part, spline, MLP(kept, spline.num_params * changed))]
    return Flow(Composition(layers), StandardNormal(columns))


# A wrong sign in a log-determinant would pass most tests; this battery sees it.
print(str(rheon.check_flow(mine(3), seconds=10)).splitlines()[0])

draws = np.random.default_rng(0)
a = draws.normal(size=2000)
rows = np.stack([np.exp(a), a + 0.1 * draws.normal(size=2000), draws.random(2000)], 1)

# Reading, preprocessing and its Jacobian, training, scoring and samples come with the density.
model = rheon.TableDensity(mine).fit(rows, steps=steps)
print(f"{model.log_prob(rows).mean():.2f} nats a row; two new rows:")
print(model.sample(2, seed=0).round(2))
