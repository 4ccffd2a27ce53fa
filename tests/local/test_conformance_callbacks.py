"""Functions reach the APIs of the embedded AWS under the names that AWS gives them, as its samples do, with their own
clients of Python and Node.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from tests.component.local.executor_functions import make_zip
from tests.local.conftest import EmbeddedAws
from tests.local.program import eventually
from whatschat_ops.local.executor import python_callbacks
from whatschat_ops.local.layout import HOST

pytestmark = [
    pytest.mark.local,
    pytest.mark.aws(
        "https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html"
    ),
]
NAME = "callbacks"
PYTHON = """
import asyncio, http.client, json, os, socket, ssl, urllib.request
import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

def handler(event, context):
    if event["requestContext"]["eventType"] != "MESSAGE":
        return {"statusCode": 200}
    order = json.loads(event["body"])
    where = event["requestContext"]
    endpoint = os.environ["ENDPOINT"] if order["url"] == "output" else f"https://{where['domainName']}/{where['stage']}"
    globals()[order["client"]](endpoint, where["connectionId"], order["client"].encode())
    return {"statusCode": 200}

def botocore(endpoint, connection, data):
    client = boto3.client("apigatewaymanagementapi", endpoint_url=endpoint)
    client.post_to_connection(ConnectionId=connection, Data=data)

def signed(endpoint, connection, data):
    url = f"{endpoint}/@connections/{connection}"
    request = AWSRequest("POST", url.replace("=", "%3D"), data=data)
    SigV4Auth(boto3.Session().get_credentials(), "execute-api", os.environ["AWS_REGION"]).add_auth(request)
    return request.prepare()

def http_client(endpoint, connection, data):
    request = signed(endpoint, connection, data)
    host, path = request.url.removeprefix("https://").split("/", 1)
    connection = http.client.HTTPSConnection(host)
    connection.request("POST", "/" + path, data, dict(request.headers))
    assert connection.getresponse().status == 200

def urllib_request(endpoint, connection, data):
    request = signed(endpoint, connection, data)
    urllib.request.urlopen(urllib.request.Request(request.url, data, dict(request.headers)))

def as_text(endpoint, connection, data):
    request = signed(endpoint, connection, data)
    host, path = request.url.removeprefix("https://").split("/", 1)
    headers = {"Host": host, "Content-Length": len(data), "Connection": "close", **request.headers}
    lines = [f"POST /{path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return host, "\\r\\n".join(lines).encode() + data

async def exchange(streams, text):
    reader, writer = streams
    writer.write(text)
    await writer.drain()
    assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
    writer.close()
    await writer.wait_closed()

# As aiohttp does.
def asyncio_connection(endpoint, connection, data):
    async def run():
        host, text = as_text(endpoint, connection, data)
        await exchange(await asyncio.open_connection(host, 443, ssl=ssl.create_default_context()), text)
    asyncio.run(run())

# As anyio does: the address that was looked up with a port of its own, and TLS of buffers on the connection.
def asyncio_buffers(endpoint, connection, data):
    async def run():
        host, text = as_text(endpoint, connection, data)
        found = await asyncio.get_running_loop().getaddrinfo(host.encode(), None, type=socket.SOCK_STREAM)
        reader, writer = await asyncio.open_connection(found[0][4][0], 443)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=host.encode())
        tls.do_handshake()
        tls.write(text)
        writer.write(outgoing.read())
        answer = bytearray(15)
        while True:
            try:
                assert tls.read(15, answer) and answer.startswith(b"HTTP/1.1 200 ")
                break
            except ssl.SSLWantReadError:
                incoming.write(await reader.read(4096))
        writer.close()
    asyncio.run(run())
"""
NODE = """
const https = require('https');
const { createHash, createHmac } = require('crypto');

const hash = (text) => createHash('sha256').update(text).digest('hex');
const hmac = (key, text) => createHmac('sha256', key).update(text).digest();

