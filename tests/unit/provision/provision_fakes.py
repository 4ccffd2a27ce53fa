"""Kinds that live in a dictionary, and a world that can be told to break at a given write."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from whatschat_ops.provision import Field, Kind, Live, Resource, contains

OWNER = "whatschat-test"
TAGS = {"stack": OWNER}


class Killed(BaseException):
    """The process ends here, as with kill -9: nothing may catch it."""


@dataclass
class World:
    """Everything that exists, by kind and identity; `writes` counts the calls that change it."""

    things: dict[tuple[str, tuple[Any, ...]], dict[str, Any]] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    reads: int = 0
    next_id: int = 0
    die_at: int | None = None
    die_after_effect: bool = False
    fail: dict[str, Exception] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    running: int = 0
    most_running: int = 0

    def write(self, what: str) -> bool:
        """Count a write; True when the process dies after this one's effect."""
        dies = self.die_at is not None and len(self.writes) >= self.die_at
        if dies and not self.die_after_effect:
            raise Killed
        if what in self.fail:
            raise self.fail[what]
        self.writes.append(what)
        return dies


class Box(Kind):
    """A named, tagged thing with a size (changed in place) and a colour (forces a replacement)."""

    name = "box"
    identity: ClassVar[tuple[str, ...]] = ("name",)
    fields: ClassVar[Mapping[str, Field]] = {
        "name": Field(),
        "size": Field(),
        "colour": Field(replaces="paint does not come off"),
        "secret": Field(sensitive=True),
        "link": Field(),
        "payload": Field(input_only=True),
        "tags": Field(matches=contains),
    }
    volatile = frozenset({"revision"})

    def __init__(self, world: World) -> None:
        self.world = world

    def key(self, identity: Mapping[str, Any]) -> tuple[str, tuple[Any, ...]]:
        return (self.name, tuple(identity[name] for name in self.identity))

    def read(self, identity: Mapping[str, Any]) -> Live | None:
        with self.world.lock:
            self.world.reads += 1
            thing = self.world.things.get(self.key(identity))
            return self.live(thing) if thing else None

    def live(self, thing: Mapping[str, Any]) -> Live:
        return Live(
            id=f"{self.name}:{thing['id']}",
            fields={name: thing[name] for name in self.fields if name in thing},
            outputs={"id": thing["id"], "revision": thing["revision"]},
            owner=thing.get("tags", {}).get("stack"),
            protected="the lock is on" if thing.get("locked") else None,
        )

    def create(self, desired: Mapping[str, Any]) -> Live:
        with self.world.lock:
            dies = self.world.write(f"create {self.label(desired)}")
            assert self.key(desired) not in self.world.things, "made twice"
            self.world.next_id += 1
            thing = {**desired, "id": str(self.world.next_id), "revision": 1}
            self.world.things[self.key(desired)] = thing
            if dies:
                raise Killed
            return self.live(thing)

    def update(self, live: Live, desired: Mapping[str, Any], changed: frozenset[str]) -> Live:
        with self.world.lock:
            dies = self.world.write(f"update {self.label(desired)} {','.join(sorted(changed))}")
            thing = self.world.things[self.key(desired)]
            thing.update({name: desired[name] for name in changed})
            thing["revision"] += 1
            if dies:
                raise Killed
            return self.live(thing)

    def delete(self, live: Live) -> None:
        with self.world.lock:
            dies = self.world.write(f"delete {self.label(live.fields)}")
            self.world.things.pop(self.key(live.fields), None)
            self.remove_contents(live)
            if dies:
                raise Killed

    def remove_contents(self, live: Live) -> None:
        """What AWS does when a container goes."""
        inside = [
            key
            for key, thing in self.world.things.items()
            if key[0] in ("slip", "label") and thing["box"] == live.outputs["id"]
        ]
        for key in inside:
            del self.world.things[key]

    def label(self, fields: Mapping[str, Any]) -> str:
        return f"{self.name}.{fields['name']}"


class Slip(Box):
    """Something inside a box: no tag of its own, gone with the box."""

    name = "slip"
    identity = ("box", "name")
    fields: ClassVar[Mapping[str, Field]] = {
        "box": Field(),
        "name": Field(),
        "size": Field(),
        "link": Field(),
    }
    tagged = False

    def remove_contents(self, live: Live) -> None:
        return


class Label(Slip):
    """Something on a box that AWS deletes with the box."""

    name = "label"
    goes_with = "box"


class Shared(Box):
    """Something that everyone uses: never deleted."""

    name = "shared"
    kept = "everyone uses it"
    note = "everyone will see it"


def kinds(world: World) -> dict[str, Kind]:
    return {kind.name: kind for kind in (Box(world), Slip(world), Label(world), Shared(world))}


def box(name: str, *, after: tuple[str, ...] = (), **fields: Any) -> Resource:
    return Resource("box", name, {"name": name, "tags": TAGS, **fields}, frozenset(after))


def label(name: str, container: Any, *, after: tuple[str, ...] = ()) -> Resource:
    return Resource("label", name, {"name": name, "box": container}, frozenset(after))


def slip(name: str, container: Any, **fields: Any) -> Resource:
    return Resource("slip", name, {"name": name, "box": container, **fields})
