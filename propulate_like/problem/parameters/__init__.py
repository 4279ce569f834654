"""The kinds of parameters, each of which maps one gene, a float in [0, 1], to a value and back.

`parameter` has the contract that every kind fulfils.
"""

from propulate_like.problem.parameters.numeric import Float, Int
from propulate_like.problem.parameters.options import Choice, Ordinal
from propulate_like.problem.parameters.parameter import KINDS, Parameter, Scalar

__all__ = ["KINDS", "Choice", "Float", "Int", "Ordinal", "Parameter", "Scalar"]
