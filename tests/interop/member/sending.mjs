// Requests that leave this member: signing (rightly and wrongly), delivering, fetching, looking up.
import * as Fedify from "@fedify/fedify";
import { contextLoader, loader, newContext } from "./federation.mjs";
import {
  AS, ORIGIN, SPEC, actorUri, actors, generateRsa, listOf, now, options, remoteCache, sent,
} from "./state.mjs";

const ACCEPT = `application/activity+json, application/ld+json; profile="${AS}"`;

const flipOneBit = (bytes) => { const copy = new Uint8Array(bytes); copy[copy.length >> 1] ^= 1; return copy; };

// `how` is a scheme with optional faults: cavage, rfc9421, none, cavage+wrongkey, rfc9421+stale+nodigest …
// As Mastodon does, a POST signs (request-target) host date digest content-type and nothing more: Epicyon refuses a
// signature that also covers Accept. User-Agent is added after signing.
async function signed(method, url, name, body, how = options.sign, extra = {}) {
  const headers = new Headers(method === "GET" ? { accept: ACCEPT } : {});
  if (method === "POST") headers.set("content-type", extra.contentType ?? "application/activity+json");
  for (const [k, v] of Object.entries(extra.headers ?? {})) headers.set(k, v);
  const agent = `${options.name}/1.0 (Fedify; +${ORIGIN})`;
  let request = new Request(url, { method, headers, body: body ?? undefined, redirect: "manual" });
  if (how !== "none") {
    const keyId = new URL(extra.keyId ?? `${actorUri(name)}#main-key`);
    const [scheme, ...faults] = how.split("+");
    const key = faults.includes("wrongkey") ? (await generateRsa()).privateKey : actors.get(name).keys[0].privateKey;
    let at = now();
    if (faults.includes("stale")) at = at.subtract({ hours: 26 });
    if (faults.includes("future")) at = at.add({ hours: 26 });
    request = await Fedify.signRequest(request, key, keyId, { spec: SPEC[scheme] ?? SPEC.cavage, currentTime: at });
    if (faults.includes("tamper") && body)
      request = new Request(url, { method, headers: request.headers, body: flipOneBit(Buffer.from(body)), redirect: "manual" });
    if (faults.includes("nodigest")) {
      const bare = new Headers(request.headers);
      bare.delete("digest");
      bare.delete("content-digest");
      request = new Request(url, { method, headers: bare, body, redirect: "manual" });
    }
  }
  request.headers.set("user-agent", agent);
  return request;
}

export async function deliver(name, inbox, json, how, extra) {
  const started = performance.now(), body = typeof json === "string" ? json : JSON.stringify(json);
  const out = { inbox, scheme: how ?? options.sign };
  try {
    const response = await fetch(await signed("POST", inbox, name, body, how, extra), { signal: AbortSignal.timeout(30000) });
    out.status = response.status;
    out.body = (await response.text()).slice(0, 2000);
    if (response.headers.get("retry-after")) out.retryAfter = response.headers.get("retry-after");
  } catch (e) {
    out.status = 0;
    out.error = String(e.cause?.message ?? e.message);
  }
  out.ms = Math.round(performance.now() - started);
  return out;
}

export async function deliverAll(name, inboxes, json, c) {
  const deliveries = [];
  for (const inbox of inboxes) deliveries.push(await deliver(name, inbox, json, c.sign, c));
  return deliveries;
}

// One signed GET; without a wish of the caller a 401 is answered by a second try in the other scheme.
export async function remote(name, url, how, fresh = false) {
  if (!fresh && remoteCache.has(url)) return remoteCache.get(url);
  const get = async (scheme) =>
    await fetch(await signed("GET", url, name, null, scheme), { signal: AbortSignal.timeout(15000) });
  let response = await get(how);
  if (response.status === 401 && how === undefined) response = await get(options.sign === "rfc9421" ? "cavage" : "rfc9421");
  const text = await response.text(), header = (h) => response.headers.get(h);
  let json = null;
  try { json = JSON.parse(text); } catch { /* a page, not a document */ }
  const result = { status: response.status, type: header("content-type"), location: header("location"),
    vary: header("vary"), json, text: json ? undefined : text.slice(0, 2000) };
  if (response.ok && json) remoteCache.set(url, result);
  return result;
}

