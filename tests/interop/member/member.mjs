// An independent federated server, scriptable: one process is one origin with any number of actors. What federates is
// Fedify's own code; these files add storage in memory, recording, faults and a JSON control API on a second port.
// README.md beside this file lists the options and the commands.
//
//   node member.mjs --origin http://127.0.0.1:4101 --port 4101 --control 4102 --actors alice,bob,lounge:Group
import http from "node:http";
import { commands } from "./commands.mjs";
import {
  accepted, examine, federation, gone, isSignedByAnyone, missingContexts, stamp,
} from "./federation.mjs";
import { ORIGIN, actorUri, actors, idOf, log, makeActor, objects, options, policy, remoteCache, sent } from "./state.mjs";

async function readBody(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}
const readJson = (raw) => { try { return JSON.parse(raw); } catch { return null; } };
const schemeOf = (headers) => headers["signature-input"] ? "rfc9421" : headers.signature ? "cavage" : null;
const announceArrival = () => { for (const wake of log.waiters.splice(0)) wake(); };

// ---------------------------------------------------------------- the public side
const RECORDED = ["host", "date", "digest", "content-digest", "signature", "signature-input", "content-type", "user-agent",
  "accept", "collection-synchronization"];

// Answers in the member's stead where a fault is set: true when the request is done with.
async function injectFault(request, response, path, raw) {
  const fault = policy.fault;
  if (!fault || !(fault.match ?? "POST").split(",").includes(request.method)) return false;
  if (fault.contains && !(raw ?? "").toString().includes(fault.contains)) return false;
  if (fault.scheme && fault.scheme !== schemeOf(request.headers)) return false;
  if (fault.count !== undefined && fault.count-- <= 0) return false;
  const activity = readJson(raw);
  log.received.push({ ...stamp(), fault: fault.status ?? (fault.drop ? "drop" : "delay"), method: request.method,
    path: path.pathname, scheme: schemeOf(request.headers), activity, raw: (raw ?? "").toString(),
    type: activity?.type ?? null });
  announceArrival();
  if (fault.delayMs) await new Promise((done) => setTimeout(done, fault.delayMs));
  if (fault.drop) { request.socket.destroy(); return true; }
  if (!fault.status) return false;
  if (fault.retryAfter) response.setHeader("retry-after", fault.retryAfter);
  response.writeHead(fault.status, { "content-type": "text/plain" });
  response.end("injected fault");
  return true;
}

const server = http.createServer(async (request, response) => {
  const path = new URL(request.url, ORIGIN), url = ORIGIN + path.pathname + path.search, headers = {};
  for (const [k, v] of Object.entries(request.headers)) headers[k] = Array.isArray(v) ? v.join(", ") : v;
  const reply = (status, body, type = "application/activity+json") => {
    response.writeHead(status, { "content-type": type });
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  };
  try {
    const raw = request.method === "POST" ? await readBody(request) : null;
    if (await injectFault(request, response, path, raw)) return;
    const name = path.pathname.match(/^\/users\/([^/]+)/)?.[1], object = objects.get(url);
    if (request.method === "GET") {
      log.fetches.push({ ...stamp(), path: path.pathname + path.search, signed: !!headers.signature,
        scheme: schemeOf(headers), ua: headers["user-agent"], accept: headers.accept });
      if (policy.authorizedFetch && name && name !== "instance" && !await isSignedByAnyone(new Request(url, { headers })))
        return reply(401, "signature required", "text/plain");
      if (actors.get(name)?.gone || object?.deleted) return reply(410, gone(url, object?.deleted));
      const activity = sent.get(url);
      if (activity) return reply(200, activity.json);
    }
    let record = null;
    if (request.method === "POST") {
      const text = raw.toString("utf8"), activity = readJson(text);
      record = { ...stamp(), path: path.pathname, shared: path.pathname === "/inbox", recipient: name ?? null,
        headers: Object.fromEntries(RECORDED.filter((k) => headers[k]).map((k) => [k, headers[k]])),
        activity, raw: text, verified: false, type: activity?.type ?? null, objectType: activity?.object?.type ?? null };
      if (!activity) record.parseError = "not JSON";
      log.received.push(record);
      await examine(record, url, headers, raw);
      accepted.last = null;
    }
    const answer = await federation.fetch(
      new Request(url, { method: request.method, headers, body: raw?.length ? raw : undefined }), {
        contextData: undefined,
        onNotFound: () => new Response("not found", { status: 404 }),
        onNotAcceptable: () => new Response(`<!doctype html><title>${options.name}</title><p>${url}`,
          { headers: { "content-type": "text/html", vary: "Accept" } }),
        onUnauthorized: () => new Response("signature required", { status: 401 }),
      });
    const body = Buffer.from(await answer.arrayBuffer());
    if (record) {
      record.fedify = { status: answer.status, body: body.toString().slice(0, 300), processed: accepted.last };
      announceArrival();
    }
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.end(body);
  } catch (e) {
    console.error(e);
    if (!response.headersSent) reply(500, String(e.message), "text/plain");
  }
});

