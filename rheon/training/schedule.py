"""The learning rate as a function of progress alone: linear warm-up, then half a cosine down to zero."""

import math


def learning_rate(progress: float, peak: float, warmup: float) -> float:
    """The rate at progress t in [0, 1], for warm-up share w:

        peak * t / w                                      t < w
        peak * (1 + cos(pi (t - w) / (1 - w))) / 2        otherwise

    (Loshchilov and Hutter 2017, without restarts.)

    >>> [round(learning_rate(t, peak=1.0, warmup=0.2), 3) for t in (0.0, 0.1, 0.2, 0.6, 1.0)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if progress < warmup:
        return peak * progress / warmup
    fallen = min((progress - warmup) / (1 - warmup), 1.0)
    return peak * 0.5 * (1 + math.cos(math.pi * fallen))