// @user@host, acct:user@host or a URL -> the actor's URI, by Fedify's own WebFinger. Fedify asks over https only, so
// over plain http the same question is put by hand.
export async function resolve(handle) {
  if (/^https?:/.test(handle)) return handle;
  const account = handle.replace(/^acct:/, "").replace(/^@/, ""), host = account.split("@")[1];
  let jrd = await Fedify.lookupWebFinger("acct:" + account, { allowPrivateAddress: true }).catch(() => null);
  jrd ??= await fetch(`http://${host}/.well-known/webfinger?resource=acct:${account}`).then((r) => r.json()).catch(() => null);
  const link = jrd?.links?.find((l) => l.rel === "self" && /activity\+json|ld\+json/.test(l.type ?? ""));
  if (!link) throw new Error("WebFinger found no actor for " + handle);
  return link.href;
}

export async function inboxOf(name, uri, how) {
  const r = await remote(name, uri, how);
  if (!r.json?.inbox) throw new Error(`no inbox on ${uri} (HTTP ${r.status})`);
  return { id: r.json.id, inbox: r.json.inbox, shared: r.json.endpoints?.sharedInbox ?? null, json: r.json };
}

// Adds an object proof (FEP-8b32) or an LD signature where the command asks for one.
export async function decorate(name, json, c) {
  const actor = actors.get(name);
  if (c.proof) {
    const activity = await Fedify.Activity.fromJsonLd(json, { documentLoader: loader, contextLoader });
    const proven = await Fedify.signObject(activity, actor.keys[1].privateKey, new URL(`${actorUri(name)}#multikey-2`),
      { contextLoader, documentLoader: loader });
    json = await proven.toJsonLd({ contextLoader, format: "compact" });
  }
  if (c.ld) json = await Fedify.signJsonLd(json, actor.keys[0].privateKey, new URL(`${actorUri(name)}#main-key`), { contextLoader });
  return json;
}

// Serialises an activity with Fedify, picks the inboxes, delivers, and remembers it for resend and undo.
export async function emit(actor, activity, c, targets, toFollowers) {
  let json = await activity.toJsonLd({ contextLoader });
  if (c.patch) json = { ...json, ...c.patch };
  json = await decorate(actor.name, json, c);
  const inboxes = new Set(listOf(c.inbox)), problems = [];
  if (!c.inbox) {
    for (const target of new Set([...targets, ...listOf(c.deliverTo)].filter(Boolean))) {
      if (target === AS + "#Public" || target.startsWith(actorUri(""))) continue;
      try {
        const r = await inboxOf(actor.name, await resolve(target));
        inboxes.add(c.shared && r.shared ? r.shared : r.inbox);
      } catch (e) { problems.push({ target, error: String(e.message) }); }
    }
    if (toFollowers) for (const f of actor.followers.values()) if (!inboxes.has(f.inbox)) inboxes.add(f.shared ?? f.inbox);
  }
  sent.set(json.id, { by: actor.name, json, inboxes: [...inboxes] });
  actor.outbox.unshift(json);
  const object = json.object?.id ?? json.object;
  if (c.sign !== "double-knock")
    return { id: json.id, object, activity: json, deliveries: await deliverAll(actor.name, inboxes, json, c), problems };
  // Fedify's own sender: tries one scheme, then the other.
  const parsed = await Fedify.Activity.fromJsonLd(json, { documentLoader: loader, contextLoader });
  const recipients = [...inboxes].map((i) => ({ id: new URL(i), inboxId: new URL(i) }));
  let error = null;
  try { await newContext().sendActivity({ identifier: actor.name }, recipients, parsed, { immediate: true }); }
  catch (e) { error = String(e.message); }
  return { id: json.id, object, activity: json, problems,
    deliveries: [...inboxes].map((inbox) => ({ inbox, scheme: "double-knock", status: error ? 0 : 202, error })) };
}