// ---------------------------------------------------------------- the control side
const queries = {
  health: () => ({ ok: true }),
  sent: () => [...sent.values()],
  fetches: (q) => ({ seq: log.seq, fetches: log.fetches.filter((f) => f.seq > Number(q.get("since") ?? 0)) }),
  async received(q) {
    const same = (parameter, value) => !q.get(parameter) || value === q.get(parameter);
    const hits = () => log.received.filter((r) => (q.get("fault") ? r.fault : r.fedify) && r.seq > Number(q.get("since") ?? 0) &&
      same("type", r.type) && same("objectType", r.objectType) && same("actor", idOf(r.activity?.actor)) &&
      same("recipient", r.recipient) && (!q.get("contains") || (r.raw ?? "").includes(q.get("contains"))));
    const end = Date.now() + Number(q.get("wait") ?? 0), wanted = Number(q.get("min") ?? 1);
    while (hits().length < wanted && Date.now() < end)
      await new Promise((done) => { log.waiters.push(done); setTimeout(done, Math.min(250, end - Date.now())); });
    return { seq: log.seq, count: hits().length, received: hits() };
  },
  state: () => ({
    origin: ORIGIN, sign: options.sign, node: process.version, policy, seq: log.seq, missingContexts: [...missingContexts],
    objects: Object.fromEntries([...objects].map(([uri, o]) =>
      [uri, { kind: o.kind, by: o.by, deleted: !!o.deleted, replies: [...o.replies], votes: o.votes }])),
    actors: Object.fromEntries([...actors].map(([name, a]) => [name, {
      id: actorUri(name), handle: `@${name}@${new URL(ORIGIN).host}`, type: a.type, gone: a.gone, movedTo: a.movedTo,
      followers: [...a.followers.keys()], pending: [...a.pendingFollows.keys()], following: Object.fromEntries(a.following) }])),
  }),
};
const settings = {
  reset(c) {
    Object.assign(log, { received: [], fetches: [] });
    remoteCache.clear();
    policy.fault = null;
    if (c.all) for (const a of actors.values()) {
      for (const map of [a.followers, a.following, a.pendingFollows]) map.clear();
      Object.assign(a, { outbox: [], liked: [], movedTo: null });
    }
    return { seq: log.seq };
  },
  policy: (c) => Object.assign(policy, c),
  fault(c) { policy.fault = Object.keys(c).length ? c : null; return policy; },
  async actor(c) {
    const actor = await makeActor(`${c.name}:${c.type ?? "Person"}`);
    actor.ownInboxOnly = !!c.ownInboxOnly;
    return { id: actorUri(actor.name) };
  },
  "default-sign"(c) { options.sign = c.sign; return { sign: options.sign }; },
};

const control = http.createServer(async (request, response) => {
  const url = new URL(request.url, "http://control"), query = url.searchParams;
  const command = url.pathname.replace(/^\/control\//, "");
  const send = (status, body) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body, null, 1));
  };
  try {
    if (request.method === "GET")
      return queries[command] ? send(200, await queries[command](query)) : send(404, { error: "unknown " + command });
    const c = JSON.parse((await readBody(request)).toString() || "{}");
    if (settings[command]) return send(200, await settings[command](c));
    const actor = actors.get(c.as ?? [...actors.keys()][0]);
    if (!actor) return send(404, { error: "no actor " + c.as });
    if (!commands[command]) return send(404, { error: "unknown command " + command });
    return send(200, await commands[command](actor, c));
  } catch (e) {
    return send(500, { error: String(e.message), cause: e.cause ? String(e.cause.message ?? e.cause) : undefined, stack: e.stack });
  }
});

server.listen(Number(options.port), options.bind, () => control.listen(Number(options.control), "127.0.0.1", () =>
  console.log(`ready ${ORIGIN} on ${options.bind}:${server.address().port}, control http://127.0.0.1:${control.address().port}, ` +
    `actors ${[...actors.keys()].join(",")}, signs ${options.sign}, node ${process.version}`)));
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => process.exit(0));
process.on("unhandledRejection", (e) => console.error("unhandled", e));
