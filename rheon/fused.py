"""f_n ∘ … ∘ f_1 of small layers, as one node of autograd's graph with its derivative written out.

With networks of a few thousand weights, a training step spends most of its time between the products: on
nodes of the graph, on tensors of a hundred numbers, on rows of four. :class:`Fused` computes the same with
one node for the whole stack and the batch innermost in memory, (D, B). With ȳ and ℓ̄ the derivatives of the
loss by y and by log|det|, one layer takes them back as

    norm       y = e^s x + b            x̄ = e^s ȳ        s̄ = Σ_batch (x x̄ + ℓ̄)        b̄ = Σ_batch ȳ
    coupling   y_B = e^s x_B + t        x̄_B = e^s ȳ_B    s̄ = x_B x̄_B + ℓ̄             t̄ = ȳ_B
               s = b tanh r             r̄ = b (1 - tanh² r) s̄
               (t, r) = ψ_θ(x_A)        x̄_A = ȳ_A + (∂ψ/∂x_A)ᵀ (t̄, r̄)                 θ̄ = (∂ψ/∂θ)ᵀ (t̄, r̄)

Measured in ``benchmarks/``: 8 couplings with two hidden layers of 64 and 256 rows take 0.6 of the time that
the same layers take one by one.
"""

import math
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from rheon.bijections.actnorm import ActNorm
from rheon.bijections.base import Bijection
from rheon.bijections.composition import Composition
from rheon.bijections.coupling import Coupling
from rheon.conditioners.mlp import MLP, NARROW
from rheon.elementwise.affine import Affine
from rheon.partitions import Halves, Swapped

_MOST = 1 << 23
"""Multiplications of one layer from which the products take the time, and the plain layers do them faster."""

_tanh_backward = torch.ops.aten.tanh_backward.default
_relu_backward = torch.ops.aten.threshold_backward.default

Halved = Sequence[Tensor]
"""The two halves of x, (⌊D/2⌋, B) and (⌈D/2⌉, B)."""


class _NormStep:
    names = ("log_scale", "bias")

    def __init__(self, layer: ActNorm) -> None:
        self.layer = layer
        self.views = list[tuple[Tensor, ...]]()

    def parameters(self) -> tuple[Tensor, ...]:
        return self.layer.log_scale, self.layer.bias

    def forward(self, halves: Halved) -> tuple[Halved, Tensor, Any]:
        log_scale, bias = self.layer.log_scale.detach(), self.layer.bias.detach()
        scale = log_scale.exp().unsqueeze_(1)
        x = torch.cat(tuple(halves))
        y = torch.addcmul(bias.unsqueeze(1), x, scale)
        return y.split_with_sizes([len(half) for half in halves]), log_scale.sum(), (x, scale)

    def backward(
        self, grads: Halved, by_log_det: Tensor, kept: Any
    ) -> tuple[Halved, tuple[list[Tensor], ...]]:
        x, scale = kept
        by_y = torch.cat(tuple(grads))
        by_x = by_y * scale
        by_log_scale = torch.mul(by_x, x).add_(by_log_det).sum(1)
        return by_x.split_with_sizes([len(half) for half in grads]), ([by_log_scale], [by_y.sum(1)])

    def rebuild(self, halves: Halved) -> tuple[Halved, Any]:
        """x from y, and what ``backward`` needs."""
        scale = self.layer.log_scale.detach().exp().unsqueeze_(1)
        x = torch.cat(tuple(halves)).sub_(self.layer.bias.detach().unsqueeze(1)).div_(scale)
        return x.split_with_sizes([len(half) for half in halves]), (x, scale)


