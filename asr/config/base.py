"""What every group of settings is built from."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A group of settings that refuses keys it does not know and cannot be changed after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


def _ascending(bounds: list[float]) -> list[float]:
    if bounds[0] > bounds[1]:
        raise ValueError(f"{bounds[0]:g} to {bounds[1]:g} is no range: give the lower bound first")
    return bounds


Range = Annotated[list[float], Field(min_length=2, max_length=2), AfterValidator(_ascending)]
Probability = Annotated[float, Field(ge=0, le=1)]
