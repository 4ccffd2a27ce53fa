"""The embedded AWS as a process: start, use, kill, reset. Real processes, real sockets, IAM enforced."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from tests.local.conftest import EmbeddedAws
from tests.local.program import eventually
from tests.ports import free_port
from whatschat_ops.errors import LocalError
from whatschat_ops.local import ports, process, service
from whatschat_ops.local.layout import EXIT_PORT_TAKEN, Options

pytestmark = pytest.mark.local

BASIC_EXECUTION = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
"""Writing logs."""

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


def silent(_: str) -> None:
    """A `say` without output."""


def create_table(aws: EmbeddedAws, name: str) -> None:
    aws.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "connectionId", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "connectionId", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def zipped(source: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", textwrap.dedent(source))
    return buffer.getvalue()


def create_function(aws: EmbeddedAws, name: str, source: str) -> str:
    """A function with its own role. Returns its ARN."""
    role = aws.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
    aws.client("iam").attach_role_policy(RoleName=name, PolicyArn=BASIC_EXECUTION)
    created = aws.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.12",
        Handler="app.handler",
        Role=role["Role"]["Arn"],
        Code={"ZipFile": zipped(source)},
    )
    return str(created["FunctionArn"])


def until_updated(aws: EmbeddedAws, name: str) -> None:
    """Wait until a function may be changed."""
    waiter: Any = aws.client("lambda").get_waiter("function_updated_v2")
    waiter.wait(FunctionName=name, WaiterConfig={"Delay": 0.1})


def create_api(aws: EmbeddedAws) -> str:
    """A WebSocket API with a route and a stage. Returns the endpoint of its @connections API."""
    client = aws.client("apigatewayv2")
    api = client.create_api(
        Name="api", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.type"
    )
    client.create_route(ApiId=api["ApiId"], RouteKey="$default")
    deployment = client.create_deployment(ApiId=api["ApiId"])["DeploymentId"]
    client.create_stage(ApiId=api["ApiId"], StageName="production", DeploymentId=deployment)
    return f"{api['ApiEndpoint'].replace('ws://', 'http://')}/production"


def refused(call: Callable[[], Any]) -> str:
    """The code of the error that `call` ends in."""
    with pytest.raises(ClientError) as caught:
        call()
    return str(caught.value.response["Error"]["Code"])


# --- life -------------------------------------------------------------------------------------------------------------


def test_second_start_finds_the_first(own_aws: EmbeddedAws) -> None:
    again = service.ensure_running(port=own_aws.port, say=silent)
    assert (again.pid, again.started) == (own_aws.pid, False)


def test_two_starts_at_once_start_one_process(tmp_path: Path) -> None:
    port = free_port()
    code = (
        "from whatschat_ops.local.service import ensure_running\n"
        f"s = ensure_running(port={port}, say=lambda _: None); print(s.pid, s.started)"
    )

    def run(_: int) -> list[str]:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        return done.stdout.split()

    try:
        with ThreadPoolExecutor(3) as pool:
            outcomes = list(pool.map(run, range(3)))
    finally:
        service.stop()
    assert len({pid for pid, _ in outcomes}) == 1
    assert sorted(started for _, started in outcomes) == ["False", "False", "True"]


def test_two_state_directories_run_side_by_side(own_aws: EmbeddedAws, embedded_aws: EmbeddedAws) -> None:
    create_table(own_aws, "only-here")
    assert "only-here" not in embedded_aws.client("dynamodb").list_tables()["TableNames"]
    assert own_aws.access_key_id != embedded_aws.access_key_id


def test_start_on_a_requested_port_that_is_taken_fails() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(LocalError) as caught:
            service.ensure_running(port=port, say=silent)
    assert f"Port {port}" in caught.value.message
    assert f"process {os.getpid()}" in caught.value.message
    assert "WHATSCHAT_LOCAL_PORT" in str(caught.value.hint)


@pytest.fixture
def taken_default(monkeypatch: pytest.MonkeyPatch, clean_environment: None) -> Iterator[socket.socket]:
    """The default port, used by another program; our service is not running."""
    with socket.socket() as other:
        port = free_port()
        monkeypatch.setattr(ports, "DEFAULT_PORT", port)
        other.bind(("127.0.0.1", port))
        other.listen()
        yield other
    service.stop()


def test_start_without_a_port_takes_the_next_free_one_and_remembers_it(
    taken_default: socket.socket, tmp_path: Path
) -> None:
    said: list[str] = []
    found = service.ensure_running(port=None, say=said.append)
    assert found.port > ports.DEFAULT_PORT
    assert said[0].startswith(f"Port {ports.DEFAULT_PORT} on 127.0.0.1 is taken by process {os.getpid()}")
    assert said[0].endswith(f"The embedded AWS uses port {found.port} instead, from now on.")
    assert said[1] == f"Starting the embedded AWS on http://127.0.0.1:{found.port} ..."
    assert service.status().port == found.port
    assert service.ensure_running(port=None, say=silent).pid == found.pid

    taken_default.close()
    os.kill(found.pid, signal.SIGKILL)
    eventually(lambda: not service.status().running)
    again = service.ensure_running(port=None, say=said.append)
    assert (again.port, again.started) == (found.port, True)
    assert said[2:] == [f"Starting the embedded AWS on http://127.0.0.1:{found.port} ..."]

    service.stop()
    service.reset(say=silent)
    assert service.ensure_running(port=None, say=silent).port == found.port


def test_two_state_directories_that_start_at_once_get_two_ports(tmp_path: Path) -> None:
    code = f"""
    from whatschat_ops.local import ports, service
    ports.DEFAULT_PORT = {free_port()}
    print(service.ensure_running(port=None, say=lambda _: None).port)
    """
    directories = [tmp_path / name for name in ("one", "two", "three")]

    def run(directory: Path, source: str) -> str:
        environment = {**os.environ, "WHATSCHAT_OPS_STATE_DIR": str(directory)}
        command = [sys.executable, "-c", textwrap.dedent(source)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    try:
        with ThreadPoolExecutor(3) as pool:
            chosen = list(pool.map(lambda directory: run(directory, code), directories))
        again = [run(directory, code) for directory in directories]
    finally:
        for directory in directories:
            run(directory, "from whatschat_ops.local import service; service.stop()")
    assert len(set(chosen)) == 3
    assert again == chosen


def test_process_whose_port_is_taken_has_an_exit_code_of_its_own(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        command = [sys.executable, "-m", process.SERVER_MODULE, "--port", str(port), "--root", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == EXIT_PORT_TAKEN


def test_start_on_another_port_than_the_running_one_is_refused_only_when_asked_for(
    own_aws: EmbeddedAws,
) -> None:
    other = free_port()
    assert service.ensure_running(port=other, say=silent).port == own_aws.port
    with pytest.raises(LocalError, match=f"already runs on port {own_aws.port}, not on {other}"):
        service.ensure_running(port=other, say=silent, exact_port=True)


def test_process_that_cannot_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    chime_file = tmp_path / "state" / "local" / "chime.json"
    chime_file.parent.mkdir(parents=True)
    chime_file.write_text("{ not json", encoding="utf-8")
    with pytest.raises(LocalError, match=r"exited at its start.*(?s:.)*chime\.json"):
        service.ensure_running(port=free_port(), say=silent)
    assert not service.status().running


def test_stop_leaves_no_process_and_no_temporary_file(own_aws: EmbeddedAws) -> None:
    create_function(own_aws, "stopped", "def handler(event, context): return 1")
    own_aws.client("lambda").invoke(FunctionName="stopped")
    processes = [psutil.Process(own_aws.pid), *psutil.Process(own_aws.pid).children(recursive=True)]
    assert len(processes) > 1, "there is no worker, so the test shows nothing"
    assert service.stop().stopped
    assert [process for process in processes if process.is_running()] == []
    left = {path.name for path in (own_aws.state_directory / "local").iterdir()}
    assert left <= {"aws", "objects", "credentials.json", "service.lock", "service.log"}
    assert not service.stop().stopped


def test_workers_end_when_the_service_is_killed_and_the_next_start_cleans_up(own_aws: EmbeddedAws) -> None:
    create_function(own_aws, "orphaned", "def handler(event, context): return 1")
    own_aws.client("lambda").invoke(FunctionName="orphaned")
    workers = psutil.Process(own_aws.pid).children(recursive=True)
    assert workers
    leftover = own_aws.state_directory / "local" / "work" / "leftover"
    leftover.write_text("x", encoding="utf-8")
    os.kill(own_aws.pid, signal.SIGKILL)
    eventually(lambda: not any(worker.is_running() for worker in workers))
    assert not service.status().running
    assert service.ensure_running(port=own_aws.port, say=silent).started
    assert not leftover.exists()


def test_resources_created_seconds_before_kill_9_exist_after_the_next_start(own_aws: EmbeddedAws) -> None:
    create_table(own_aws, "survivor")
    own_aws.client("dynamodb").put_item(TableName="survivor", Item={"connectionId": {"S": "abc="}})
    create_function(own_aws, "survivor", "def handler(event, context): return 'alive'")
    own_aws.client("ssm").put_parameter(Name="/survivor", Value="s3cret", Type="SecureString")
    own_aws.client("logs").create_log_group(logGroupName="/survivor")
    saved = own_aws.state_directory / "local" / "aws"
    files = {"dynamodb": b"abc=", "lambda": b"survivor", "ssm": b"survivor", "cloudwatch_logs": b"survivor"}
    for name, content in files.items():  # saved while it runs, seconds after each change
        file = saved / f"{name}.json"
        eventually(lambda: file.exists() and content in file.read_bytes())  # noqa: B023
    os.kill(own_aws.pid, signal.SIGKILL)
    eventually(lambda: not service.status().running)
    again = service.ensure_running(port=own_aws.port, say=silent)
    assert again.access_key_id == own_aws.access_key_id
    scanned = own_aws.client("dynamodb").scan(TableName="survivor")["Items"]
    assert scanned == [{"connectionId": {"S": "abc="}}]
    function = own_aws.client("lambda").get_function(FunctionName="survivor")["Configuration"]
    assert (function["State"], function["LastUpdateStatus"]) == ("Active", "Successful")
    answer = own_aws.client("lambda").invoke(FunctionName="survivor")
    assert json.load(answer["Payload"]) == "alive"
    parameter = own_aws.client("ssm").get_parameter(Name="/survivor", WithDecryption=True)["Parameter"]
    assert parameter["Value"] == "s3cret"
    groups = own_aws.client("logs").describe_log_groups(logGroupNamePrefix="/survivor")["logGroups"]
    assert len(groups) == 1


def test_stop_and_start_keep_everything_however_recent(own_aws: EmbeddedAws) -> None:
    create_table(own_aws, "kept")
    service.stop()
    again = service.ensure_running(port=own_aws.port, say=silent)
    assert (again.access_key_id, again.started) == (own_aws.access_key_id, True)
    assert own_aws.client("dynamodb").list_tables()["TableNames"] == ["kept"]


def test_options_apply_from_the_next_start_and_others_are_noted(own_aws: EmbeddedAws) -> None:
    options, said = Options(enforce_memory=True), list[str]()
    service.ensure_running(port=own_aws.port, say=said.append, options=options)
    assert said == [service.OTHER_OPTIONS]
    service.stop()
    service.ensure_running(port=own_aws.port, say=silent, options=options)
    create_function(own_aws, "large", "def handler(event, context): return len(bytes(range(256)) * 2**20)")
    answer = own_aws.client("lambda").invoke(FunctionName="large")
    assert json.load(answer["Payload"])["errorType"] == "Runtime.OutOfMemory"
    assert service.reset(say=silent).restarted
    said.clear()
    service.ensure_running(port=own_aws.port, say=said.append, options=options)
    assert said == []


def test_reset_deletes_everything_and_starts_again(own_aws: EmbeddedAws) -> None:
    create_table(own_aws, "gone")
    assert service.reset(say=silent).restarted
    again = service.ensure_running(port=own_aws.port, say=silent)
    assert again.access_key_id != own_aws.access_key_id
    assert service.status().counts["tables"] == 0
    assert refused(lambda: own_aws.client("dynamodb").list_tables()) == "UnrecognizedClientException"


def test_service_stops_when_its_state_directory_is_deleted(own_aws: EmbeddedAws) -> None:
    (own_aws.state_directory / "local" / "service.json").unlink()
    process = psutil.Process(own_aws.pid)
    eventually(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)


def test_secret_files_are_readable_by_their_owner_only(own_aws: EmbeddedAws) -> None:
    root = own_aws.state_directory / "local"
    eventually(lambda: (root / "aws" / "iam.json").exists())
    for path in (root / "credentials.json", root / "aws" / "iam.json"):
        assert path.stat().st_mode & 0o077 == 0, path


# --- who may do what --------------------------------------------------------------------------------------------------


def test_operator_is_an_iam_user_of_the_account(embedded_aws: EmbeddedAws) -> None:
    identity = embedded_aws.client("sts").get_caller_identity()
    assert identity["Arn"] == f"arn:aws:iam::{embedded_aws.account_id}:user/operator"


@pytest.mark.parametrize("key", ["test", "000000000000", "123456789012", "AKIAIOSFODNN7EXAMPLE"])
def test_unknown_and_root_keys_are_refused(embedded_aws: EmbeddedAws, key: str) -> None:
    for name, call, code in (
        ("dynamodb", "list_tables", "UnrecognizedClientException"),
        ("iam", "list_users", "InvalidClientTokenId"),
        ("sts", "get_caller_identity", "InvalidClientTokenId"),
        ("s3", "list_buckets", "InvalidAccessKeyId"),
        ("lambda", "list_functions", "UnrecognizedClientException"),
        ("apigatewayv2", "get_apis", "UnrecognizedClientException"),
    ):
        client = embedded_aws.client_as(key, "test", name)
        assert refused(getattr(client, call)) == code, name


def test_wrong_secret_is_refused_by_ministack_the_gateway_and_chime(embedded_aws: EmbeddedAws) -> None:
    key = embedded_aws.access_key_id
    assert (
        refused(embedded_aws.client_as(key, "wrong", "dynamodb").list_tables) == "InvalidSignatureException"
    )
    chime = embedded_aws.client_as(key, "wrong", "chime-sdk-meetings")
    assert refused(lambda: chime.get_meeting(MeetingId="m" * 36)) == "InvalidSignatureException"
    connections = embedded_aws.client_as(key, "wrong", "apigatewaymanagementapi", create_api(embedded_aws))
    with pytest.raises(ClientError) as caught:
        connections.post_to_connection(ConnectionId="L0SM9cOFIAMCIdw=", Data=b"x")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert "signature" in str(caught.value)


def test_user_without_a_policy_is_denied_with_the_text_of_aws(embedded_aws: EmbeddedAws) -> None:
    iam = embedded_aws.client("iam")
    iam.create_user(UserName="nobody")
    key = iam.create_access_key(UserName="nobody")["AccessKey"]
    endpoint = create_api(embedded_aws)
    api_id = endpoint.split("/")[-2]
    connections = embedded_aws.client_as(
        key["AccessKeyId"], key["SecretAccessKey"], "apigatewaymanagementapi", endpoint
    )
    with pytest.raises(ClientError) as caught:
        connections.post_to_connection(ConnectionId="L0SM9cOFIAMCIdw=", Data=b"x")
    message = str(caught.value)
    assert "user/nobody is not authorized to perform: execute-api:ManageConnections" in message
    assert f"********0000:{api_id}/production/POST/@connections/" in message


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/_ministack/reset", {}, 404),
        ("/_ministack/config", {}, 404),
        ("/_ministack/health", {}, 404),
        ("/%5Fministack/reset", {}, 404),
        ("/_aws/sqs/messages", {}, 404),
        ("/_localstack/health", {}, 404),
        ("/v2/apis", {}, 403),
        ("/v2/apis", {"Authorization": "Bearer token"}, 403),
        ("/2015-03-31/functions", {"Authorization": "Basic eDp5"}, 403),
        ("/some-bucket", {"Authorization": "Bearer token"}, 403),
    ],
)
def test_unsigned_request_is_rejected(
    embedded_aws: EmbeddedAws, path: str, headers: dict[str, str], status: int
) -> None:
    for method in ("GET", "POST"):
        request = urllib.request.Request(f"{embedded_aws.endpoint_url}{path}", headers=headers, method=method)
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request)
        with caught.value as error:
            assert error.code == status, method


# --- functions --------------------------------------------------------------------------------------------------------


def test_sdk_invoke_runs_on_the_executor_with_aws_error_document(embedded_aws: EmbeddedAws) -> None:
    create_function(
        embedded_aws,
        "failing",
        """
        def handler(event, context):
            print("about to fail")
            raise KeyError(event["key"])
        """,
    )
    answer = embedded_aws.client("lambda").invoke(
        FunctionName="failing", Payload=json.dumps({"key": "k"}), LogType="Tail"
    )
    assert answer["FunctionError"] == "Unhandled"
    document = json.load(answer["Payload"])
    assert document["errorType"] == "KeyError"
    assert any("app.py" in frame and "handler" in frame for frame in document["stackTrace"])

    def messages() -> list[str]:
        found = embedded_aws.client("logs").filter_log_events(logGroupName="/aws/lambda/failing")["events"]
        texts = [str(event["message"]) for event in found]
        return texts if any(text.startswith("REPORT") for text in texts) else []

    lines = eventually(messages)
    assert sum(line.startswith("START RequestId") for line in lines) == 1
    assert sum("about to fail" in line for line in lines) == 1


def test_function_sees_its_role_and_nothing_of_this_machine(embedded_aws: EmbeddedAws) -> None:
    create_function(
        embedded_aws,
        "curious",
        """
        import os
        def handler(event, context):
            return {"names": sorted(os.environ), "key": os.environ["AWS_ACCESS_KEY_ID"]}
        """,
    )
    answer = json.load(embedded_aws.client("lambda").invoke(FunctionName="curious")["Payload"])
    assert answer["key"].startswith("ASIA")
    assert "WHATSCHAT_OPS_STATE_DIR" not in answer["names"]
    assert "AUTH" not in answer["names"]


def test_dry_run_of_update_function_code_changes_nothing(embedded_aws: EmbeddedAws) -> None:
    create_function(embedded_aws, "dry", "def handler(event, context): return 'old'")
    client = embedded_aws.client("lambda")
    until_updated(embedded_aws, "dry")
    before = client.get_function_configuration(FunctionName="dry")
    other = zipped("def handler(event, context): return 'new'")
    answer = client.update_function_code(FunctionName="dry", ZipFile=other, DryRun=True)
    after = client.get_function_configuration(FunctionName="dry")
    assert answer["CodeSha256"] != before["CodeSha256"] == after["CodeSha256"]
    assert json.load(client.invoke(FunctionName="dry")["Payload"]) == "old"


def test_weighted_alias_splits_the_traffic(embedded_aws: EmbeddedAws) -> None:
    create_function(embedded_aws, "split", "def handler(event, context): return 'one'")
    client = embedded_aws.client("lambda")
    until_updated(embedded_aws, "split")
    client.publish_version(FunctionName="split")
    client.update_function_code(
        FunctionName="split", ZipFile=zipped("def handler(event, context): return 'two'")
    )
    until_updated(embedded_aws, "split")
    client.publish_version(FunctionName="split")
    client.create_alias(
        FunctionName="split",
        Name="live",
        FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}},
    )
    answers = {json.load(client.invoke(FunctionName="split:live")["Payload"]) for _ in range(30)}
    assert answers == {"one", "two"}


def test_invocations_are_counted_in_cloudwatch(embedded_aws: EmbeddedAws) -> None:
    create_function(embedded_aws, "counted", "def handler(event, context): return 1")
    for _ in range(5):
        embedded_aws.client("lambda").invoke(FunctionName="counted")
    now = time.time()
    statistics = embedded_aws.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName="Invocations",
        Dimensions=[{"Name": "FunctionName", "Value": "counted"}],
        StartTime=now - 300,
        EndTime=now + 60,
        Period=3600,
        Statistics=["Sum", "SampleCount"],
    )["Datapoints"]
    # two points if the hour ended meanwhile
    assert (
        sum(point["Sum"] for point in statistics) == sum(point["SampleCount"] for point in statistics) == 5.0
    )


def test_api_endpoint_is_reachable_with_the_rule_of_aws(embedded_aws: EmbeddedAws) -> None:
    client = embedded_aws.client("apigatewayv2")
    created = client.create_api(
        Name="endpoint", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.type"
    )
    expected = f"ws://127.0.0.1:{embedded_aws.port}/_aws/execute-api/{created['ApiId']}"
    assert created["ApiEndpoint"] == expected
    assert client.get_api(ApiId=created["ApiId"])["ApiEndpoint"] == expected
    assert expected in [api["ApiEndpoint"] for api in client.get_apis()["Items"]]


def test_api_gateway_refuses_what_aws_refuses(embedded_aws: EmbeddedAws) -> None:
    client = embedded_aws.client("apigatewayv2")
    assert refused(lambda: client.create_api(Name="x", ProtocolType="WEBSOCKET")) == "BadRequestException"
    api_id = create_api(embedded_aws).split("/")[-2]
    integration = client.create_integration(ApiId=api_id, IntegrationType="MOCK")["IntegrationId"]
    client.create_route(ApiId=api_id, RouteKey="ping", Target=f"integrations/{integration}")
    for call, code in (
        (lambda: client.create_route(ApiId=api_id, RouteKey="ping"), "ConflictException"),
        (lambda: client.create_stage(ApiId=api_id, StageName="production"), "ConflictException"),
        (
            lambda: client.create_stage(ApiId=api_id, StageName="s", DeploymentId="none"),
            "BadRequestException",
        ),
        (
            lambda: client.update_stage(ApiId=api_id, StageName="production", DeploymentId="none"),
            "BadRequestException",
        ),
        (lambda: client.delete_integration(ApiId=api_id, IntegrationId=integration), "ConflictException"),
        (
            lambda: client.create_integration(ApiId=api_id, IntegrationType="MOCK", TimeoutInMillis=40_000),
            "BadRequestException",
        ),
    ):
        assert refused(call) == code
    deployment = client.create_deployment(ApiId=api_id)["DeploymentId"]
    client.update_stage(ApiId=api_id, StageName="production", DeploymentId=deployment)


# --- the command line -------------------------------------------------------------------------------------------------


def cli(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "whatschat_ops", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)


def test_status_shows_the_running_service_as_json(embedded_aws: EmbeddedAws) -> None:
    done = cli(embedded_aws.environment(), "local", "status", "--json")
    document = json.loads(done.stdout)
    assert (document["running"], document["pid"], document["port"]) == (
        True,
        embedded_aws.pid,
        embedded_aws.port,
    )
    assert 0 < document["memory_mb"] < 1000


def test_env_can_be_evaluated_by_a_shell(embedded_aws: EmbeddedAws) -> None:
    done = cli(embedded_aws.environment(), "local", "env")
    script = f'{done.stdout}\necho "$AWS_ENDPOINT_URL $AWS_ACCESS_KEY_ID $AWS_DISABLE_HOST_PREFIX_INJECTION"'
    shell = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)
    assert shell.stdout.split() == [embedded_aws.endpoint_url, embedded_aws.access_key_id, "true"]


def test_commands_without_a_running_service_report_it(tmp_path: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "WHATSCHAT_OPS_STATE_DIR": str(tmp_path / "none"),
        "NO_COLOR": "1",
    }
    assert "is not running" in cli(environment, "local", "status").stdout
    assert "is not running" in cli(environment, "local", "stop").stdout
    asked = cli(environment, "local", "reset")
    assert asked.returncode == 2
    assert "--yes" in asked.stderr


def test_damaged_state_is_named_and_not_overwritten(own_aws: EmbeddedAws) -> None:
    name = "aws/apigateway.json"
    own_aws.client("apigatewayv2").create_api(
        Name="x", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.type"
    )
    service.stop()
    [file] = own_aws.state_directory.rglob(name)
    file.write_text("garbage", encoding="utf-8")

    with pytest.raises(LocalError, match="damaged") as caught:
        service.ensure_running(port=own_aws.port, say=lambda _: None)

    assert "Traceback" not in caught.value.message and "local reset" in str(caught.value.hint)
    assert file.read_text(encoding="utf-8") == "garbage"