function sign({ host, pathname }, body) {
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: token, AWS_REGION: region } = process.env;
  const date = new Date().toISOString().replace(/[-:]|\\.\\d+/g, '');
  const scope = `${date.slice(0, 8)}/${region}/execute-api/aws4_request`;
  const names = 'host;x-amz-date;x-amz-security-token';
  const canonicalPath = pathname.split('/').map(encodeURIComponent).join('/');
  const canonical = ['POST', canonicalPath, '', `host:${host}`, `x-amz-date:${date}`, `x-amz-security-token:${token}`,
    '', names, hash(body)].join('\\n');
  const key = [date.slice(0, 8), region, 'execute-api', 'aws4_request'].reduce(hmac, `AWS4${secret}`);
  const signature = hmac(key, ['AWS4-HMAC-SHA256', date, scope, hash(canonical)].join('\\n')).toString('hex');
  return { host, 'x-amz-date': date, 'x-amz-security-token': token,
    authorization: `AWS4-HMAC-SHA256 Credential=${id}/${scope}, SignedHeaders=${names}, Signature=${signature}` };
}

const clients = {
  https: (url, headers, body) => new Promise((resolve, reject) => {
    const sent = https.request(url, { method: 'POST', headers }, (response) => resolve(response.statusCode));
    sent.on('error', reject);
    sent.end(body);
  }),
  fetch: async (url, headers, body) => (await fetch(url, { method: 'POST', headers, body })).status,
};

exports.handler = async (event) => {
  const where = event.requestContext;
  const order = JSON.parse(event.body);
  const endpoint = order.url === 'output' ? process.env.ENDPOINT : `https://${where.domainName}/${where.stage}`;
  const url = new URL(`${endpoint}/@connections/${encodeURIComponent(where.connectionId)}`);
  const status = await clients[order.client](url, sign(url, order.client), order.client);
  if (status !== 200) throw new Error(`status ${status}`);
  return { statusCode: 200 };
};
"""
ENDPOINT = {"Fn::Sub": "https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}/production"}
INVOCATIONS = "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${NAME.Arn}/invocations"
LOG_ACTIONS = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
ROLE = {
    "AssumeRolePolicyDocument": {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    },
    "Policies": [
        {
            "PolicyName": "callbacks",
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": ["execute-api:ManageConnections", *LOG_ACTIONS],
                        "Resource": "*",
                    }
                ],
            },
        }
    ],
}


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{kind}", "Properties": properties}


def function_and_route(name: str, runtime: str, code: str, handler: str) -> dict[str, Any]:
    """The resources of a route of that name."""
    arn = {"Fn::GetAtt": [name, "Arn"]}
    return {
        name: resource(
            "Lambda::Function",
            FunctionName=f"{NAME}-{name}",
            Runtime=runtime,
            Handler=handler,
            Role={"Fn::GetAtt": ["Role", "Arn"]},
            Code={"ZipFile": code},
            Timeout=60,
            Environment={"Variables": {"ENDPOINT": ENDPOINT}},
        ),
        f"{name}Permission": resource(
            "Lambda::Permission",
            FunctionName=arn,
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
        ),
        f"{name}Integration": resource(
            "ApiGatewayV2::Integration",
            ApiId={"Ref": "Api"},
            IntegrationType="AWS_PROXY",
            IntegrationUri={"Fn::Sub": INVOCATIONS.replace("NAME", name)},
        ),
        f"{name}Route": resource(
            "ApiGatewayV2::Route",
            ApiId={"Ref": "Api"},
            RouteKey=name,
            Target={"Fn::Sub": "integrations/${NAMEIntegration}".replace("NAME", name)},
        ),
    }


TEMPLATE = {
    "Resources": {
        "Role": resource("IAM::Role", **ROLE),
        "Api": resource(
            "ApiGatewayV2::Api",
            Name=NAME,
            ProtocolType="WEBSOCKET",
            RouteSelectionExpression="$request.body.runtime",
        ),
        "Stage": resource(
            "ApiGatewayV2::Stage", ApiId={"Ref": "Api"}, StageName="production", AutoDeploy=True
        ),
        **function_and_route("python", "python3.12", PYTHON, "index.handler"),
        **function_and_route("node", "nodejs20.x", NODE, "index.handler"),
    },
    "Outputs": {"Endpoint": {"Value": ENDPOINT}, "ApiId": {"Value": {"Ref": "Api"}}},
}


@pytest.fixture(scope="module")
def outputs(embedded_aws: EmbeddedAws) -> Iterator[dict[str, str]]:
    """The outputs of a stack that is deployed with CloudFormation."""
    cloudformation = embedded_aws.client("cloudformation")
    cloudformation.create_stack(
        StackName=NAME, TemplateBody=json.dumps(TEMPLATE), Capabilities=["CAPABILITY_IAM"]
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName=NAME)
    (stack,) = cloudformation.describe_stacks(StackName=NAME)["Stacks"]
    yield {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    cloudformation.delete_stack(StackName=NAME)


def test_outputs_have_the_names_of_aws(outputs: dict[str, str]) -> None:
    host = f"{outputs['ApiId']}.execute-api.us-east-1.amazonaws.com"
    assert outputs["Endpoint"] == f"https://{host}/production"


@pytest.mark.parametrize("url", ["domainName", "output"])
@pytest.mark.parametrize(
    ("runtime", "client"),
    [
        ("python", "botocore"),
        ("python", "http_client"),
        ("python", "urllib_request"),
        ("python", "asyncio_connection"),
        ("python", "asyncio_buffers"),
        ("node", "https"),
        ("node", "fetch"),
    ],
)
def test_post_to_the_address_that_aws_documents_reaches_the_client(
    embedded_aws: EmbeddedAws, outputs: dict[str, str], runtime: str, client: str, url: str
) -> None:
    if runtime == "node" and shutil.which("node") is None:
        pytest.skip("Node.js is not installed")
    address = f"ws://{HOST}:{embedded_aws.port}/_aws/execute-api/{outputs['ApiId']}/production"
    with connect(address, proxy=None) as socket:
        socket.send(json.dumps({"runtime": runtime, "client": client, "url": url}))
        assert socket.recv(timeout=60) == client


CALLS_AN_API = """
import urllib.request

