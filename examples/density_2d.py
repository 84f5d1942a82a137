"""Two moons: learn a density in the plane, see how near it comes to the true one, and draw both."""

import sys

import rheon
from rheon import plots

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 1500

moons = rheon.datasets.TOYS["moons"]
model = rheon.fit(moons.sample(10_000, seed=0), steps=steps)

# The mean of log p over fresh rows can reach that of the true density, and pass it by chance alone.
fresh = moons.sample(5_000, seed=1)
print(f"model {model.log_prob(fresh).mean():.3f}, truth {moons.log_density(fresh).mean():.3f} nats a row")

picture = plots.density_picture(
    model.log_prob,
    moons.window,
    samples=model.sample(2000, seed=0),
    data=fresh,
    true_log_prob=moons.log_density,
)
picture.savefig("moons.png")

model.save("moons.rheon", overwrite=True)
again = rheon.load("moons.rheon")
print("the same bits after loading:", bool((again.log_prob(fresh) == model.log_prob(fresh)).all()))
