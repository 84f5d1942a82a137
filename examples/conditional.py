"""p(y given x): the density of some columns given others, scored, drawn and compared with the truth."""

import sys

import numpy as np
import pyarrow as pa

import rheon

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 400

# The spread of y grows with x, and its direction depends on a group.
draws = np.random.default_rng(0)
group, x = draws.choice(["a", "b"], 2000), draws.uniform(0, 2, 2000)
y = np.where(group == "a", 1.0, -1.0) * x + (0.1 + 0.3 * x) * draws.normal(size=2000)
table = pa.table({"group": group, "x": x, "y": y})

model = rheon.TableDensity(given=["group", "x"]).fit(table.slice(0, 1600), steps=steps)
test = table.slice(1600)
truth = -0.5 * np.log(2 * np.pi * np.e) - np.log(0.1 + 0.3 * x[1600:])
print(f"{model.log_prob(test).mean():.2f} nats a row; the truth has {truth.mean():.2f} on average")

ask = pa.table({"group": ["a", "b"] * 500, "x": np.full(1000, 1.5)})
drawn = model.sample_table(1000, given=ask, seed=0)["y"].to_numpy()
print(f"given x = 1.5: y of a {drawn[::2].mean():.2f} ± {drawn[::2].std():.2f}, truth 1.50 ± 0.55")
print(f"               y of b {drawn[1::2].mean():.2f} ± {drawn[1::2].std():.2f}, truth -1.50 ± 0.55")
