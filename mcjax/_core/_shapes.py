"""Shapes, named once. Batches lead: one call serves a stack of matrices."""

from jaxtyping import Array, Num

Scalar = Num[Array, "*batch"]
Square = Num[Array, "*batch n n"]  # integers are promoted
OtherSquare = Num[Array, "*batch m m"]
Rectangle = Num[Array, "*batch n m"]
