"use strict";

const form = document.getElementById("login");
const error = document.getElementById("error");

// Why the chat sent somebody here; only what is written down is shown.
const BECAUSE = {
  token_revoked: "You were logged out. Log in again to go on.",
  token_expired: "Your login has ended. Log in again to go on.",
};
const because = new URLSearchParams(location.search).get("because");
if (Object.hasOwn(BECAUSE, because)) {
  document.getElementById("notice").textContent = BECAUSE[because];
  document.getElementById("notice").hidden = false;
}

async function logIn(user, password) {
  error.hidden = true;
  let response;
  try {
    response = await fetch("/login", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ user, password }),
    });
  } catch {
    return complain("The server does not answer.");
  }
  if (response.ok) return location.assign("/");
  const body = await response.json();
  complain(typeof body.detail === "string" ? body.detail : "A name and a password are needed.");
}

function complain(sentence) {
  error.textContent = sentence;
  error.hidden = false;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  logIn(form.user.value.trim(), form.password.value);
});

for (const sample of document.querySelectorAll("[data-password]")) {
  sample.addEventListener("click", () => {
    form.user.value = sample.dataset.user;
    form.password.value = sample.dataset.password;
    logIn(sample.dataset.user, sample.dataset.password);
  });
}
