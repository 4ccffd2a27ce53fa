"""The samples that are SAM applications: AWS's chat application, and the serverless demo of the Chime SDK for JavaScript."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.samples.outcome import SampleSkipped, Step, StepFailed, StepSkipped, reason_of
from tests.samples.world import World

CHAT: Final = "simple-websockets-chat-app"
CHIME: Final = "amazon-chime-sdk-js"
DEPLOY: Final = ("--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-fail-on-empty-changeset")


def checkout(world: World, name: str) -> Path:
    """The checkout of a repository."""
    if world.checkouts is None or not (found := world.checkouts / name).is_dir():
        raise SampleSkipped(f"no checkout of {name} in WHATSCHAT_SAMPLES_DIR")
    return found


class ChatApp:
    """github.com/aws-samples/simple-websockets-chat-app, as its README says."""

    name = CHAT
    stack = "simple-websocket-chat-app"

    def __init__(self, world: World) -> None:
        self._world = world

    def steps(self) -> Iterator[Step]:
        """The README's."""
        yield Step("checkout", self._copy)
        yield Step("sam deploy", self._deploy)
        yield Step("two clients; a message of one reaches both through the callback URL", self._chat)
        yield Step("sam delete", lambda: delete(self._world, self.stack), cleans_up=True)

    def _copy(self) -> str:
        self._folder = self._world.copy(checkout(self._world, CHAT))
        return "copied unmodified"

    def _deploy(self) -> str:
        self._world.run(
            "sam", "deploy", "--stack-name", self.stack, "--resolve-s3", *DEPLOY, cwd=self._folder
        )
        return self._world.outputs(self.stack)["WebSocketURI"]

    def _chat(self) -> str:
        url = self._world.outputs(self.stack)["WebSocketURI"]
        with self._world.socket(url) as alice, self._world.socket(url) as bob:
            alice.send(json.dumps({"action": "sendmessage", "data": "hello world"}))
            received = [client.recv(timeout=60) for client in (alice, bob)]
        assert received == ["hello world"] * 2, f"received {received}"
        return f"both received {received[0]!r}"


class ChimeDemo:
    """demos/serverless of github.com/aws/amazon-chime-sdk-js."""

    name = f"{CHIME}, demos/serverless"
    stack = "chime-demo"
    bucket = "chime-demo-artifacts"

    def __init__(self, world: World) -> None:
        self._world = world

    def steps(self) -> Iterator[Step]:
        """The README's; where its script cannot build the page here, the commands that the script runs."""
        yield Step("checkout", self._copy)
        yield Step("node deploy.js", self._script)
        yield Step("npm install (functions), sam package, sam deploy", self._deploy)
        yield Step("two attendees join a meeting and it ends", self._meet)
        yield Step("sam delete", lambda: delete(self._world, self.stack), cleans_up=True)

    def _copy(self) -> str:
        self._root = self._world.copy(checkout(self._world, CHIME))
        self._folder = self._root / "demos" / "serverless"
        return "copied unmodified"

    def _options(self) -> tuple[str, ...]:
        return ("-r", self._world.aws.region, "-b", self.bucket, "-s", self.stack, "-a", "meeting")

    def _script(self) -> str:
        if shutil.which("ruby") is None:
            raise StepSkipped("its build of the page runs a Ruby script, and Ruby is not installed")
        endpoint = ("-m", self._world.aws.endpoint_url)
        try:
            self._world.run("npm", "install", cwd=self._folder)
            self._world.run("node", "deploy.js", *self._options(), *endpoint, cwd=self._folder)
        except StepFailed as error:
            raise StepSkipped(f"it cannot build the page here: {reason_of(str(error))}") from None
        return "deployed"

    def _deploy(self) -> str:
        if self._is_deployed():
            return "done by deploy.js"
        note = self._install()
        region = self._world.aws.region
        self._world.run("aws", "s3", "mb", f"s3://{self.bucket}", cwd=self._folder)
        packaged = ("--output-template-file", "packaged.yaml")
        self._world.run("sam", "package", "--s3-bucket", self.bucket, *packaged, cwd=self._folder)
        parameters = (
            f"Region={region} UseEventBridge=false ChimeSDKMeetingsEndpoint={self._world.aws.endpoint_url}"
        )
        named = ("--template-file", "packaged.yaml", "--stack-name", self.stack)
        self._world.run(
            "sam", "deploy", *named, "--parameter-overrides", parameters, *DEPLOY, cwd=self._folder
        )
        return f"{self._world.outputs(self.stack)['ApiURL']}{note}"

    def _is_deployed(self) -> bool:
        return not self._world.is_deleted(self.stack) and "ApiURL" in self._world.outputs(self.stack)

    def _install(self) -> str:
        functions = self._folder / "src"
        try:
            self._world.run("npm", "install", cwd=functions)
        except StepFailed as error:
            if "404" not in str(error):
                raise
            self._world.run("npm", "install", "--no-package-lock", cwd=functions)
            return "; newer packages than those of its lock, which the registry here lacks"
        return ""

    def _meet(self) -> str:
        api = self._world.outputs(self.stack)["ApiURL"]
        joined = [
            self._world.post(f"{api}join", title="samples", name=name, region=self._world.aws.region)[
                "JoinInfo"
            ]
            for name in ("alice", "bob")
        ]
        meetings = {info["Meeting"]["Meeting"]["MeetingId"] for info in joined}
        tokens = {info["Attendee"]["Attendee"]["JoinToken"] for info in joined}
        assert (len(meetings), len(tokens)) == (1, 2), f"{len(meetings)} meetings, {len(tokens)} attendees"
        self._world.post(f"{api}end", title="samples")
        chime = self._world.aws.client("chime-sdk-meetings")
        try:
            chime.get_meeting(MeetingId=meetings.pop())
        except chime.exceptions.NotFoundException:
            return "one meeting with two join tokens; not found after its end"
        raise StepFailed("the meeting still exists after its end")


def delete(world: World, stack: str) -> str:
    """Delete the stack with SAM's own command."""
    world.run(
        "sam",
        "delete",
        "--stack-name",
        stack,
        "--no-prompts",
        "--region",
        world.aws.region,
        cwd=world.directory,
    )
    assert world.is_deleted(stack), f"stack {stack} is left"
    return "no stack is left"