def handler(event, context):
    with urllib.request.urlopen(event["url"]) as response:
        return response.read().decode()
"""


@pytest.fixture
def rest_url(embedded_aws: EmbeddedAws) -> Iterator[str]:
    """The address on AWS of a REST API that says "pong"."""
    gateway = embedded_aws.client("apigateway")
    api = gateway.create_rest_api(name=NAME)["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    method = {"restApiId": api, "resourceId": root, "httpMethod": "GET"}
    gateway.put_method(**method, authorizationType="NONE")
    gateway.put_integration(
        **method, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'}
    )
    gateway.put_method_response(**method, statusCode="200")
    answer = {"application/json": "pong"}
    gateway.put_integration_response(**method, statusCode="200", responseTemplates=answer)
    gateway.create_deployment(restApiId=api, stageName="production")
    yield f"https://{api}.execute-api.{embedded_aws.region}.amazonaws.com/production"
    gateway.delete_rest_api(restApiId=api)


@pytest.mark.aws("https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-call-api.html")
def test_function_calls_a_rest_api_at_its_address_on_aws(
    embedded_aws: EmbeddedAws, outputs: dict[str, str], rest_url: str
) -> None:
    functions, name = embedded_aws.client("lambda"), f"{NAME}-rest"
    role = functions.get_function_configuration(FunctionName=f"{NAME}-python")["Role"]
    functions.create_function(
        FunctionName=name,
        Runtime="python3.12",
        Handler="index.handler",
        Role=role,
        Timeout=60,
        Code={"ZipFile": make_zip({"index.py": CALLS_AN_API})},
    )
    functions.get_waiter("function_active_v2").wait(FunctionName=name)
    answer = functions.invoke(FunctionName=name, Payload=json.dumps({"url": rest_url}))
    assert json.loads(answer["Payload"].read()) == "pong"
    functions.delete_function(FunctionName=name)


# Neither asks a name server: the one only reads addresses, the other is aborted.
CONNECTS_TO_AWS = {
    "python": """
