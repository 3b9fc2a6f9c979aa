"""Short vectors of float32 for numba kernels: loaded, stored, and one instruction for all their values.

numba vectorises loops, not groups of values that lie side by side; a texel's channels, or a row of coefficients, are
such a group. These functions compile to LLVM's own vectors, which it maps to whatever registers the machine has.
They work in compiled code only, on arrays of float32 in C order, by indices into the flattened array; nothing tests
for its ends.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing.templates import Signature
from numba.extending import intrinsic, models, register_model

FLOAT = ir.FloatType()


class Lanes(types.Type):
    """numba's type of a vector of so many float32."""

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__(name=f"Lanes({count})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: Lanes) -> None:
        super().__init__(manager, vector, ir.VectorType(FLOAT, vector.count))


def _loader(count: int) -> Callable:
    @intrinsic
    def load(typing: Any, array: types.Array, at: types.Integer) -> tuple[Signature, Callable]:
        """The values from index `at` of the flattened array on."""

        def generate(context: Any, builder: Any, signature: Signature, arguments: Any) -> Any:
            place = _place(context, builder, signature, arguments, count)
            return builder.load(place, align=4)

        return Lanes(count)(array, at), generate

    return load


load4, load8, load16 = _loader(4), _loader(8), _loader(16)


@intrinsic
def store(typing: Any, array: types.Array, at: types.Integer, vector: Lanes) -> tuple[Signature, Callable]:
    """Writes a vector to index `at` of the flattened array and on."""

    def generate(context: Any, builder: Any, signature: Signature, arguments: Any) -> Any:
        place = _place(context, builder, signature, arguments, vector.count)
        builder.store(arguments[2], place, align=4)
        return context.get_dummy_value()

    return types.void(array, at, vector), generate


@intrinsic
def add_product(typing: Any, vector: Lanes, factor: types.Float, other: Lanes) -> tuple[Signature, Callable]:
    """vector + factor x other, rounded once where the machine can."""

    def generate(context: Any, builder: Any, signature: Signature, arguments: Any) -> Any:
        vector, factor, other = arguments
        kind = vector.type
        name = f"llvm.fmuladd.v{kind.count}f32"
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, (kind,) * 3), name)
        return builder.call(function, (_spread(builder, factor, kind), other, vector))

    return vector(vector, types.float32, other), generate


@intrinsic
def scaled(typing: Any, factor: types.Float, vector: Lanes) -> tuple[Signature, Callable]:
    """factor x vector."""

    def generate(context: Any, builder: Any, signature: Signature, arguments: Any) -> Any:
        factor, vector = arguments
        return builder.fmul(_spread(builder, factor, vector.type), vector)

    return vector(types.float32, vector), generate


@intrinsic
def plus(typing: Any, one: Lanes, other: Lanes) -> tuple[Signature, Callable]:
    """one + other."""
    return one(one, other), lambda context, builder, signature, arguments: builder.fadd(*arguments)


@intrinsic
def times(typing: Any, one: Lanes, other: Lanes) -> tuple[Signature, Callable]:
    """one x other, value by value."""
    return one(one, other), lambda context, builder, signature, arguments: builder.fmul(*arguments)


@intrinsic
def minus(typing: Any, one: Lanes, other: Lanes) -> tuple[Signature, Callable]:
    """one - other."""
    return one(one, other), lambda context, builder, signature, arguments: builder.fsub(*arguments)


def _fetcher(write: int) -> Callable:
    @intrinsic
    def fetch(typing: Any, array: types.Array, at: types.Integer) -> tuple[Signature, Callable]:
        """Brings the cache line of the value at index `at` near, before it is used; changes nothing."""

        def generate(context: Any, builder: Any, signature: Signature, arguments: Any) -> Any:
            byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
            kind = ir.FunctionType(ir.VoidType(), (byte, number, number, number))
            function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
            place = builder.bitcast(_place(context, builder, signature, arguments, 1), byte)
            builder.call(function, (place, number(write), number(3), number(1)))  # into the nearest cache; data
            return context.get_dummy_value()

        return types.void(array, at), generate

    return fetch


fetch_to_read, fetch_to_write = _fetcher(0), _fetcher(1)


@intrinsic
def vector_of(typing: Any, values: types.UniTuple) -> tuple[Signature, Callable]:
    """The vector of a tuple of float32."""
    kind = ir.VectorType(FLOAT, values.count)

    def generate(context: Any, builder: Any, signature: Signature, arguments: Any) -> Any:
        vector = ir.Constant(kind, ir.Undefined)
        for index, value in enumerate(cgutils.unpack_tuple(builder, arguments[0], values.count)):
            vector = builder.insert_element(vector, value, ir.Constant(ir.IntType(32), index))
        return vector

    return Lanes(values.count)(values), generate


@intrinsic
def apart(typing: Any, vector: Lanes) -> tuple[Signature, Callable]:
    """The values of a vector, as a tuple."""

    def generate(context: Any, builder: Any, signature: Signature, arguments: Any) -> Any:
        numbers = (ir.Constant(ir.IntType(32), index) for index in range(vector.count))
        values = [builder.extract_element(arguments[0], number) for number in numbers]
        return context.make_tuple(builder, signature.return_type, values)

    return types.UniTuple(types.float32, vector.count)(vector), generate


def _part(first: int) -> Callable:
    @intrinsic
    def part(typing: Any, vector: Lanes) -> tuple[Signature, Callable]:
        """Four values of a longer vector."""

        def generate(context: Any, builder: Any, signature: Signature, arguments: Any) -> Any:
            places = ir.Constant(ir.VectorType(ir.IntType(32), 4), list(range(first, first + 4)))
            return builder.shuffle_vector(arguments[0], ir.Constant(arguments[0].type, ir.Undefined), places)

        return Lanes(4)(vector), generate

    return part


four_from_0, four_from_3 = _part(0), _part(3)


def _place(context: Any, builder: Any, signature: Signature, arguments: Any, count: int) -> Any:
    """The pointer to a vector at an index of an array."""
    kind = signature.args[0]
    if not (isinstance(kind, types.Array) and kind.dtype == types.float32 and kind.layout == "C"):
        raise TypeError(f"vectors lie in arrays of float32 in C order, not in {kind}")
    array = context.make_array(kind)(context, builder, value=arguments[0])
    first = builder.gep(array.data, [context.cast(builder, arguments[1], signature.args[1], types.intp)])
    return builder.bitcast(first, ir.VectorType(FLOAT, count).as_pointer())


def _spread(builder: Any, value: Any, kind: ir.VectorType) -> Any:
    """A vector that holds one value everywhere."""
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), kind.count), [0] * kind.count)
    return builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), zeros)
