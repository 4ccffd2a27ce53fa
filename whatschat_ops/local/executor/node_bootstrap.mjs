// Starts a Node function the way AWS's runtime does, and serves it from the Lambda Runtime API.
//
// Arguments: the handler, "folder/file.export", and what node_callbacks.mjs needs (JSON). CommonJS and ES modules, async
// and callback handlers. Not here: response streaming. The AWS SDK, which AWS's runtime brings, is lent by the executor (node_sdk.py) or in the zip.
// Behaviour: Lambda guide, "nodejs-handler", "nodejs-context", "nodejs-logging", "nodejs-exceptions", and the source of
// AWS's client (aws/aws-lambda-nodejs-runtime-interface-client).

import { existsSync, readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { format } from 'node:util';
import { Worker } from 'node:worker_threads';
import { installCallbacks, lookForTls } from './node_callbacks.mjs';

const [HOST, PORT] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const API_PATH = '/2018-06-01/runtime';
const AGENT = new Agent({ keepAlive: true, maxSockets: 1 });
const ROOT = process.env.LAMBDA_TASK_ROOT;
const NODE_MAJOR = Number(/nodejs(\d+)/.exec(process.env.AWS_EXECUTION_ENV)?.[1]); // of AWS's runtime, not of this one
const WITHOUT_CALLBACKS = 24;

class RuntimeError extends Error {
  constructor(type, message, cause) {
    super(message);
    this.name = `Runtime.${type}`;
    if (cause?.stack) this.stack = cause.stack;
  }
}

// ---- the end of the parent: its end of stdin closes, in a thread so that a busy handler cannot miss it

function endWithChildren() {
  try { process.kill(-process.pid, 'SIGKILL'); } catch { process.kill(process.pid, 'SIGKILL'); }
}

function endWithParent() {
  const source = `
    const { readSync } = require('node:fs');
    const byte = Buffer.alloc(1);
    try { while (readSync(0, byte) > 0); } catch { /* closed is closed */ }
    (${endWithChildren})();`;
  new Worker(source, { eval: true, stdin: false, env: {} }).unref();
}

// ---- the Runtime API

function call(method, route, body, headers = {}) {
  return new Promise((resolve) => {
    const length = body === undefined ? {} : { 'Content-Length': Buffer.byteLength(body) };
    const sent = request({
      method,
      host: HOST,
      port: PORT,
      path: API_PATH + route,
      agent: AGENT,
      headers: { 'Content-Type': 'application/json', ...length, ...headers },
    }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => resolve({ headers: response.headers, body: Buffer.concat(chunks).toString() }));
      response.on('error', endWithChildren);
    });
    sent.on('error', endWithChildren); // the API is gone, and the end of stdin may be noticed only after that
    sent.end(body);
  });
}

function errorDocument(error) {
  if (error instanceof Error || (error?.name && error?.message && typeof error?.stack === 'string')) {
    return { errorType: error.name, errorMessage: error.message, trace: (error.stack ?? '').split('\n') };
  }
  return { errorType: typeof error, errorMessage: String(error), trace: [] };
}

function postError(route, error) {
  const document = errorDocument(error);
  return call('POST', route, JSON.stringify(document), { 'Lambda-Runtime-Function-Error-Type': document.errorType });
}

// ---- console: "time TAB request id TAB LEVEL TAB message", or JSON; one event even when it has several lines

const AS_JSON = process.env.AWS_LAMBDA_LOG_FORMAT === 'JSON';
const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];
const LOWEST = Math.max(0, LEVELS.indexOf(process.env.AWS_LAMBDA_LOG_LEVEL));
let requestId;

function log(level, ...values) {
  if (LEVELS.indexOf(level) < LOWEST) return;
  const time = new Date().toISOString();
  const line = AS_JSON ? jsonLine(time, level, values) : `${time}\t${requestId}\t${level}\t${format(...values)}`;
  process.stdout.write(`${line.replaceAll('\n', '\r')}\n`);
}

