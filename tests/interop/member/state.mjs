// What one member process knows: its options, its actors with their keys, what it wrote, sent and received.
// Nothing here talks to the network.
import fs from "node:fs";
import * as Fedify from "@fedify/fedify";
import { Temporal } from "@js-temporal/polyfill";

export const options = {
  origin: "http://127.0.0.1:4101", bind: "127.0.0.1", port: "4101", control: "4102",
  actors: "alice,bob", sign: "cavage", state: "", contexts: "", name: "fedify-member",
};
for (let i = 2; i < process.argv.length; i += 2) {
  const key = process.argv[i].replace(/^--/, "");
  if (!(key in options) || process.argv[i + 1] === undefined) {
    console.error("bad option", process.argv[i]);
    process.exit(2);
  }
  options[key] = process.argv[i + 1];
}

export const ORIGIN = new URL(options.origin).origin;
export const SPEC = { cavage: "draft-cavage-http-signatures-12", rfc9421: "rfc9421" };
export const AS = "https://www.w3.org/ns/activitystreams";
export const PUBLIC = new URL(AS + "#Public");
export const now = () => Temporal.Now.instant();
export const actorUri = (name) => `${ORIGIN}/users/${name}`;
export const idOf = (x) => (typeof x === "string" ? x : Array.isArray(x) ? idOf(x[0]) : x?.id);
export const listOf = (x) => (x === undefined || x === null ? [] : Array.isArray(x) ? x : [x]);
export const urls = (list) => list.map((u) => new URL(u));

export const actors = new Map();      // name -> actor record
export const objects = new Map();     // object URI -> what this member wrote
export const sent = new Map();        // activity id -> {by, json, inboxes}
export const remoteCache = new Map(); // URI -> document fetched from elsewhere
export const log = { received: [], fetches: [], seq: 0, waiters: [] };
export const policy = { follow: "accept", authorizedFetch: false, fault: null };

export const nextId = (actor) => `${Date.now().toString(36)}${(actor.n++).toString(36)}`;

export const generateRsa = () => crypto.subtle.generateKey(
  { name: "RSASSA-PKCS1-v1_5", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: "SHA-256" },
  true, ["sign", "verify"]);

const saved = options.state && fs.existsSync(options.state) ? JSON.parse(fs.readFileSync(options.state, "utf8")) : {};

// An actor has an RSA key for HTTP signatures and an Ed25519 key for object proofs. With --state they outlive
// the process.
export async function makeActor(spec) {
  const [name, type = "Person"] = spec.split(":");
  let keys = [];
  if (saved[name]) {
    for (const pair of saved[name]) keys.push({
      privateKey: await Fedify.importJwk(pair.priv, "private"),
      publicKey: await Fedify.importJwk(pair.pub, "public"),
    });
  } else {
    keys = [await generateRsa(), await Fedify.generateCryptoKeyPair("Ed25519")];
    saved[name] = [];
    for (const k of keys)
      saved[name].push({ priv: await Fedify.exportJwk(k.privateKey), pub: await Fedify.exportJwk(k.publicKey) });
    if (options.state) fs.writeFileSync(options.state, JSON.stringify(saved), { mode: 0o600 });
  }
  const actor = {
    name, type, keys, displayName: name, summary: `${name} on an interop member`, followers: new Map(),
    following: new Map(), pendingFollows: new Map(), outbox: [], liked: [], movedTo: null, aliases: [], gone: false,
    published: now(), n: 0,
  };
  actors.set(name, actor);
  return actor;
}
for (const spec of options.actors.split(",").filter(Boolean)) await makeActor(spec);
if (!actors.has("instance")) await makeActor("instance:Application");
