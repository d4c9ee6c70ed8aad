"""What values promise, whatever they are made by."""

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from domain.values import keyword_value, value


@value
class Point:
    x: int
    y: int = 0


@keyword_value
class Named:
    x: int


if TYPE_CHECKING:

    def assign(point: Point, named: Named) -> None:
        # Where mypy sees no fault in these, it reports that the comments are not needed.
        point.x = 1  # type: ignore[misc]
        named.x = 1  # type: ignore[misc]


def test_values_are_equal_where_their_fields_are() -> None:
    assert Point(1) == Point(1, 0) != Point(1, 1)
    of_another_type: object = Named(x=1)
    assert of_another_type != Point(1)


def test_a_value_is_a_key() -> None:
    assert {Point(1): "found"}[Point(1)] == "found"


def test_what_a_value_is_replaced_by_is_another() -> None:
    point = Point(1)
    assert replace(point, y=2) == Point(1, 2)
    assert point == Point(1)


def test_a_value_has_its_fields_and_nothing_else() -> None:
    with pytest.raises(AttributeError):
        Point(1).z = 3  # type: ignore[attr-defined]


def test_a_value_is_taken_apart_by_place() -> None:
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)


def test_fields_of_a_keyword_value_are_named() -> None:
    with pytest.raises(TypeError):
        Named(1)  # type: ignore[call-arg]
