// Socket.IO of Node, with the login and the guard written by hand: `node server.js SECRET PORT`.
// What it has to do is written in ../wire/contract.py.
const http = require("http");
const jwt = require("jsonwebtoken");
const { Server } = require("socket.io");

const [secret, port] = process.argv.slice(2);
const ROOM = "everybody";
const SCOPE = "chat:write";
const news = (number) => ({ id: number, kind: "notice", text: "x".repeat(64), at: 1700000000.5 });
const turn = () => new Promise((resolve) => setImmediate(resolve));

const server = http.createServer();
const io = new Server(server);
let open = 0;

io.use((socket, next) => {
  try {
    const claims = jwt.verify(socket.handshake.auth.token, secret, { algorithms: ["HS256"] });
    socket.data = { user: claims.sub, claims };
    next();
  } catch {
    next(new Error("unauthorized"));
  }
});

io.on("connection", (socket) => {
  const { user, claims } = socket.data;
  socket.join([`user:${user}`, ...claims.rooms]);
  open += 1;
  socket.on("disconnect", () => {
    open -= 1;
  });
  socket.on("message", (data, answer) => {
    const { claims } = socket.data;
    if (claims.exp < Date.now() / 1000 || !claims.scopes.includes(SCOPE)) {
      answer({ error: "forbidden" });
    } else {
      answer(data);
    }
  });
  socket.on("to_room", (number, answer) => {
    io.to(ROOM).emit("news", news(number));
    answer(number);
  });
  socket.on("to_users", async ([users, emits], answer) => {
    for (let number = 0; number < emits; number += 1) {
      io.to(`user:${number % users}`).emit("news", news(number));
      await turn();
    }
    answer(emits);
  });
  socket.on("open", (answer) => answer(open));
});

server.listen({ port: Number(port), host: "127.0.0.1", backlog: 4096 });
