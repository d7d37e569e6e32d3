"""The base of every JSON body; it knows no framework, so that the rules in `core` can use it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """What comes in or goes out: unknown fields are refused, for they are mostly typing errors."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)
