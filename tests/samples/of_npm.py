"""Stacks of tools from npm: aws-cdk, and osls (Serverless Framework 3, maintained)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.samples.outcome import SampleSkipped, Step, StepFailed
from tests.samples.world import World

FOLDERS: Final = Path(__file__).parents[1] / "fixtures" / "samples"


def npm_stack(world: World, name: str, tool: str) -> Path:
    """A copy of a stack of this repository."""
    packages = world.tools / "node" / "node_modules"
    if not (packages / ".bin" / tool).exists():
        raise SampleSkipped(f"{tool} could not be installed from npm")
    return world.copy(FOLDERS / name)


class CdkStack:
    """Two WebSocket APIs of one CDK stack: one with a Lambda authorizer, one with the IAM authorizer."""

    name = "aws-cdk, a WebSocket stack"
    stack = "Samples"

    def __init__(self, world: World) -> None:
        self._world = world

    def steps(self) -> Iterator[Step]:
        """From an account without CDK's own stack to one without the sample's."""
        yield Step("cdk bootstrap", self._bootstrap)
        yield Step("cdk deploy (with an asset)", self._deploy)
        yield Step("Lambda authorizer: a token is let in, a wrong one gets 403, none 401", self._lambda)
        yield Step("IAM authorizer: a signed handshake is let in, an unsigned one gets 403", self._iam)
        yield Step("cdk destroy", self._destroy, cleans_up=True)

    def _cdk(self, *arguments: str) -> None:
        self._world.run("cdk", *arguments, cwd=self._folder)

    def _bootstrap(self) -> str:
        self._folder = npm_stack(self._world, "cdk_stack", "cdk")
        packages = self._world.tools / "node" / "node_modules"
        (self._folder / "node_modules").symlink_to(packages, target_is_directory=True)
        self._cdk("bootstrap")
        return ", ".join(self._world.outputs("CDKToolkit"))

    def _deploy(self) -> str:
        self._cdk("deploy", "--require-approval", "never")
        return ", ".join(sorted(self._world.outputs(self.stack)))

    def _lambda(self) -> str:
        url = self._world.outputs(self.stack)["LambdaUrl"]
        with self._world.socket(f"{url}?token=let-me-in") as client:
            client.send("hello")
            received = client.recv(timeout=60)
        refused = [self._world.refusal(f"{url}?token=wrong"), self._world.refusal(url)]
        assert (received, refused) == ("alice: hello", [403, 401]), f"{received!r}, {refused}"
        return f"received {received!r} through the callback URL"

    def _iam(self) -> str:
        url = self._world.outputs(self.stack)["IamUrl"]
        with self._world.socket(signed(self._world.aws, url)) as client:
            client.send("hello")
            received = str(client.recv(timeout=60))
        refused = self._world.refusal(url)
        assert received.endswith("user/operator: hello"), received
        assert refused == 403, refused
        return f"received {received!r}"

    def _destroy(self) -> str:
        self._cdk("destroy", "--force")
        assert self._world.is_deleted(self.stack), "the stack is left"
        return "no stack is left but CDKToolkit"


def signed(aws: Any, url: str) -> str:
    """The URL with the operator's signature in its query."""
    key = Credentials(aws.access_key_id, aws.secret_access_key.reveal())
    request = AWSRequest("GET", url.replace("wss://", "https://", 1))
    SigV4QueryAuth(key, "execute-api", aws.region).add_auth(request)
    return f"wss://{urlsplit(url).netloc}{urlsplit(url).path}?{urlsplit(str(request.url)).query}"


class SlsService:
    """A WebSocket service of the Serverless Framework."""

    name = "osls (Serverless Framework 3), a WebSocket service"
    stack = "samples-dev"

    def __init__(self, world: World) -> None:
        self._world = world

    def steps(self) -> Iterator[Step]:
        """Deploy, use, remove."""
        yield Step("sls deploy", self._deploy)
        yield Step("a message comes back as the response of its route", self._echo)
        yield Step("sls remove", self._remove, cleans_up=True)

    def _deploy(self) -> str:
        self._folder = npm_stack(self._world, "sls_service", "sls")
        self._world.run("sls", "deploy", cwd=self._folder)
        return self._world.outputs(self.stack)["ServiceEndpointWebsocket"]

    def _echo(self) -> str:
        with self._world.socket(self._world.outputs(self.stack)["ServiceEndpointWebsocket"]) as client:
            client.send("hello")
            received = client.recv(timeout=60)
        if received != "echo hello":
            raise StepFailed(f"received {received!r}")
        return f"received {received!r}"

    def _remove(self) -> str:
        self._world.run("sls", "remove", cwd=self._folder)
        assert self._world.is_deleted(self.stack), "the stack is left"
        return "no stack is left"
