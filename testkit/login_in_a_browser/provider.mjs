// An OpenID Connect provider that others have written (oidc-provider), for testkit/login. Anybody signs in with any password; the name tells
// the groups: `kim.ops.help` is kim, in ops and help. Listens on loopback, and says where as its first line.
import http from "node:http";
import Provider from "oidc-provider";

const [callback, secret] = process.argv.slice(2);
const server = http.createServer((request, response) => handle(request, response));
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [{
    client_id: "realmctl",
    client_secret: secret,
    redirect_uris: [callback],
    grant_types: ["authorization_code"],
    response_types: ["code"],
  }],
  cookies: { keys: ["only for this test"] },
  claims: { openid: ["sub"], email: ["email", "email_verified"], groups: ["groups"] },
  scopes: ["openid", "email", "groups"],
  // Else claims are not in the ID token.
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  findAccount: (_, id) => {
    const [name, ...groups] = id.split(".");
    return { accountId: id, claims: () => ({ sub: id, email: `${name}@example.com`, email_verified: true, groups }) };
  },
});
const handle = provider.callback();
console.log(issuer);