class _CouplingStep:
    names = ("conditioner.theta",)

    def __init__(self, layer: Coupling) -> None:
        self.net: MLP = layer.conditioner  # type: ignore[assignment]
        # A tensor, since multiplying by a number costs as much as two products of small tensors.
        self.bound = torch.tensor(layer.elementwise.bound, device="cpu")
        self.order = -1 if isinstance(layer.partition, Swapped) else 1
        self.views = list[tuple[Tensor, ...]]()

    def parameters(self) -> tuple[Tensor, ...]:
        return (self.net.theta,)

    def forward(self, halves: Halved) -> tuple[Halved, Tensor, Any]:
        x_a, x_b = halves[:: self.order]
        layers, h, t, tanh_r, s, scale = self._psi(x_a)
        y_b = torch.addcmul(t, x_b, scale)
        return (x_a, y_b)[:: self.order], s, (layers, h, x_b, tanh_r, scale)

    def rebuild(self, halves: Halved) -> tuple[Halved, Any]:
        """x from y, and what ``backward`` needs."""
        x_a, y_b = halves[:: self.order]
        layers, h, t, tanh_r, _, scale = self._psi(x_a)
        x_b = torch.sub(y_b, t).div_(scale)
        return (x_a, x_b)[:: self.order], (layers, h, x_b, tanh_r, scale)

    def backward(
        self, grads: Halved, by_log_det: Tensor, kept: Any
    ) -> tuple[Halved, tuple[list[Tensor], ...]]:
        by_y_a, by_y_b = grads[:: self.order]
        layers, h, x_b, tanh_r, scale = kept
        by_x_b = by_y_b * scale
        by_s = torch.addcmul(by_log_det, by_x_b, x_b)
        g = torch.cat((by_y_b, _tanh_backward(by_s, tanh_r).mul_(self.bound)))
        by_theta: list[Tensor] = []
        for i in reversed(range(len(layers))):
            by_theta[:0] = torch.mm(g, h[i].t()).view(-1), g.sum(1)
            if i:
                g = _relu_backward(torch.mm(layers[i][2], g), h[i], 0)
        by_x_a = torch.addmm(by_y_a, layers[0][2], g)
        return (by_x_a, by_x_b)[:: self.order], (by_theta,)

    def _psi(self, x_a: Tensor) -> tuple[Any, ...]:
        *hidden, (w, b, _) = layers = self._layers()
        h = [x_a]
        for w_i, b_i, _ in hidden:
            h.append(torch.addmm(b_i, w_i, h[-1]).relu_())
        t, r = torch.addmm(b, w, h[-1]).chunk(2)
        tanh_r = r.tanh_()
        s = tanh_r * self.bound
        return layers, h, t, tanh_r, s, s.exp()

    def _layers(self) -> list[tuple[Tensor, ...]]:
        """W, b as a column and Wᵀ of each layer: views, made again when θ has another place in memory."""
        theta = self.net.theta.detach()
        # The views hold their memory, so no other tensor can have come to lie where they point.
        if not self.views or self.views[0][0].data_ptr() != theta.data_ptr():
            self.views = [(w, b.unsqueeze(1), w.t()) for w, b in self.net.layers(theta)]
        return self.views


