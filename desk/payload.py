"""What Alertmanager sends: its webhook payload, version 4, checked."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, model_validator

Status = Literal["firing", "resolved"]
Texts = dict[str, str]
UtcTime = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]


class Alert(BaseModel):
    """One alert of a notification. ``endsAt`` counts only once the alert is resolved."""

    status: Status
    labels: Texts
    annotations: Texts = {}
    startsAt: UtcTime
    endsAt: AwareDatetime
    generatorURL: str = ""
    fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]

    @model_validator(mode="after")
    def _ends_when_resolved(self) -> Self:
        # Go's zero time is the year 1: an alert that has ended at it has not ended.
        if self.status == "resolved" and self.endsAt.year == 1:
            raise ValueError("a resolved alert needs an endsAt")
        return self


class Notification(BaseModel):
    """One delivery: the alerts of one group, sent to one receiver."""

    version: Literal["4"]
    groupKey: str
    status: Status
    receiver: str
    externalURL: str = ""
    alerts: Annotated[list[Alert], Field(min_length=1)]
