"""Parts of answers that are the same in all of them."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=0)]
Number = float | Literal["inf", "-inf", "nan"]
"""JSON has no number for infinity."""


class Part(Struct, forbid_unknown_fields=True):
    """An answer or a part of one."""


class Problem(Part):
    """RFC 9457."""

    type: Literal["about:blank"]
    title: str
    status: Annotated[int, Meta(ge=400, le=599)]
    detail: Annotated[str, Meta(description="What is wrong and what to do.")]
