// The Fedify side: documents served, activities accepted. Vocabulary, JSON-LD, signatures and WebFinger are Fedify's.
import fs from "node:fs";
import * as Fedify from "@fedify/fedify";
import {
  ORIGIN, SPEC, actorUri, actors, log, now, objects, options, policy, urls,
} from "./state.mjs";

// ---------------------------------------------------------------- loading documents
const localContexts = options.contexts ? JSON.parse(fs.readFileSync(options.contexts, "utf8")) : {};
const loadPlain = Fedify.getDocumentLoader({ allowPrivateAddress: true });
export const loader = async (url, o) => {
  const u = String(url);
  if (u in localContexts) return { contextUrl: null, documentUrl: u, document: localContexts[u] };
  return await loadPlain(u, o);
};
// A context that nobody can fetch here reads as an empty one, so that a stray @context URL never hides the real
// result of a test; the miss is reported in /control/state.
export const missingContexts = new Set();
export const contextLoader = async (url, o) => {
  const u = String(url);
  try {
    return await loader(u, o);
  } catch {
    missingContexts.add(u);
    return { contextUrl: null, documentUrl: u, document: { "@context": {} } };
  }
};
// Signed fetches begin with this member's own scheme; Fedify then tries the other one.
const signedLoader = (identity, o) => Fedify.getAuthenticatedDocumentLoader(identity, {
  ...o, allowPrivateAddress: true,
  specDeterminer: { determineSpec: () => SPEC[options.sign] ?? SPEC.cavage, rememberSpec: () => {} },
});
export const instanceLoader = async (url, o) => String(url) in localContexts
  ? await loader(url, o)
  : await signedLoader({
    keyId: new URL(`${actorUri("instance")}#main-key`), privateKey: actors.get("instance").keys[0].privateKey,
  })(String(url), o);

// ---------------------------------------------------------------- what is served
export const federation = Fedify.createFederation({
  kv: new Fedify.MemoryKvStore(), origin: ORIGIN,
  documentLoaderFactory: () => loader, contextLoaderFactory: () => contextLoader,
  authenticatedDocumentLoaderFactory: signedLoader,
  firstKnock: SPEC[options.sign] ?? SPEC.cavage,
  signatureTimeWindow: { hours: 12 },
});
export const newContext = () => federation.createContext(new URL(ORIGIN), undefined);

export async function actorObject(ctx, id) {
  const a = actors.get(id);
  if (!a || a.gone) return null;
  const keys = await ctx.getActorKeyPairs(id);
  return new Fedify[a.type]({
    id: ctx.getActorUri(id), preferredUsername: id, name: a.displayName, summary: a.summary,
    url: new URL(`/@${id}`, ORIGIN), inbox: ctx.getInboxUri(id), outbox: ctx.getOutboxUri(id),
    followers: ctx.getFollowersUri(id), following: ctx.getFollowingUri(id), liked: ctx.getLikedUri(id),
    published: a.published,
    endpoints: a.ownInboxOnly ? undefined : new Fedify.Endpoints({ sharedInbox: ctx.getInboxUri() }),
    publicKey: keys[0]?.cryptographicKey, assertionMethods: keys.map((k) => k.multikey),
    successor: a.movedTo ? new URL(a.movedTo) : undefined, aliases: urls(a.aliases),
    manuallyApprovesFollowers: policy.follow !== "accept", discoverable: true,
  });
}
federation.setActorDispatcher("/users/{identifier}", actorObject)
  .setKeyPairsDispatcher((_ctx, id) => actors.get(id)?.keys ?? [])
  .mapHandle((_ctx, username) => actors.has(username) ? username : null);

// One collection of an actor, or null where there is no such actor.
const listing = (read) => async (_ctx, id) => actors.has(id) ? { items: await read(actors.get(id)) } : null;
federation.setOutboxDispatcher("/users/{identifier}/outbox", listing((a) => Promise.all(
  a.outbox.map((json) => Fedify.Activity.fromJsonLd(json, { documentLoader: loader, contextLoader })))))
  .setCounter((_ctx, id) => actors.get(id)?.outbox.length ?? 0);
federation.setFollowersDispatcher("/users/{identifier}/followers", listing((a) => [...a.followers.values()].map((f) => ({
  id: new URL(f.id), inboxId: new URL(f.inbox), endpoints: f.shared ? { sharedInbox: new URL(f.shared) } : null }))))
  .setCounter((_ctx, id) => actors.get(id)?.followers.size ?? 0);
