"use strict";

// One page is one device. Whatever comes from the server is put into the page as text, never as HTML.

const $ = (id) => document.getElementById(id);

const people = new Map();    // user -> {user, name, online, unread, notes}
let me = null;               // what authx:session said
let current = null;          // the user whose conversation is open

const socket = io({
  path: "/ws/socket.io/",
  // Asked again at each connection, so a new login is taken up by itself.
  auth: (answer) => answer({ csrf_token: cookie("csrf_access_token") }),
});

function cookie(name) {
  const found = document.cookie.split("; ").find((pair) => pair.startsWith(`${name}=`));
  return found ? decodeURIComponent(found.slice(name.length + 1)) : undefined;
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// --- the connection --------------------------------------------------------------------------------------

const LOG_IN_AGAIN = ["missing_token", "invalid_token", "token_expired", "token_revoked", "csrf_failed"];

function showState(state, sentence) {
  $("state").dataset.state = state;
  $("state").textContent = sentence;
}

socket.on("connect", () => showState("connected", "Connected"));

socket.on("disconnect", () => showState("connecting", "Connection lost"));

socket.on("connect_error", (error) => {
  const refusal = error.data;
  if (LOG_IN_AGAIN.includes(refusal?.code)) logInAgain(refusal.code);
  else if (refusal) showState("refused", `${error.message} (${refusal.code})`);
  else showState("connecting", "Reconnecting");
});

// The server closes the connection next, and says why. Another tab may hold a new cookie by now.
socket.on("authx:closing", ({ code, retry }) => {
  if (retry) socket.once("disconnect", () => socket.connect());
  else if (LOG_IN_AGAIN.includes(code)) logInAgain(code);
});

function logInAgain(code) {
  location.replace(`/login?because=${code}`);
}

// Stay logged in: take a new cookie, and have the open connection take it over.
socket.on("authx:expiring", async () => {
  try {
    if ((await post("/renew")).ok) await post("/ws/refresh", { key: me.key });
  } catch {
    // The server cannot be reached: the connection is lost as well, and looks for it again.
  }
});

function post(path, body = {}) {
  return fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-TOKEN": cookie("csrf_access_token") ?? "" },
    body: JSON.stringify(body),
  });
}

socket.on("authx:session", async (session) => {
  me = session;
  $("my-name").textContent = me.user;
  dress($("my-avatar"), me.user);
  $("my-tags").replaceChildren(
    ...me.roles.map((role) => element("span", "tag strong", role)),
    ...me.scopes.map((scope) => element("span", "tag", scope)),
  );
  await Promise.all([loadPeople(), loadDevices()]);
});

// The answer of an event is its value, or {error: {code, message, details}}.
async function ask(event, ...args) {
  const answer = await socket.timeout(8000).emitWithAck(event, ...args);
  if (answer?.error) throw Object.assign(new Error(answer.error.message), answer.error);
  return answer;
}

function sentence(error) {
  if (!error.code) return "No answer from the server";
  return `${error.message} (${error.code})`;
}

let hiding = 0;

function showDenial(error) {
  $("denial").textContent = sentence(error);
  $("denial").hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => ($("denial").hidden = true), 6000);
}

// --- people ----------------------------------------------------------------------------------------------

async function loadPeople() {
  const [contacts, notes] = await Promise.all([ask("people"), ask("history")]);
  people.clear();
  for (const contact of contacts) people.set(contact.user, { ...contact, unread: 0, notes: [] });
  for (const note of notes) with_(note)?.notes.push(note);
  showPeople();
  showTalk();
}

// The person at the other end of a message.
function with_(note) {
  return people.get(note.sender === me.user ? note.to : note.sender);
}

function dress(avatar, user, online) {
  avatar.textContent = user[0].toUpperCase();
  avatar.dataset.of = user;
  if (online === undefined) delete avatar.dataset.online;
  else avatar.dataset.online = online;
  avatar.hidden = false;
}

function showPeople() {
  $("people").replaceChildren(...[...people.values()].map((person) => {
    const avatar = element("span", "avatar");
    avatar.setAttribute("aria-hidden", "true");
    dress(avatar, person.user, person.online);
    const words = element("span", "grow");
    const last = person.notes.at(-1);
    words.append(
      element("b", "", person.name),
      element("small", "", last ? last.text : person.online ? "Online" : "Offline"),
    );
    const button = element("button");
    button.type = "button";
    button.dataset.user = person.user;
    button.setAttribute("aria-current", String(person.user === current));
    button.append(avatar, words);
    if (person.unread) {
      const badge = element("span", "unread", person.unread);
      badge.setAttribute("aria-label", `${person.unread} unread`);
      button.append(badge);
    }
    button.addEventListener("click", () => open(person.user));
    const item = element("li");
    item.append(button);
    return item;
  }));
}

