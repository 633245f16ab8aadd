"use strict";

// The unmodified JavaScript client. It connects with the options it is given, tells everything that happens,
// and emits what it is sent: {emit: [event, ...args]}, answered by {ack: [...]}.

const { io } = require("socket.io-client");

const [url, options] = process.argv.slice(2);
const tell = (value) => console.log(JSON.stringify(value));

const socket = io(url, { path: "/ws/socket.io/", reconnection: false, ...JSON.parse(options) });

socket.io.on("open", () => {
  const { engine } = socket.io;
  tell({ open: engine.transport.name });
  engine.on("upgrade", (transport) => tell({ upgrade: transport.name }));
});
socket.on("connect", () => tell({ connect: socket.id }));
socket.on("connect_error", (error) => tell({ connect_error: error.message, data: error.data }));
socket.on("disconnect", (reason) => tell({ disconnect: reason }));
socket.onAny((event, ...args) => tell({ event, args }));

require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { emit, disconnect } = JSON.parse(line);
  if (emit) socket.emit(...emit, (...ack) => tell({ ack }));
  if (disconnect) socket.disconnect();
});