function describeError(error) {
  return { errorType: error.constructor?.name ?? 'UnknownError', errorMessage: error.message, stackTrace: (error.stack ?? '').split('\n') };
}

function jsonLine(timestamp, level, values) {
  const line = { timestamp, level, requestId };
  if (values.length === 1) {
    try {
      const replacer = (_, value) => (value instanceof Error ? { ...describeError(value), ...value } : value);
      return JSON.stringify({ ...line, message: values[0] }, replacer);
    } catch { /* not JSON: as text */ }
  }
  const error = values.length > 1 && values.find((value) => value instanceof Error);
  return JSON.stringify({ ...line, message: format(...values), ...(error ? describeError(error) : {}) });
}

function patchConsole() {
  const levels = { log: 'INFO', info: 'INFO', warn: 'WARN', error: 'ERROR', debug: 'DEBUG', trace: 'TRACE', fatal: 'FATAL' };
  for (const [method, level] of Object.entries(levels)) {
    console[method] = (...values) => log(level, ...values);
  }
}

function logError(title, error) {
  if (AS_JSON) {
    log('ERROR', error instanceof Error ? error : new Error(String(error)));
    return;
  }
  const document = errorDocument(error);
  const own = error instanceof Error ? { ...error } : {};
  const { trace, ...rest } = document;
  log('ERROR', `${title} \t${JSON.stringify({ ...rest, ...own, stack: trace })}`);
}

// ---- the function

function isModuleFolder(folder) {
  const file = path.join(folder, 'package.json');
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')).type === 'module';
  const parent = path.dirname(folder);
  return folder !== ROOT && parent !== folder && isModuleFolder(parent);
}

function loadModule(name) {
  const base = path.resolve(ROOT, name);
  const require = createRequire(path.join(ROOT, 'index.js'));
  const importModule = (extension) => import(pathToFileURL(base + extension).href);
  const isModule = isModuleFolder(path.dirname(base));
  if (existsSync(`${base}.js`)) return isModule ? importModule('.js') : require(`${base}.js`);
  if (existsSync(`${base}.mjs`)) return importModule('.mjs');
  if (existsSync(`${base}.cjs`)) return require(`${base}.cjs`);
  return require(require.resolve(name, { paths: [ROOT] }));
}

function explain(error) {
  const sdk = /'(@aws-sdk|@smithy|aws-sdk)\b/.test(error.message);
  const hint = "(AWS's Node.js runtime brings the AWS SDK; here it must be in the zip, or in the directory of the setting local.node_modules)";
  return sdk ? `${error.message}\n${hint}` : error.message;
}

async function loadHandler(handler) {
  const match = /^((?:.*\/)?[^./]*)\.([^/]+)$/.exec(handler);
  if (handler.includes('..')) {
    throw new RuntimeError('MalformedHandlerName', `'${handler}' is not a valid handler name.`);
  }
  if (!match) throw new RuntimeError('MalformedHandlerName', 'Bad handler');
  let loaded;
  try {
    loaded = await loadModule(match[1]);
  } catch (error) {
    if (error instanceof SyntaxError) throw new RuntimeError('UserCodeSyntaxError', `SyntaxError: ${error.message}`, error);
    if (error?.code === 'MODULE_NOT_FOUND' || error?.code === 'ERR_MODULE_NOT_FOUND') {
      throw new RuntimeError('ImportModuleError', `Error: ${explain(error)}`, error);
    }
    throw error;
  }
  const found = match[2].split('.').reduce((value, key) => value?.[key], loaded);
  if (!found) throw new RuntimeError('HandlerNotFound', `${handler} is undefined or not exported`);
  if (typeof found !== 'function') throw new RuntimeError('HandlerNotFound', `${handler} is not a function`);
  if (NODE_MAJOR >= WITHOUT_CALLBACKS && found.length >= 3) {
    throw new RuntimeError('CallbackHandlerDeprecated', 'ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. You need to modify this function to use a supported handler signature to use Node.js 24 or later. For more information see https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.');
  }
  return found;
}

