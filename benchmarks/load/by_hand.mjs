// The load test that one writes by hand with Node and `ws`: the same as by_hand.py, with the same arguments and output.
// Run where `ws` is installed: node by_hand.mjs URL TOKEN SOCKETS CONNECT_RATE INTERVAL DURATION
import { createRequire } from "node:module";
const WebSocket = createRequire(process.cwd() + "/")("ws");

const [url, token, ...numbers] = process.argv.slice(2);
const [sockets, rate, interval, duration] = numbers.map(Number);
const message = JSON.stringify({ type: "ping", filling: "x".repeat(170) });
const sleep = (ms) => new Promise((done) => setTimeout(done, Math.max(0, ms)));
const times = [];
const open = [];
let failed = 0;

function connect() {
  const socket = new WebSocket(url, { headers: { Authorization: `Bearer ${token}` }, perMessageDeflate: false });
  socket.on("open", () => open.push(socket));
  socket.on("error", () => (failed += 1));
  socket.on("message", () => times.push(performance.now() - socket.sentAt));
}

const began = performance.now();
for (let number = 0; number < sockets; number += 1) {
  await sleep(began + (number * 1000) / rate - performance.now());
  connect();
}
while (open.length + failed < sockets) await sleep(20);
const ramp = performance.now() - began;
const start = performance.now();
let turn = 0;
for (let due = 0; due < duration * 1000; turn += 1, due = (turn * interval * 1000) / sockets) {
  if (start + due > performance.now()) await sleep(start + due - performance.now());
  const socket = open[turn % open.length];
  socket.sentAt = performance.now();
  socket.send(message);
}
while (times.length < turn && performance.now() < start + (duration + 10) * 1000) await sleep(20);
console.log(JSON.stringify({ opened: open.length, ramp_s: ramp / 1000, failed, times }));
open.forEach((socket) => socket.close(1000));