federation.setFollowingDispatcher("/users/{identifier}/following", listing((a) => urls([...a.following.keys()])))
  .setCounter((_ctx, id) => actors.get(id)?.following.size ?? 0);
federation.setLikedDispatcher("/users/{identifier}/liked",
  listing((a) => a.liked.map((u) => new Fedify.Object({ id: new URL(u) }))));

export function noteObject(ctx, uri) {
  const o = objects.get(uri);
  if (!o || o.deleted) return null;
  const values = {
    id: new URL(uri), attribution: ctx.getActorUri(o.by), content: o.html, summary: o.cw ?? undefined,
    sensitive: o.cw ? true : undefined, name: o.title ?? undefined, published: o.published, updated: o.updated,
    url: new URL(uri), replyTarget: o.inReplyTo ? new URL(o.inReplyTo) : undefined, tos: urls(o.to), ccs: urls(o.cc),
    replies: new URL(uri + "/replies"), audience: o.audience ? new URL(o.audience) : undefined,
    context: o.context ? new URL(o.context) : undefined,
    tags: [
      ...o.mentions.map((m) => new Fedify.Mention({ href: new URL(m.href), name: m.name })),
      ...o.hashtags.map((h) => new Fedify.Hashtag({ href: new URL(`/tags/${h}`, ORIGIN), name: "#" + h })),
    ],
    source: o.text ? new Fedify.Source({ content: o.text, mediaType: "text/plain" }) : undefined,
  };
  if (o.kind !== "Question") return new Fedify[o.kind](values);
  const choices = o.options.map((name) => new Fedify.Note({
    name, replies: new Fedify.Collection({ totalItems: o.votes[name] ?? 0 }) }));
  return new Fedify.Question({
    ...values, [o.multiple ? "inclusiveOptions" : "exclusiveOptions"]: choices,
    endTime: o.endTime, closed: o.closed ?? undefined, voters: o.voters?.size ?? 0,
  });
}
export const FOLDERS = { Note: "notes", Question: "questions", Article: "articles", Page: "pages" };
for (const [kind, folder] of Object.entries(FOLDERS)) {
  federation.setObjectDispatcher(Fedify[kind], `/users/{identifier}/${folder}/{oid}`,
    (ctx, v) => noteObject(ctx, `${actorUri(v.identifier)}/${folder}/${v.oid}`));
  federation.setCollectionDispatcher(`replies-${folder}`, Fedify.Object, `/users/{identifier}/${folder}/{oid}/replies`,
    (_ctx, v) => ({ items: [...(objects.get(`${actorUri(v.identifier)}/${folder}/${v.oid}`)?.replies ?? [])]
      .map((u) => new Fedify.Note({ id: new URL(u) })) }));
}
federation.setNodeInfoDispatcher("/nodeinfo/2.1", () => ({
  software: { name: options.name, version: Fedify.parseSemVer("1.0.0") }, protocols: ["activitypub"],
  usage: { users: { total: actors.size }, localPosts: objects.size, localComments: 0 },
}));

// ---------------------------------------------------------------- what is accepted
// Fedify calls a listener only for an activity whose signature it accepted: `accepted.last` is therefore Fedify's own
// verdict on the request in hand.
export const accepted = { last: null };
const note = (activity) => { accepted.last = activity.id?.href ?? "(no id)"; };
const receivedJson = (id) => log.received.findLast((r) => r.activity?.id === id)?.activity;
const embedded = (ctx, activity) => activity.getObject({ ...ctx, crossOrigin: "trust" }).catch(() => null);
export const hooks = { answerFollow: async () => {} };   // set by commands.mjs, which knows how to send

