// Signs in with a real browser at a real provider, looks at what it may do, and tries what it must not. Every check is printed; the first
// that fails ends it. Waits are on what the page shows.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const [server, executablePath] = process.argv.slice(2);
const SESSION = "__Host-realmctl-session";
const LOGIN = "__Host-realmctl-login";

let checks = 0;
function ok(what) {
  checks += 1;
  console.log(`ok ${checks}  ${what}`);
}

// Without the browser's own refusal to let pages ask this machine: it is the server that must refuse.
const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
    "--disable-features=LocalNetworkAccessChecks"],
});

// A person with a browser of their own, up to the provider's form.
async function person(name, path = "/login") {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(server + path);
  await page.fill("input[name=login]", name);
  await page.fill("input[name=password]", "any");
  await page.click("button[type=submit]");
  // The provider asks whether this server may know who it is.
  await page.waitForSelector("text=Authorize");
  const answer = page.waitForResponse((response) => response.url().startsWith(`${server}/login/callback`));
  await page.click("button[type=submit]");
  return { context, page, answer: await answer };
}

async function signedIn(name, path) {
  const person_ = await person(name, path);
  assert.equal(person_.answer.status(), 303, `${name} is let in`);
  await person_.page.getByText("You are signed in as").waitFor();
  return person_;
}

const ask = (page, path, options) => page.evaluate(async ([path, options]) => {
  const answer = await fetch(path, options);
  return { status: answer.status, body: await answer.json().catch(() => null) };
}, [path, options]);

const cookieOf = async (context, name) => (await context.cookies(server)).find((cookie) => cookie.name === name);

try {
  const kim = await signedIn("kim.ops.unknown");
  const shown = await kim.page.getByRole("status").textContent();
  assert.equal(shown, "You are signed in as kim@example.com, with the role oncall.");
  ok("somebody signs in, and the page says who it is");

  const session = await cookieOf(kim.context, SESSION);
  assert.deepEqual([session.httpOnly, session.secure, session.sameSite, session.path, session.domain],
    [true, true, "Lax", "/", new URL(server).hostname]);
  assert.equal(await kim.page.evaluate(() => document.cookie), "");
  assert.equal(await cookieOf(kim.context, LOGIN), undefined);
  ok("its cookie is HttpOnly, Secure and SameSite=Lax, no script reads it, and that of the login is gone");
  assert.equal(new URL(kim.page.url()).search, "");
  ok("no code is left in the address");

  const { body: me } = await ask(kim.page, "/v1/session");
  assert.deepEqual(me.session.groups, ["ops"]);
  const headers = { "Content-Type": "application/json", "X-CSRF-Token": me.csrfToken };
  const paused = await ask(kim.page, "/v1/pause", { method: "POST", headers, body: "{}" });
  assert.equal(paused.status, 200, JSON.stringify(paused.body));
  const audit = await ask(kim.page, "/v1/audit");
  assert.equal(audit.body.items.find((entry) => entry.action === "all.pause").who, "kim@example.com");
  ok("a change with the token for changes is made, under the person's name");

  for (const [token, what] of [[undefined, "without a token for changes"], ["nonsense", "with a wrong one"]]) {
    const sent = { "Content-Type": "application/json", ...(token && { "X-CSRF-Token": token }) };
    const refused = await ask(kim.page, "/v1/resume", { method: "POST", headers: sent, body: "{}" });
    assert.deepEqual([refused.status, refused.body.code], [403, "csrf_refused"]);
    ok(`a change ${what} is refused`);
  }
  const forbidden = await ask(kim.page, "/v1/tokens");
  assert.deepEqual([forbidden.status, forbidden.body.code], [403, "forbidden"]);
  ok("what the role may not do is refused");

  // Another site is one with another name: the server by its other name of loopback.
  const foreign = new URL(server);
  foreign.hostname = foreign.hostname === "localhost" ? "127.0.0.1" : "localhost";
  const evil = await kim.context.newPage();
  await evil.route("**/evil", (route) => route.fulfill({ contentType: "text/html", body: "<h1>evil</h1>" }));
  await evil.goto(`${foreign.origin}/evil`);
  const attack = (options) => evil.evaluate(async ([url, options]) => {
    try { return (await fetch(url, options)).type; } catch { return "blocked"; }
  }, [`${server}/v1/resume`, options]);
  assert.equal(await attack({ method: "POST", credentials: "include", headers, body: "{}" }), "blocked");
  await attack({ method: "POST", credentials: "include", mode: "no-cors", body: "{}" });
  await evil.setContent(`<form method="post" action="${server}/v1/resume"><button>go</button></form>`);
  const posted = evil.waitForResponse(`${server}/v1/resume`);
  await evil.click("button");
  assert.equal((await posted).status(), 401);
  const frames = await kim.context.newPage();
  await frames.route("**/evil", (route) => route.fulfill({ contentType: "text/html", body: `<iframe src="${server}/signed-in"></iframe>` }));
  const framed = frames.waitForEvent("requestfailed", (request) => request.url() === `${server}/signed-in`);
  await frames.goto(`${foreign.origin}/evil`);
  assert.equal((await framed).failure().errorText, "net::ERR_BLOCKED_BY_RESPONSE");
  const pauses = await ask(kim.page, "/v1/pauses");
  assert.equal(pauses.body.items.length, 1);
  ok("a page of another site can neither ask, nor post a form with the cookie, nor frame ours");

  for (const target of ["//evil.example", "/%5Cevil.example", "https://evil.example"]) {
    const answer = await kim.page.request.get(`${server}/login?return_to=${encodeURIComponent(target)}`, { maxRedirects: 0 });
    assert.equal(answer.status(), 400, target);
  }
  ok("nobody is sent to another site afterwards");

  const stranger = await person("sam.nothing");
  assert.equal(stranger.answer.status(), 403);
  await stranger.page.getByText("sam@example.com is in no group").waitFor();
  assert.equal(await cookieOf(stranger.context, SESSION), undefined);
  ok("somebody in no group is told so, and not let in");

  const replayed = await kim.page.request.get(kim.answer.url(), { maxRedirects: 0 });
  assert.equal(replayed.status(), 400);
  const other = await browser.newContext();
  const stolen = await other.newPage();
  const answer = await stolen.goto(kim.answer.url());
  assert.equal(answer.status(), 400);
  await stolen.getByText("has not begun this login").waitFor();
  ok("the callback's address does nothing a second time, nor in another browser");

  const again = await signedIn("kim.ops.unknown", "/login?return_to=/signed-in");
  const looker = await signedIn("lee.help");
  await kim.page.reload();
  await kim.page.getByRole("button", { name: "Sign out everywhere" }).click();
  await kim.page.getByText("You are signed out.").waitFor();
  await again.page.reload();
  await again.page.getByText("You are not signed in.").waitFor();
  assert.equal((await ask(again.page, "/v1/session")).body.code, "session_ended");
  ok("signing out everywhere ends the session in the other browser, too");
  await looker.page.reload();
  await looker.page.getByText("You are signed in as lee@example.com, with the role support.").waitFor();
  ok("and nobody else's");
  await looker.page.getByRole("button", { name: "Sign out", exact: true }).click();
  await looker.page.getByText("You are signed out.").waitFor();
  assert.equal(await cookieOf(looker.context, SESSION), undefined);
  ok("signing out takes the cookie away");
  console.log(`${checks} checks passed, in ${await browser.version()}`);
} finally {
  await browser.close();
}