class Fused(Bijection):
    """A composition, computed as one node where that is faster: f, its inverse and its weights are the same.

    One node serves batches of moderate size that are to be differentiated, in float32 on the CPU, without
    context, where every layer is an ActNorm or an affine coupling of few features by an :class:`MLP`.
    Anything else, derivatives of derivatives among it, goes by the layers one by one. Hooks on the layers
    inside are not called by the one node.

    Args:
        composition: f_n ∘ … ∘ f_1.
    """

    def __init__(self, composition: Composition) -> None:
        super().__init__()
        self.composition = composition
        self._prepare()

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if self.fits(x, context):
            return self._node(x, keeps=True)
        for step in self.steps:
            step.views = []  # they may hold memory in which the weights lay while they were trained
        return self.composition.forward(x, context)

    def forward_to_rebuild(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """f of an x that ``fits``, as one node that keeps x and z alone, and rebuilds the rest from z."""
        return self._node(x, keeps=False)

    def _node(self, x: Tensor, keeps: bool) -> tuple[Tensor, Tensor]:
        z, log_det = _Node.apply(self, keeps, x, *(p for step in self.steps for p in step.parameters()))
        return z.t(), log_det

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.composition.inverse(z, context)

    def latent_shapes(self, event_shape: Sequence[int]) -> tuple[torch.Size, ...]:
        return self.composition.latent_shapes(event_shape)

    def plain(self, x: Tensor, parameters: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
        """f by its layers one by one, with these weights in the place of its own."""
        names = [f"bijections.{i}.{name}" for i, step in enumerate(self.steps) for name in step.names]
        weights = dict(zip(names, parameters, strict=True))
        z, log_det = torch.func.functional_call(self.composition, weights, (x,))
        return z, log_det

    def fits(self, x: Tensor, context: Tensor | None = None) -> bool:
        """Whether this x would go through the one node."""
        if self._anatomy != _anatomy(self.composition.bijections):  # somebody has exchanged a layer
            self._prepare()
        return (
            bool(self.steps)
            and context is None
            and torch.is_grad_enabled()
            and x.dtype is torch.float32
            and x.device.type == "cpu"
            and x.dim() == 2
            and x.shape[0] * self._largest < _MOST
            and all(norm.ready or not norm.training for norm in self._norms)
            and not torch.compiler.is_compiling()
            and not torch.is_autocast_enabled("cpu")
            and not torch._C._are_functorch_transforms_active()
            and forward_ad._current_level < 0
        )

    def _prepare(self) -> None:
        layers = list(self.composition.bijections)
        self._anatomy = _anatomy(layers)
        self._norms = [layer for layer in layers if type(layer) is ActNorm]
        couplings = [layer for layer in layers if type(layer) is Coupling and _suits(layer)]
        self._largest = max((size for layer in couplings for size in layer.conditioner.sizes), default=0)  # type: ignore[union-attr]
        suits = bool(couplings) and len(self._norms) + len(couplings) == len(layers)
        self.steps = [_step(layer) for layer in layers] if suits else []


class _Node(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, fused: Fused, keeps: bool, x: Tensor, *parameters: Tensor) -> tuple[Tensor, Tensor]:
        half = x.shape[1] // 2
        kept: list[Any] = []
        per_scalar: list[Tensor] = []
        constant: list[Tensor] = []
        with torch.inference_mode():  # without what autograd adds to each operation
            halves: Halved = x.t().contiguous().split_with_sizes((half, x.shape[1] - half))
            for step in fused.steps:
                halves, log_det, needed = step.forward(halves)
                (per_scalar if log_det.dim() else constant).append(log_det)
                if keeps:
                    kept.append(needed)
                else:
                    kept.append(None)
                    per_scalar = [torch.cat(per_scalar).sum(0, keepdim=True)] if per_scalar else []
                del needed, log_det
            scalars = torch.cat(per_scalar)
        z = torch.cat(tuple(halves))
        ctx.fused, ctx.kept = fused, kept
        ctx.save_for_backward(x, None if keeps else z, *parameters)
        return z, sum(constant, scalars.sum(0))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, z, *parameters = ctx.saved_tensors
        by_z, by_log_det = grads
        again = torch.is_grad_enabled()  # whether the derivative is to be derived in turn
        if again or torch._C._are_functorch_transforms_active():  # or taken for many directions at once
            return _plainly(ctx, x, parameters, grads)
        half = x.shape[1] // 2
        gradients: list[list[Tensor]] = []
        with torch.inference_mode():
            sizes = (half, x.shape[1] - half)
            halves: Halved = by_z.split_with_sizes(sizes)
            back: Halved = () if z is None else z.split_with_sizes(sizes)
            for step, kept in zip(reversed(ctx.fused.steps), reversed(ctx.kept), strict=True):
                if kept is None:
                    back, kept = step.rebuild(back)
                halves, found = step.backward(halves, by_log_det, kept)
                with torch.inference_mode(
                    False
                ):  # what leaves: tensors of the other mode cannot be changed later
                    gradients.append([torch.cat(parts) for parts in found])
        if z is not None and not is_given_back(torch.cat(tuple(back)).t(), x):
            return _plainly(ctx, x, parameters, grads)
        by_x = torch.cat(tuple(halves)).t() if ctx.needs_input_grad[2] else None
        return None, None, by_x, *(gradient for found in reversed(gradients) for gradient in found)


def _plainly(
    ctx: Any, x: Tensor, parameters: list[Tensor], grads: tuple[Tensor, ...]
) -> tuple[Tensor | None, ...]:
    """The derivatives by the layers one by one; with a graph of their own where they are to be derived."""
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        z, log_det = ctx.fused.plain(x, parameters)
        outputs = z.t(), log_det
    needed = ctx.needs_input_grad[2:]
    wanted = [tensor for tensor, need in zip((x, *parameters), needed, strict=True) if need]
    found = iter(torch.autograd.grad(outputs, wanted, grads, create_graph=again, allow_unused=True))
    return None, None, *(next(found) if need else None for need in needed)


def is_given_back(back: Tensor, x: Tensor) -> bool:
    """Whether inverses have led back to x, closely enough to take derivatives there; warns where not."""
    share = math.sqrt(torch.finfo(x.dtype).eps) if not torch.is_autocast_enabled(x.device.type) else 0.05
    error = float((back - x).abs().amax() / (1 + x.abs().amax())) if x.numel() else 0.0
    if share < error < math.inf:
        warnings.warn(
            f"the inverses of the layers give x back with an error of {error:.1g} of its largest value, so "
            "the derivatives were taken from kept inputs, in more time; memory='checkpoint' does so at once.",
            RuntimeWarning,
            stacklevel=2,
        )
    return error <= share


def _suits(layer: Coupling) -> bool:
    partition = layer.partition.partition if type(layer.partition) is Swapped else layer.partition
    net = layer.conditioner
    return (
        type(partition) is Halves
        and type(layer.elementwise) is Affine
        and type(net) is MLP
        and net.in_features > 0
        and net.context_features == 0
        and net.widths[-1] <= NARROW
    )


def _step(layer: nn.Module) -> "_NormStep | _CouplingStep":
    return _NormStep(layer) if isinstance(layer, ActNorm) else _CouplingStep(layer)  # type: ignore[arg-type]


def _anatomy(layers: Iterable[nn.Module]) -> list[Any]:
    """The layers with their parts and bounds: while these are the same, what was prepared from them holds."""
    return [
        part
        for layer in layers
        for part in (
            layer,
            *layer._modules.values(),
            getattr(layer._modules.get("elementwise"), "bound", None),
        )
    ]
