"""The default of images and Glow beside normflows' multi-scale Glow on 3×32×32 images, random data.

normflows' Glow has three levels of eight steps, as its own example and ``rheon.architectures.glow`` do. At a
width of 40 it has as many parameters as ``image_flow`` by default, at 64 about as many as our Glow. Batches
of 16, the default of ``image_flow``, train, score and sample.
"""

from collections.abc import Callable

import torch

from benchmarks.common import built, table, take_turns, torch_contender

SHAPE, LEVELS, STEPS, BATCH = (3, 32, 32), 3, 8, 16


def run(rounds: int) -> str:
    """Measures all contenders and returns the table."""
    torch.manual_seed(0)
    levels = 256 * torch.rand(BATCH, *SHAPE)
    y = torch.logit(0.01 + 0.98 * levels / 256)

    def measured(title: str, make: Callable[[], tuple], x: torch.Tensor, width: int) -> str:
        makers = {
            "rheon": lambda: torch_contender("rheon", *make(), x, x, fused=True),
            "normflows": lambda: torch_contender("normflows", *_normflows(width), y, y),
        }
        contenders = list(built(makers))
        return table(title, contenders, take_turns(contenders, rounds))

    return "\n\n".join(
        (
            measured(
                f"Images: the default beside Glow, 3×32×32, batches of {BATCH}", _image_flow, levels, 40
            ),
            measured(f"Images: Glow, 3×32×32, batches of {BATCH}", _glow, y, 64),
        )
    )


def _image_flow() -> tuple:
    from rheon.architectures import image_flow

    flow = image_flow(SHAPE)
    return flow, flow.log_prob, flow.sample


def _glow() -> tuple:
    from rheon.architectures import glow

    flow = glow(SHAPE, LEVELS, STEPS)
    return flow, flow.log_prob, flow.sample


def _normflows(width: int) -> tuple:
    import normflows as nf

    channels, side, _ = SHAPE
    bases, flows = [], []
    for i in range(LEVELS):  # the coarsest first
        at, size = channels * 2 ** (LEVELS + 1 - i), side // 2 ** (LEVELS - i)
        steps = [nf.flows.GlowBlock(at, width, split_mode="channel", scale=True) for _ in range(STEPS)]
        flows.append([*steps, nf.flows.Squeeze()])
        bases.append(nf.distributions.DiagGaussian((at if i == 0 else at // 2, size, size)))
    merges = [nf.flows.Merge() for _ in range(LEVELS - 1)]
    flow = nf.MultiscaleFlow(bases, flows, merges, class_cond=False)
    return flow, lambda x: flow.log_prob(x, None), lambda n: flow.sample(n)[0]