socket.on("presence", ({ user, online }) => {
  if (user === me?.user) return loadDevices();
  const person = people.get(user);
  if (!person) return;
  person.online = online;
  showPeople();
  showTalkHead();
});

// --- the conversation ------------------------------------------------------------------------------------

function open(user) {
  current = user;
  people.get(user).unread = 0;
  document.body.dataset.pane = "talk";
  showPeople();
  showTalk();
  if (matchMedia("(hover: hover)").matches) $("text").focus();
}

function showTalkHead() {
  const person = people.get(current);
  if (!person) return;
  $("talk-name").textContent = person.name;
  $("talk-state").textContent = person.online ? "Online" : "Offline";
  dress($("talk-avatar"), person.user, person.online);
}

function showTalk() {
  const person = people.get(current);
  $("compose").hidden = !person;
  if (!person) return;
  showTalkHead();
  $("log").replaceChildren(...person.notes.map(bubble));
  if (!person.notes.length) $("log").append(element("li", "empty", `Nothing yet. Say hello to ${person.name}.`));
  $("log").scrollTop = $("log").scrollHeight;
}

const clock = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit" });

function bubble(note) {
  const mine = note.sender === me.user;
  const item = element("li", `message${mine ? " mine" : ""}${note.error ? " failed" : ""}`);
  item.dataset.id = note.id;
  const when = note.sent_at ? clock.format(note.sent_at * 1000) : "Sending";
  let line = when;
  if (note.error) line = `Not sent: ${note.error}`;
  else if (note.devices !== undefined) line = `${when} · ${reached(note.devices)}`;
  item.append(element("div", "bubble", note.text), element("small", "", line));
  return item;
}

function reached(devices) {
  if (devices === 0) return "not connected now";
  return devices === 1 ? "on 1 device" : `on ${devices} devices`;
}

// A message is known by its id: one's own comes back to every device, the sending one included.
function take(note) {
  const person = with_(note);
  if (!person) return;
  const known = person.notes.find((other) => other.id === note.id);
  if (known) Object.assign(known, note);
  else person.notes.push(note);
  const seen = person.user === current && document.body.dataset.pane === "talk";
  if (!known && note.sender !== me.user && !seen) person.unread += 1;
  showPeople();
  if (person.user === current) showTalk();
}

socket.on("message", take);

$("compose").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text || !current) return;
  $("text").value = "";
  const note = { id: makeId(), sender: me.user, to: current, text };
  take(note);
  try {
    const receipt = await ask("message", { id: note.id, to: note.to, text });
    take({ ...note, ...receipt });
  } catch (error) {
    take({ ...note, error: sentence(error) });
  }
});

function makeId() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

$("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("compose").requestSubmit();
});

$("back").addEventListener("click", () => {
  document.body.dataset.pane = "list";
});

// --- announcements, devices, the way out -----------------------------------------------------------------

socket.on("announcement", ({ sender, text }) => {
  $("banner").querySelector("p").textContent = `${sender}: ${text}`;
  $("banner").hidden = false;
});

$("banner").querySelector("button").addEventListener("click", () => {
  $("banner").hidden = true;
});

$("announce").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = $("announcement").value.trim();
  if (!text) return;
  try {
    await ask("announce", text);
    $("announcement").value = "";
  } catch (error) {
    showDenial(error);
  }
});

async function loadDevices() {
  const devices = await ask("devices");
  $("devices").replaceChildren(...devices.map((device) => {
    const item = element("li");
    const words = element("span", "grow");
    words.append(
      element("b", "", browserName(device.browser)),
      element("small", "", `since ${clock.format(device.connected_at * 1000)}`),
    );
    item.append(words);
    if (device.current) item.append(element("span", "tag strong", "this one"));
    return item;
  }));
}

function browserName(agent) {
  const name = [["Edg/", "Edge"], ["Firefox/", "Firefox"], ["Chrome/", "Chrome"], ["Safari/", "Safari"]]
    .find(([mark]) => agent.includes(mark))?.[1] ?? "A client";
  const system = [["Android", "Android"], ["iPhone", "iPhone"], ["Mac OS", "macOS"], ["Windows", "Windows"], ["Linux", "Linux"]]
    .find(([mark]) => agent.includes(mark))?.[1];
  return system ? `${name} on ${system}` : name;
}

async function logOut(path) {
  socket.disconnect();
  try {
    if ((await post(path)).status >= 500) throw new Error();
  } catch {
    // Not logged out, and not pretending to be.
    socket.connect();
    return showDenial({});
  }
  location.replace("/login");
}

$("log-out").addEventListener("click", () => logOut("/logout"));
$("log-out-everywhere").addEventListener("click", () => logOut("/logout-everywhere"));
