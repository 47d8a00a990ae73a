// Says who is signed in, and signs out: with the token for changes, which only a page of this server can read.
"use strict";

const who = document.getElementById("who");
const signIn = document.getElementById("sign-in");
const buttons = { "sign-out": false, "sign-out-everywhere": true };

function show(text, signedIn) {
  who.textContent = text;
  signIn.hidden = signedIn;
  for (const id of Object.keys(buttons)) document.getElementById(id).hidden = !signedIn;
}

async function look() {
  const answer = await fetch("/v1/session");
  if (answer.status === 401) return show("You are not signed in.", false);
  const me = await answer.json();
  if (!answer.ok) return show(me.detail, false);
  show(`You are signed in as ${me.who}, with the role ${me.role}.`, true);
  for (const [id, everywhere] of Object.entries(buttons)) {
    document.getElementById(id).onclick = async () => {
      const gone = await fetch("/v1/session", {
        method: "DELETE",
        headers: { "Content-Type": "application/json", "X-CSRF-Token": me.csrfToken },
        body: JSON.stringify({ everywhere }),
      });
      if (gone.ok || gone.status === 401) return show("You are signed out.", false);
      show((await gone.json()).detail, true);
    };
  }
}

look().catch(() => show("The server does not answer.", false));
