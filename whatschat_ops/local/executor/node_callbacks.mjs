// Leads a function's TLS connections to the APIs of the embedded AWS to it, and names other hosts of AWS in its log.
//
// On AWS, functions post to connections at `https://{domainName}/{stage}`. Names of that form do not resolve to this
// machine, and the embedded AWS has no certificate for them: here the connection goes to its port, without TLS.
// `https`, `fetch` and the AWS SDK all call tls.connect. It is replaced when `tls` has been loaded, and not before:
// loading it takes a tenth of a cold start.

import { readFileSync } from 'node:fs';
import Module, { createRequire, syncBuiltinESMExports } from 'node:module';
import net from 'node:net';

const AWS_DOMAIN = /\.(amazonaws\.com(\.cn)?|api\.aws|on\.aws)$/;
const USES_TLS = /^(node:)?(tls|https|http2)$/;
const require = createRequire(import.meta.url);
const reported = new Set();
let settings;
let isReplaced = false;
let searchedModules = 0;

function isOwn(host) {
  if (!AWS_DOMAIN.test(host)) return false;
  try { return readFileSync(settings.hostsFile, 'ascii').split('\n').includes(host); } catch { return false; }
}

function connectWithoutTls(callback) {
  const socket = net.connect({ host: settings.host, port: settings.port });
  Object.assign(socket, {
    encrypted: true,
    authorized: true,
    alpnProtocol: false,
    getPeerCertificate: () => ({}),
    getProtocol: () => 'TLSv1.3',
    getSession: () => undefined,
    isSessionReused: () => false,
  });
  socket.once('connect', () => socket.emit('secureConnect'));
  if (callback) socket.once('secureConnect', callback);
  return socket;
}

function replaceTlsConnect() {
  if (isReplaced) return;
  isReplaced = true;
  const tls = require('tls');
  const { connect } = tls;
  tls.connect = (...values) => {
    const [options, callback] = net._normalizeArgs(values);
    const leadsHere = !options.socket && isOwn(options.host ?? options.servername ?? '');
    return leadsHere ? connectWithoutTls(callback) : connect(...values);
  };
  syncBuiltinESMExports();
}

// A module has been loaded, or an event is about to be handled.
export function lookForTls() {
  const modules = process.moduleLoadList;
  if (isReplaced || modules.length === searchedModules) return;
  searchedModules = modules.length;
  if (modules.includes('NativeModule tls')) replaceTlsConnect();
}

function connectSocket(connect, socket, values) {
  const [{ host = '' }] = Array.isArray(values[0]) ? values[0] : net._normalizeArgs(values);
  if (socket.encrypted && isOwn(host)) { // `tls` was loaded by an import() during this event; clients retry
    replaceTlsConnect();
    process.nextTick(() => socket.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })));
    return socket;
  }
  if (AWS_DOMAIN.test(host) && !reported.has(host)) {
    reported.add(host);
    process.stderr.write(`WARN\tThe function connects to ${host}: that is AWS, not the embedded AWS.\n`);
  }
  return Reflect.apply(connect, socket, values);
}

// `host` and `port` are those of the embedded AWS; `hostsFile` names its APIs' hosts, one a line.
export function installCallbacks({ host, port, hostsFile }) {
  settings = { host, port, hostsFile };
  const { connect } = net.Socket.prototype;
  net.Socket.prototype.connect = function (...values) { return connectSocket(connect, this, values); };
  const load = Module._load;
  Module._load = function (name, ...rest) {
    const loaded = Reflect.apply(load, this, [name, ...rest]);
    if (USES_TLS.test(name)) replaceTlsConnect();
    return loaded;
  };
  const { fetch } = globalThis;
  globalThis.fetch = (...values) => { // it loads `tls` when it connects
    replaceTlsConnect();
    return fetch(...values);
  };
}
