"""f again, with less kept of what it computes on the way: activations are traded for time.

To differentiate f_n ∘ … ∘ f_1, autograd keeps what every layer computed: memory that grows with n. The two
bijections here have the values, the weights and the derivatives of the f that they hold, and keep less:

    Checkpointed    the input of each layer, x_i                 and computes each layer a second time
    Rebuilt         x and z, whatever the number of layers       and goes back by x_i = f_i⁻¹(x_{i+1})

A coupling goes back for the price of one more pass through its conditioner, since y_A is x_A, and ψ(x_A)
serves both the inverse, which gives x_B, and the derivative. With ȳ and ℓ̄ the loss by y and by log|det|,

    ψ = ψ_θ(y_A)    x_B = f̂⁻¹(y_B | ψ)    (x̄_B, ψ̄) = ∂f̂(x_B | ψ)ᵀ (ȳ_B, ℓ̄)    x̄_A = ȳ_A + (∂ψ/∂x_A)ᵀ ψ̄

Under ``torch.compile``, which itself decides what is kept, and under the transforms of ``torch.func`` both
are f as it is.

Reference: Gomez, Ren, Urtasun, Grosse, *The Reversible Residual Network: Backpropagation Without Storing
Activations*, 2017, arXiv:1707.04585; Chen, Xu, Zhang, Guestrin, *Training Deep Nets with Sublinear Memory
Cost*, 2016, arXiv:1604.06174.
"""

from rheon.memory.checkpointed import Checkpointed
from rheon.memory.rebuilt import Rebuilt

__all__ = ["Checkpointed", "Rebuilt"]
