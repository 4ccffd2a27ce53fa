"""Which path a user takes, as the backend reads it: the shares in the parameter, and the published hash."""

from __future__ import annotations

import json
from typing import Any

from whatschat_ops.errors import NotFound
from whatschat_ops.migration.cohort import Service, bucket


class Reader:
    """Reads at each question: a cache would only delay what is looked at."""

    def __init__(self, ssm: Any, parameter: str) -> None:
        self._ssm = ssm
        self._parameter = parameter

    def mode(self, service: Service, user: str) -> str:
        """`off`, `new` or `all`."""
        try:
            value = self._ssm.get_parameter(Name=self._parameter)["Parameter"]["Value"]
        except (NotFound, self._ssm.exceptions.ParameterNotFound):
            return "off"
        found = json.loads(value)
        number, shares = bucket(found["stack"], service, user), found[service.value]
        return "all" if number < shares["all"] else "new" if number < shares["new"] else "off"
