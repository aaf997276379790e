// What the control API can make an actor do. Each command is (actor, arguments) -> JSON; deliveries are done, and their
// answers included, when it returns.
import * as Fedify from "@fedify/fedify";
import { FOLDERS, actorObject, contextLoader, hooks, loader, newContext, noteObject } from "./federation.mjs";
import { decorate, deliverAll, emit, inboxOf, remote, resolve } from "./sending.mjs";
import { ORIGIN, PUBLIC, actorUri, idOf, listOf, nextId, now, objects, sent, urls } from "./state.mjs";

const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const escape = (s) => String(s).replace(/[&<>"]/g, (ch) => ENTITIES[ch]);
const parse = (json) => Fedify.Activity.fromJsonLd(json, { documentLoader: loader, contextLoader });
const link = (m) => `<span class="h-card"><a href="${m.href}" class="u-url mention">@<span>${escape(m.name.split("@")[1])}</span></a></span> `;

async function answerFollow(actor, follower, type, c = {}) {
  const pending = actor.pendingFollows.get(follower);
  if (!pending) throw new Error("no pending follow from " + follower);
  actor.pendingFollows.delete(follower);
  if (type === "Accept") actor.followers.set(follower, pending.follower);
  const answer = new Fedify[type]({ id: new URL(`${actorUri(actor.name)}/activities/${nextId(actor)}`),
    actor: new URL(actorUri(actor.name)), object: await parse(pending.json), to: new URL(follower) });
  return await emit(actor, answer, { ...c, inbox: pending.follower.inbox }, []);
}
hooks.answerFollow = answerFollow;

// Whom a post addresses and mentions. A reply mentions its parent's author, as microblog composers do.
async function addressed(actor, c) {
  const mentions = [], targets = [];
  for (const who of listOf(c.mention)) {
    const uri = await resolve(who), r = await inboxOf(actor.name, uri).catch(() => null);
    mentions.push({ href: uri, name: `@${r?.json?.preferredUsername ?? who}@${new URL(uri).host}` });
    targets.push(uri);
  }
  let parent = null;
  if (c.inReplyTo && !c.inReplyTo.startsWith(ORIGIN)) {
    parent = (await remote(actor.name, c.inReplyTo).catch(() => null))?.json;
    const author = idOf(parent?.attributedTo);
    if (author) targets.push(author);
    if (author && c.mentionParent !== false && !mentions.some((m) => m.href === author)) {
      const r = await inboxOf(actor.name, author).catch(() => null);
      if (r) mentions.push({ href: author, name: `@${r.json.preferredUsername}@${new URL(author).host}` });
    }
  }
  const followers = actorUri(actor.name) + "/followers", mentioned = mentions.map((m) => m.href);
  const [to, cc] = {
    public: [[PUBLIC.href], [followers, ...mentioned]],
    unlisted: [[followers], [PUBLIC.href, ...mentioned]],
    followers: [[followers], mentioned],
    direct: [mentioned, []],
  }[c.visibility ?? "public"];
  return { mentions, parent, to: [...new Set([...to, ...listOf(c.to)])], cc: [...new Set([...cc, ...listOf(c.cc)])],
    targets: [...targets, ...listOf(c.to), ...listOf(c.cc)], followers: c.visibility !== "direct" };
}

// Like, Dislike, Announce, Flag, Block, EmojiReact: sent to the author of each target, an Announce to followers too.
const simple = (Type, own = () => ({})) => async (actor, c) => {
  const me = actorUri(actor.name), targets = [...listOf(c.deliverTo)], things = listOf(c.target ?? c.objects);
  for (const thing of things) if (!thing.startsWith(ORIGIN)) {
    const json = (await remote(actor.name, thing).catch(() => null))?.json;
    if (json) targets.push(json.inbox ? json.id : idOf(json.attributedTo) ?? idOf(json.actor));
  }
  const isPublic = Type === Fedify.Announce, people = urls(targets.filter(Boolean));
  const activity = new Type({ id: new URL(`${me}/${Type.name.toLowerCase()}s/${nextId(actor)}`), actor: new URL(me),
    objects: urls(things), tos: isPublic ? [PUBLIC] : people, ccs: isPublic ? [new URL(me + "/followers"), ...people] : [],
    published: isPublic ? now() : undefined, ...own(c) });
  if (Type === Fedify.Like) actor.liked.unshift(things[0]);
  return await emit(actor, activity, c, targets, isPublic);
};

// Updates and deletions go where the post went.
const whereItWent = (c, object) => c.inbox || !object?.inboxes ? c : { ...c, inbox: object.inboxes };

export const commands = {
  async follow(actor, c) {
    const target = await inboxOf(actor.name, await resolve(c.target));
    const id = `${actorUri(actor.name)}/follows/${nextId(actor)}`;
    actor.following.set(target.id, { id, state: "pending" });
    return await emit(actor, new Fedify.Follow({ id: new URL(id), actor: new URL(actorUri(actor.name)),
      object: new URL(target.id), to: new URL(target.id) }), c, [target.id]);
  },

  // A Note, Article, Page, or Question where there are options; a reply where there is inReplyTo.
  async post(actor, c) {
    const me = actorUri(actor.name), kind = c.options ? "Question" : c.kind ?? "Note", d = await addressed(actor, c);
    const uri = `${me}/${FOLDERS[kind]}/${nextId(actor)}`, text = c.text ?? "";
    objects.set(uri, {
      kind, by: actor.name, text, html: c.html ?? `<p>${d.mentions.map(link).join("")}${escape(text)}</p>`,
      cw: c.cw, title: c.title, published: now(), inReplyTo: c.inReplyTo, to: d.to, cc: d.cc, mentions: d.mentions,
      hashtags: c.hashtags ?? [], audience: c.audience, context: c.context === true ? idOf(d.parent?.context) : c.context,
      options: c.options, multiple: c.multiple, votes: {}, replies: new Set(),
      endTime: c.options ? now().add({ seconds: c.endsIn ?? 86400 }) : undefined,
    });
    objects.get(c.inReplyTo)?.replies.add(uri);
    const create = new Fedify.Create({ id: new URL(uri + "/activity"), actor: new URL(me),
      object: noteObject(newContext(), uri), published: now(), tos: urls(d.to), ccs: urls(d.cc),
      audience: c.audience ? new URL(c.audience) : undefined });
    const result = await emit(actor, create, c, [...d.targets, c.audience], d.followers);
    objects.get(uri).inboxes = sent.get(result.id).inboxes;
    return { ...result, object: uri };
  },

  // One Create{Note with name} for each choice.
  async vote(actor, c) {
    const question = (await remote(actor.name, c.target, undefined, true)).json, author = idOf(question?.attributedTo);
    const me = actorUri(actor.name), votes = [];
    for (const name of listOf(c.choices ?? c.choice)) {
      const id = `${me}/votes/${nextId(actor)}`;
      votes.push(await emit(actor, new Fedify.Create({ id: new URL(id + "/activity"), actor: new URL(me), to: new URL(author),
        object: new Fedify.Note({ id: new URL(id), name, attribution: new URL(me), to: new URL(author),
          replyTarget: new URL(c.target) }) }), c, [author]));
    }
    return { votes, deliveries: votes.flatMap((v) => v.deliveries) };
  },

  // {id, text, title, html, close} changes a post; {profile: {name, summary}} the actor.
  async update(actor, c) {
    const me = actorUri(actor.name), ctx = newContext();
    if (c.profile) {
      actor.displayName = c.profile.name ?? actor.displayName;
      actor.summary = c.profile.summary ?? actor.summary;
      return await emit(actor, new Fedify.Update({ id: new URL(`${me}#update/${nextId(actor)}`), actor: new URL(me),
        object: await actorObject(ctx, actor.name), to: PUBLIC }), c, [], true);
    }
    const o = objects.get(c.id);
    if (!o) throw new Error("no such object " + c.id);
    if (c.text !== undefined) Object.assign(o, { text: c.text, html: `<p>${escape(c.text)}</p>` });
    if (c.title) o.title = c.title;
    if (c.html) o.html = c.html;
    if (c.close) o.closed = now();
    o.updated = now();
    return await emit(actor, new Fedify.Update({ id: new URL(`${c.id}#update/${nextId(actor)}`), actor: new URL(me),
      object: noteObject(ctx, c.id), updated: o.updated, tos: urls(o.to), ccs: urls(o.cc) }),
    whereItWent(c, o), o.mentions.map((m) => m.href), true);
  },

  // {id} deletes a post; {actor: true} the account.
  async delete(actor, c) {
    const me = actorUri(actor.name);
    if (c.actor) {
      const result = await emit(actor, new Fedify.Delete({ id: new URL(`${me}#delete`), actor: new URL(me),
        object: new URL(me), to: PUBLIC }), c, [], true);
      actor.gone = true;
      return result;
    }
    const o = objects.get(c.id);
    if (o) o.deleted = now();
    return await emit(actor, new Fedify.Delete({ id: new URL(`${c.id}#delete`), actor: new URL(me), to: PUBLIC,
      object: new Fedify.Tombstone({ id: new URL(c.id) }) }), whereItWent(c, o), o?.mentions.map((m) => m.href) ?? [], true);
  },

  like: simple(Fedify.Like),
  dislike: simple(Fedify.Dislike),
  announce: simple(Fedify.Announce),
  react: simple(Fedify.EmojiReact, (c) => ({ content: c.emoji ?? "\u{1F44D}" })),
  flag: simple(Fedify.Flag, (c) => ({ content: c.text ?? "report" })),
  block: simple(Fedify.Block),

  // {id} of an activity sent earlier, embedded unless byId is set.
  async undo(actor, c) {
    const earlier = sent.get(c.id);
    if (!earlier) throw new Error("not sent from here: " + c.id);
    if (earlier.json.type === "Follow") actor.following.delete(idOf(earlier.json.object));
    const undo = new Fedify.Undo({ id: new URL(`${c.id}#undo`), actor: new URL(actorUri(actor.name)),
      object: c.byId ? new URL(c.id) : await parse(earlier.json) });
    return await emit(actor, undo, c.inbox ? c : { ...c, inbox: earlier.inboxes }, []);
  },

  async move(actor, c) {
    const me = actorUri(actor.name), target = await resolve(c.target);
    actor.movedTo = target;
    return await emit(actor, new Fedify.Move({ id: new URL(`${me}#move/${nextId(actor)}`), actor: new URL(me),
      object: new URL(me), target: new URL(target), to: new URL(me + "/followers") }), c, [], true);
  },
  async alias(actor, c) { actor.aliases = listOf(c.target); return { aliases: actor.aliases }; },
  accept(actor, c) { return answerFollow(actor, c.target, "Accept", c); },
  reject(actor, c) { return answerFollow(actor, c.target, "Reject", c); },

  // Any JSON (activity) or any bytes at all (bodyText), delivered exactly as given.
  async raw(actor, c) {
    const inboxes = c.inbox ? listOf(c.inbox)
      : await Promise.all(listOf(c.to).map(async (t) => (await inboxOf(actor.name, await resolve(t))).inbox));
    const json = c.bodyText ?? await decorate(actor.name, c.activity, c);
    if (c.activity?.id) sent.set(c.activity.id, { by: actor.name, json: c.activity, inboxes });
    return { deliveries: await deliverAll(actor.name, inboxes, json, c) };
  },
  async resend(_actor, c) {
    const s = sent.get(c.id);
    if (!s) throw new Error("not sent from here: " + c.id);
    return { deliveries: await deliverAll(s.by, c.inbox ? listOf(c.inbox) : s.inboxes, s.json, c) };
  },

  // Fedify's own opinion on the proof inside an activity.
  async prove(_actor, c) {
    return { ok: await Fedify.verifyObject(Fedify.Activity, c.activity, { documentLoader: loader, contextLoader }) != null };
  },

  async fetch(actor, c) { return await remote(actor.name, c.url, c.sign, true); },
  async webfinger(_actor, c) { return { jrd: await Fedify.lookupWebFinger(c.target, { allowPrivateAddress: true }) }; },
  async lookup(actor, c) {
    const url = await resolve(c.target);
    const documentLoader = c.sign === "none" ? loader : await newContext().getDocumentLoader({ identifier: actor.name });
    const object = await Fedify.lookupObject(url, { documentLoader, contextLoader });
    return { url, parsedAs: object?.constructor?.name ?? null, json: object ? await object.toJsonLd({ contextLoader }) : null };
  },
};