// ---- invocations

let whenLoopIsEmpty = null;
let failCurrent = null;

function serialize(value) {
  try {
    return JSON.stringify(value === undefined ? null : value);
  } catch {
    throw new Error('Unable to stringify response body');
  }
}

function makeContext(headers, settle) {
  const deadlineMs = Number(headers['lambda-runtime-deadline-ms']);
  const clientContext = headers['lambda-runtime-client-context'];
  const callbacks = {
    callbackWaitsForEmptyEventLoop: true,
    done: (error, value) => settle(error, value),
    fail: (error) => settle(error ?? 'handled'),
    succeed: (value) => settle(null, value),
  };
  return {
    ...(NODE_MAJOR >= WITHOUT_CALLBACKS ? {} : callbacks),
    clientContext: clientContext === undefined ? undefined : JSON.parse(clientContext),
    identity: undefined,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    getRemainingTimeInMillis: () => Math.max(0, deadlineMs - Date.now()),
  };
}

// Resolves when the function has said what its answer is: { error } or { value }.
function runHandler(handler, event, headers) {
  return new Promise((resolve) => {
    const settle = (error, value) => resolve(error === null || error === undefined ? { value } : { error });
    const context = makeContext(headers, settle);
    // A handler that calls back is done when nothing is left to do, unless it says otherwise.
    const callback = (error, value) => {
      if (context.callbackWaitsForEmptyEventLoop) whenLoopIsEmpty = () => settle(error, value);
      else settle(error, value);
    };
    const isAsync = handler.constructor.name === 'AsyncFunction';
    whenLoopIsEmpty = () => {
      if (!isAsync) settle(null, null);
      else resolve({ error: new RuntimeError('NodeJsExit', 'The Lambda runtime client detected an unexpected exit code.') });
    };
    failCurrent = (error) => resolve({ error, fatal: true });
    try {
      const result = handler(event, context, callback);
      if (typeof result?.then === 'function') result.then((value) => settle(null, value), (error) => settle(error ?? 'handled'));
    } catch (error) {
      settle(error ?? 'handled');
    }
  });
}

async function serveOne(handler) {
  const { headers, body } = await call('GET', '/invocation/next');
  lookForTls();
  requestId = headers['lambda-runtime-aws-request-id'];
  process.env._X_AMZN_TRACE_ID = headers['lambda-runtime-trace-id'];
  const route = `/invocation/${requestId}`;
  let outcome = await runHandler(handler, JSON.parse(body), headers);
  whenLoopIsEmpty = failCurrent = null;
  let answer;
  try {
    answer = 'error' in outcome ? undefined : serialize(outcome.value);
  } catch (error) {
    outcome = { error };
  }
  if (answer !== undefined) {
    await call('POST', `${route}/response`, answer);
    return;
  }
  if (!outcome.fatal) logError('Invoke Error', outcome.error);
  await postError(`${route}/error`, outcome.error);
  if (outcome.fatal) process.exit(129);
}

async function main() {
  endWithParent();
  installCallbacks(JSON.parse(process.argv[3]));
  patchConsole();
  const fatal = (title, error) => {
    logError(title, error);
    if (failCurrent) failCurrent(error);
    else postError('/init/error', error).finally(() => process.exit(129));
  };
  process.on('uncaughtException', (error) => fatal('Uncaught Exception', error));
  process.on('unhandledRejection', (reason) => {
    const message = reason instanceof Error ? `${reason.name}: ${reason.message}` : String(reason);
    fatal('Unhandled Promise Rejection', new RuntimeError('UnhandledPromiseRejection', message, reason));
  });
  process.on('beforeExit', () => whenLoopIsEmpty?.());
  let handler;
  try {
    handler = await loadHandler(process.argv[2]);
  } catch (error) {
    logError('Uncaught Exception', error);
    await postError('/init/error', error);
    process.exit(129);
  }
  for (;;) await serveOne(handler);
}

await main();
