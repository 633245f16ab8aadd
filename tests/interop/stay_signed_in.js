"use strict";

// The recipe of docs/protocol.md, once for each namespace, each on a transport of its own. What it asks of its page
// it asks of the test: {wants: "token"} is answered by {token} (null when the login is over) or by {offline: true}.

const { readFileSync } = require("node:fs");
const { io } = require("socket.io-client");

const [recipe, url, ...namespaces] = process.argv.slice(2);
const staySignedIn = new Function("io", `${readFileSync(recipe)}; return staySignedIn;`)(io);
const asked = {};

for (const at of namespaces) {
  const tell = (value) => console.log(JSON.stringify({ at, ...value }));
  const getToken = () => new Promise((resolve, reject) => {
    asked[at] = { resolve, reject };
    tell({ wants: "token" });
  });
  const goToLogin = (code = null) => tell({ goToLogin: code });
  const giveUp = (code) => tell({ giveUp: code });
  const options = { forceNew: true, reconnectionDelay: 50 };
  const socket = staySignedIn(`${url}${at}`, { getToken, goToLogin, giveUp, ...options });
  socket.on("connect", () => tell({ connect: socket.id }));
  socket.on("disconnect", (reason) => tell({ disconnect: reason }));
}

require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { at, offline, token } = JSON.parse(line);
  if (offline) asked[at].reject(new Error("offline"));
  else asked[at].resolve(token);
});
