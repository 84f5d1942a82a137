"""log p(c, z | g) = log p(c | g) + log p(z | c, g): heads and a flow as one module, trained as one."""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from rheon.architectures import build
from rheon.architectures.masked import masked
from rheon.errors import RheonError
from rheon.flow import Flow
from rheon.tables.categorical import CategoricalHeads
from rheon.tables.encoding import Encoding
from rheon.tables.features import Features


class Member(nn.Module):
    """The density of codes c and numbers z, given features g or nothing.

    The flow is given which numbers are there (where some may not be), the features of c, and g.

    Args:
        heads: p(c | g), or None where nothing has a code.
        flow: p(z | …), or None where nothing has a number.
        encoding: what c and z stand for.
        features: of c.
    """

    def __init__(
        self, heads: CategoricalHeads | None, flow: Flow | None, encoding: Encoding, features: Features
    ) -> None:
        super().__init__()
        self.heads, self.flow = heads, flow
        self._count = len(encoding.levels)
        self._states = encoding.states if any(s is not None for s in encoding.states) else ()
        self._features = features

    def forward(self, z: Tensor, context: Tensor) -> Tensor:
        """log p, (B,), of z (B, D), 0 where there is none, and context (B, C + M): [c, g]."""
        codes, given = context[:, : self._count].long(), context[:, self._count :]
        parts = []
        if self.heads is not None:
            parts.append(self.heads(codes, given if given.shape[1] else None))
        if self.flow is not None:
            parts.append(self.numbers(z, codes, given))
        return parts[0] if len(parts) == 1 else parts[0] + parts[1]

    def numbers(self, z: Tensor, codes: Tensor, given: Tensor) -> Tensor:
        """log p(z | c, g), (B,), of the numbers that are there."""
        assert self.flow is not None
        known = self.known(codes, given)
        log_p = self.flow(z, known)
        if not self._states or known is None:
            return log_p
        absent = z.shape[1] - known[:, : z.shape[1]].sum(1)
        # An absent number stays 0 down to the base, a standard normal: its factor is taken out again.
        return log_p - absent * self.flow.base.log_prob(torch.zeros_like(z[:1])) / z.shape[1]

    @torch.no_grad()
    def back_and_forth(self, z: Tensor, codes: Tensor, given: Tensor) -> Tensor:
        """f⁻¹(f(z)), (B, D)."""
        assert self.flow is not None
        known = self.known(codes, given)
        return self.flow.bijection.inverse(self.flow.bijection(z, known)[0], known)[0]

    @torch.no_grad()
    def sample(
        self, n: int, given: Tensor, temperature: float, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """n draws of c, (n, C) int64, and of z, (n, D): what is absent there has no meaning."""
        codes = torch.empty(n, 0, dtype=torch.long)
        if self.heads is not None:
            codes = self.heads.sample(n, given if given.shape[1] else None, generator, temperature)
        return codes, self.sample_numbers(codes, given, temperature, generator)

    @torch.no_grad()
    def sample_numbers(
        self, codes: Tensor, given: Tensor, temperature: float, generator: torch.Generator
    ) -> Tensor:
        """Draws of z given codes, (n, D)."""
        if self.flow is None:
            return torch.empty(len(codes), 0)
        return self.flow.sample(len(codes), self.known(codes, given), temperature, generator)

    def known(self, codes: Tensor, given: Tensor) -> Tensor | None:
        """What the flow is told, (B, M): which numbers are there, features of c, g; None where nothing is."""
        parts = [*self._features.of_codes(codes), given]
        if self._states:
            columns = [
                torch.ones(len(codes), device=codes.device)
                if state is None
                else (codes[:, state] == 0).float()
                for state in self._states
            ]
            parts.insert(0, torch.stack(columns, 1))
        context = torch.cat(parts, 1)
        return context if context.shape[1] else None


def new_member(
    encoding: Encoding,
    features: Features,
    given: int,
    architecture: str,
    size: Mapping[str, Any],
    heads_size: Mapping[str, Any],
    seed: int,
) -> Member:
    """An untrained member; the sizes are arguments of the flow's architecture, and of the heads."""
    heads = CategoricalHeads(encoding.levels, given, **heads_size, seed=seed) if encoding.levels else None
    flow = None
    if encoding.numbers:
        holes = any(state is not None for state in encoding.states)
        known = features.width + given + holes * len(encoding.numbers)
        arguments = {"features": len(encoding.numbers), **size, "context_features": known, "seed": seed}
        flow = flow_of(architecture, arguments)
    return Member(heads, flow, encoding, features)


def flow_of(name: str, arguments: Mapping[str, Any]) -> Flow:
    """The flow that a recipe of a mixed table builds.

    Raises:
        RheonError: there is no such architecture, or it takes other arguments.
    """
    if name != "masked":
        return build(name, arguments)
    try:
        inspect.signature(masked).bind(**arguments)
    except TypeError as error:
        raise RheonError(f"architecture {name}: {error}.") from None
    return masked(**arguments)


def member_of(
    encoding: Encoding, features: Features, given: int, architecture: dict[str, Any], width: int
) -> Member:
    """The member that a config describes, without its weights."""
    heads = CategoricalHeads(encoding.levels, given, width) if encoding.levels else None
    flow = flow_of(architecture["name"], architecture["arguments"]) if encoding.numbers else None
    if flow is not None and tuple(flow.event_shape) != (len(encoding.numbers),):
        raise RheonError(
            f"the flow takes events {tuple(flow.event_shape)}, the table has {len(encoding.numbers)} numbers."
        )
    return Member(heads, flow, encoding, features)
