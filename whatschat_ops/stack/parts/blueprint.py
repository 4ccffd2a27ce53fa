"""What every part of the stack is made from, and what a part gives. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from whatschat_ops.config import Names, Settings
from whatschat_ops.provision import Reference, Resource
from whatschat_ops.redaction import Secret
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.iam_documents import Document

if TYPE_CHECKING:
    from whatschat_ops.packaging import FunctionPackage

API: Final = "api.websocket"
API_ID: Final = Reference(API, "id")


class Blueprint(Struct, frozen=True):
    """What the stack is made from.

    Without `packages` (function -> code) the code of functions is neither compared nor deployed: enough to destroy.
    Without `jwt_secret` a secret that exists is kept, else one is generated. `api_id` is given for policy documents that
    are shown; in the stack it is what the API turns out to have.
    """

    settings: Settings
    place: Place
    packages: Mapping[str, FunctionPackage] = field(default_factory=dict)
    jwt_secret: Secret | None = None
    api_id: str | Reference = API_ID

    @property
    def names(self) -> Names:
        """The names of its resources."""
        return Names(self.settings, self.place.region)


def _nothing(_blueprint: Blueprint) -> Iterable[Resource]:
    return ()


class Part(Struct, frozen=True):
    """A part of the stack: its resources, and what the operator does with them once they are there.

    What the operator needs to create and delete them is said by their kinds. `unwanted` would be there with other settings;
    `kept` is made by other commands: `provision` leaves it alone, `destroy` deletes it.
    """

    resources: Callable[[Blueprint], Iterable[Resource]]
    operator_statements: Callable[[Blueprint], Iterable[Document]]
    unwanted: Callable[[Blueprint], Iterable[Resource]] = _nothing
    kept: Callable[[Blueprint], Iterable[Resource]] = _nothing
