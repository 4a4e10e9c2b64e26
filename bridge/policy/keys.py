"""What every section of remediation.yml is: keys that are known, and do not change once they were read."""

from pydantic import BaseModel, ConfigDict


class Keys(BaseModel):
    """Some keys; an unknown one is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)