federation.setInboxListeners("/users/{identifier}/inbox", "/inbox")
  .setSharedKeyDispatcher(() => ({ identifier: "instance" }))
  .on(Fedify.Follow, async (ctx, follow) => {
    note(follow);
    const target = ctx.parseUri(follow.objectId);
    const actor = target?.type === "actor" ? actors.get(target.identifier) : null;
    if (!actor || !follow.actorId) return;
    const who = await follow.getActor(ctx);
    if (!who?.id || !who.inboxId) return;
    const follower = { id: who.id.href, inbox: who.inboxId.href, shared: who.endpoints?.sharedInbox?.href ?? null };
    actor.pendingFollows.set(who.id.href, { follower, json: receivedJson(follow.id?.href) });
    const answer = { accept: "Accept", reject: "Reject" }[policy.follow];
    if (answer) setTimeout(() => hooks.answerFollow(actor, who.id.href, answer).catch(console.error), 0);
  })
  .on(Fedify.Accept, (_ctx, activity) => { note(activity); settle(activity, true); })
  .on(Fedify.Reject, (_ctx, activity) => { note(activity); settle(activity, false); })
  .on(Fedify.Undo, async (ctx, undo) => {
    note(undo);
    const object = await embedded(ctx, undo);
    if (!(object instanceof Fedify.Follow) || !object.objectId) return;
    const target = ctx.parseUri(object.objectId);
    if (target?.type === "actor") actors.get(target.identifier)?.followers.delete(undo.actorId?.href);
  })
  .on(Fedify.Create, async (ctx, create) => {
    note(create);
    const object = await embedded(ctx, create);
    const parent = object?.replyTargetId && objects.get(object.replyTargetId.href);
    if (!parent || !object.id) return;
    if (parent.kind === "Question" && object.name && !object.content) {       // a vote
      parent.voters ??= new Set();
      parent.voters.add(create.actorId?.href);
      parent.votes[object.name.toString()] = (parent.votes[object.name.toString()] ?? 0) + 1;
    } else {
      parent.replies.add(object.id.href);
    }
  })
  .on(Fedify.Activity, (_ctx, activity) => note(activity));

// Marks our Follow as answered; servers refer to it by id or embed it, some without its id.
function settle(answer, positive) {
  const json = receivedJson(answer.id?.href);
  const follow = typeof json?.object === "string" ? { id: json.object } : json?.object;
  for (const actor of actors.values()) for (const [target, state] of actor.following) {
    const same = state.id === follow?.id || (follow?.type === "Follow" && target === answer.actorId?.href &&
      follow.actor === actorUri(actor.name));
    if (!same) continue;
    if (positive) state.state = "accepted"; else actor.following.delete(target);
  }
}

// ---------------------------------------------------------------- a second opinion on each request
// Verifies the HTTP signature, the LD signature and the object proof of one received request outside Fedify's inbox.
export async function examine(record, url, headers, raw) {
  const verdict = record.verify = { http: {
    present: !!(headers.signature || headers.authorization),
    scheme: headers["signature-input"] ? "rfc9421" : headers.signature ? "cavage" : null, ok: false } };
  const o = { documentLoader: instanceLoader, contextLoader, timeWindow: { hours: 12 } };
  const { activity } = record;
  const attempt = async (check) => {
    try { return { present: true, ok: await check() }; } catch (e) { return { present: true, ok: false, error: String(e.message) }; }
  };
  if (verdict.http.present) try {
    const key = await Fedify.verifyRequest(new Request(url, { method: "POST", headers, body: raw }), o);
    Object.assign(verdict.http, { ok: key != null, keyId: key?.id?.href ?? null, owner: key?.ownerId?.href ?? null });
    if (key && activity)
      verdict.http.ownerMatchesActor = (key.ownerId?.href ?? key.id?.href.split("#")[0])
        === (typeof activity.actor === "string" ? activity.actor : activity.actor?.id);
  } catch (e) { verdict.http.error = String(e.message); }
  if (activity?.signature) verdict.ld = await attempt(() => Fedify.verifyJsonLd(activity, o));
  if (activity?.proof) verdict.proof = await attempt(async () => await Fedify.verifyObject(Fedify.Activity, activity, o) != null);
  record.verified = (verdict.http.ok && verdict.http.ownerMatchesActor !== false) || !!verdict.ld?.ok || !!verdict.proof?.ok;
  if (!activity) return;
  try { record.parsedAs = (await Fedify.Object.fromJsonLd(activity, o)).constructor.name; }
  catch (e) { record.parseError = String(e.message); }
}
export const isSignedByAnyone = (request) =>
  Fedify.verifyRequest(request, { documentLoader: instanceLoader, contextLoader }).catch(() => null);
export const stamp = () => ({ seq: ++log.seq, at: new Date().toISOString() });
export const gone = (uri, at) => ({ "@context": "https://www.w3.org/ns/activitystreams", id: uri, type: "Tombstone",
  deleted: (at ?? now()).toString() });