import socket
def handler(event, context):
    for host in event["hosts"] * 2:
        try:
            socket.getaddrinfo(host, 443, flags=socket.AI_NUMERICHOST)
        except OSError:
            pass
""",
    "node": """
const { connect } = require('net');
exports.handler = async ({ hosts }) => {
  for (const host of [...hosts, ...hosts]) connect({ host, port: 443, lookup() {} }).destroy();
};
""",
}


@pytest.mark.difference(
    "Lambda",
    aws="functions reach every service of AWS",
    here="only what is called with the SDK or at an API's own address is led to the embedded AWS; another host of AWS has a line in the log",
)
@pytest.mark.parametrize(("runtime", "file"), [("python", "index.py"), ("node", "index.js")])
def test_connection_to_aws_itself_has_a_line_in_the_log_once(
    embedded_aws: EmbeddedAws, outputs: dict[str, str], runtime: str, file: str
) -> None:
    if runtime == "node" and shutil.which("node") is None:
        pytest.skip("Node.js is not installed")
    name = f"{NAME}-{runtime}"
    functions = embedded_aws.client("lambda")
    functions.update_function_code(FunctionName=name, ZipFile=make_zip({file: CONNECTS_TO_AWS[runtime]}))
    functions.get_waiter("function_updated_v2").wait(FunctionName=name)
    hosts = ["sqs.us-east-1.amazonaws.com", "other12345.execute-api.us-east-1.amazonaws.com"]
    assert "FunctionError" not in functions.invoke(FunctionName=name, Payload=json.dumps({"hosts": hosts}))

    def lines() -> list[str]:
        events = embedded_aws.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        return [event["message"] for event in events if "connects to" in event["message"]]

    assert eventually(lines) == [
        f"WARN\tThe function connects to {host}: that is AWS, not the embedded AWS.\n" for host in hosts
    ]


LATE_IMPORT = """
import http from 'node:http';
import { writeFileSync } from 'node:fs';
const [callbacks, hostsFile, when] = process.argv.slice(2);
const { installCallbacks, lookForTls } = await import(callbacks);
const server = http.createServer((request, response) => response.end(request.headers.host)).listen(0, '127.0.0.1');
await new Promise((resolve) => server.once('listening', resolve));
const host = 'own1234567.execute-api.us-east-1.amazonaws.com';
writeFileSync(hostsFile, `${host}\\n`);
installCallbacks({ host: '127.0.0.1', port: server.address().port, hostsFile });
const { get } = await import('node:https');
if (when === 'before the event') lookForTls();
const ask = () => new Promise((resolve) => {
  get(`https://${host}/x`, (response) => response.on('data', (data) => resolve(`${data}`)))
    .on('error', (error) => resolve(error.code));
});
console.log(JSON.stringify([await ask(), await ask()]));
server.close();
server.closeAllConnections();
"""
OWN_HOST = "own1234567.execute-api.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("when", "answers"),
    [("before the event", [OWN_HOST, OWN_HOST]), ("during the event", ["ECONNRESET", OWN_HOST])],
)
def test_https_imported_by_an_es_module_is_led_here_too(
    tmp_path: Path, when: str, answers: list[str]
) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed")
    script = tmp_path / "late.mjs"
    script.write_text(LATE_IMPORT)
    callbacks = Path(python_callbacks.__file__).with_name("node_callbacks.mjs").as_uri()
    command = [node, str(script), callbacks, str(tmp_path / "hosts"), when]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout) == answers
