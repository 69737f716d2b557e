/**
 * Every method that clients may call, asked by everybody, over gRPC, through the JSON gateway, and with a certificate. The
 * rows come from the table of methods: a method without a row fails here.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { ServiceError } from "@grpc/grpc-js";
import { decodeJson } from "../../../../node/gateway/json-decode.ts";
import { encodeJson } from "../../../../node/gateway/json-encode.ts";
import { putRequest } from "../../../../src/api/gen/kv.ts";
import { Auth, KV, Lease, METHODS } from "../../../../src/api/gen/methods.ts";
import { MESSAGES } from "../../../../src/api/gen/registry.ts";
import type { AnyMethod, AnyMessage } from "../../../../src/api/method.ts";
import { present } from "../../../../src/base/assert.ts";
import {
  AuthMember,
  bearer,
  certified,
  JUST_ANYBODY,
  metadataOf,
  ROOT_PASSWORD,
} from "./auth-member.ts";
import { LEASE, ROWS, type Row, type Served } from "./matrix-rows.ts";

/** Of a call: null if it was served; else the text of its status. */
type Answer = string | null;

const TOKENS = ["none", "bad", "expired", "noah", "walt", "rita", "root"] as const;
type Identity = (typeof TOKENS)[number] | "certificate";
const PASSWORDS: Readonly<Record<string, string>> = { root: ROOT_PASSWORD };

const EMPTY = "etcdserver: user name is empty";
const INVALID = "etcdserver: invalid auth token";
const DENIED = "etcdserver: permission denied";

/** What an identity is to be told; null: it is served. */
function expected(served: Served, identity: Identity): Answer {
  if (served === "anybody") return null;
  if (served === "nobody") return "unknown method";
  if (identity === "none") return EMPTY;
  if (identity === "bad" || identity === "expired") return INVALID;
  if (identity === "root" || served === "user") return null;
  const right = identity === "rita" || identity === "certificate";
  return served === "right" && right ? null : DENIED;
}

let member: AuthMember;
let expired = "";
/** By identity, as long as authentication stays on. */
const tokens = new Map<Identity, string>();

before(async () => {
  member = await AuthMember.start(["--unsafe-no-fsync"]);
  await member.enableWithUsers();
  expired = await member.token("rita", "rita");
  member.advance(301_000);
});
after(() => member.stop());

/** Nothing of the last cell is left: the lease has its key, the poll its leader, and authentication is on. */
async function reset(): Promise<void> {
  if (!member.running.member.machine.auth.enabled) {
    await member.ask(JUST_ANYBODY, Auth.authEnable, {});
    tokens.clear();
  }
  const root = bearer((await tokenOf("root")) ?? "");
  const put = async (key: string, lease: bigint): Promise<void> => {
    await member.ask(root, KV.put, putRequest({ key: Buffer.from(key), lease }));
  };
  await member.ask(root, Lease.leaseGrant, { id: LEASE, ttl: 1_000_000 }).catch(() => {});
  await put("right/leased", LEASE);
  await put("right/key", 0n);
  await put("right/poll/1b59", LEASE);
  await member.ask(root, Lease.leaseRevoke, { id: 7002n }).catch(() => {});
}

async function tokenOf(identity: Identity): Promise<string | null> {
  switch (identity) {
    case "none":
    case "certificate":
      return null;
    case "bad":
      return "abcdefghijklmnop.7";
    case "expired":
      return expired;
    default: {
      const known = tokens.get(identity);
      const token = known ?? (await member.token(identity, PASSWORDS[identity] ?? identity));
      tokens.set(identity, token);
      return token;
    }
  }
}

function textOf(error: ServiceError): string {
  return /unknown method/i.test(error.details) ? "unknown method" : error.details;
}

/** A watch that is refused says so in a response. */
function refusalIn(method: AnyMethod, message: Uint8Array): Answer {
  if (method.name !== "Watch" || method.service !== "etcdserverpb.Watch") return null;
  const { canceled, cancelReason } = method.decodeResponse(message) as {
    canceled: boolean;
    cancelReason: string;
  };
  return canceled ? cancelReason.replace(/^rpc error: code = \w+ desc = /, "") : null;
}

const DEADLINE_MS = 5_000;

/** Over a socket. */
async function overGrpc(method: AnyMethod, row: Row, identity: Identity): Promise<Answer> {
  const metadata = metadataOf(await tokenOf(identity));
  const same = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
  const options = { deadline: Date.now() + DEADLINE_MS };
  const { client } = member;
  return await new Promise((resolve) => {
    if (method.kind === "unary") {
      client.makeUnaryRequest(row.path, same, same, row.request, metadata, options, (error) =>
        resolve(error === null ? null : textOf(error)),
      );
      return;
    }
    const bidirectional =
      method.kind === "bidiStream"
        ? client.makeBidiStreamRequest(row.path, same, same, metadata, options)
        : null;
    const call =
      bidirectional ??
      client.makeServerStreamRequest(row.path, same, same, row.request, metadata, options);
    call.on("data", (message: Buffer) => {
      resolve(refusalIn(method, message));
      call.cancel();
    });
    call.on("error", (error: ServiceError) => resolve(textOf(error)));
    bidirectional?.write(row.request);
  });
}

/** As JSON; null where the method has no path there. */
async function overGateway(method: AnyMethod, row: Row, identity: Identity): Promise<Answer> {
  const token = await tokenOf(identity);
  const type = messageType(method.requestType);
  const body = [...encodeJson(type, row.request, false)].join("");
  assert.deepEqual(decodeJson(type, body), type.decode(row.request), "the body is the request");
  const headers: Record<string, string> = token === null ? {} : { authorization: token };
  const abort = AbortSignal.timeout(DEADLINE_MS);
  const url = `http://${member.endpoint}${present(method.rest[0], "it has a path")}`;
  const response = await fetch(url, { method: "POST", body, headers, signal: abort });
  const reader = response.body?.getReader();
  let text = "";
  for (;;) {
    const part = await reader?.read();
    if (part === undefined || part.done) break;
    text += Buffer.from(part.value).toString();
    if (method.kind !== "unary" && text.includes("\n")) break;
  }
  await reader?.cancel();
  const answer = JSON.parse(text.split("\n", 1)[0] ?? "") as {
    message?: string;
    error?: { message: string };
    result?: { canceled?: boolean; cancel_reason?: string };
  };
  const canceled = answer.result?.canceled === true ? (answer.result.cancel_reason ?? "") : null;
  return (
    answer.error?.message ??
    canceled?.replace(/^rpc error: code = \w+ desc = /, "") ??
    (response.ok ? null : (answer.message ?? text))
  );
}

function messageType(name: string): AnyMessage {
  return present(MESSAGES[name], `the message ${name}`);
}

/** Through the router, by somebody with a certificate of rita's and no token. */
async function withCertificate(method: AnyMethod, row: Row): Promise<Answer> {
  const caller = certified("rita");
  const { promise, resolve } = Promise.withResolvers<Answer>();
  if (method.kind === "unary") {
    const signal = AbortSignal.timeout(DEADLINE_MS);
    member.local.unaryBytes(caller, row.path, row.request, signal).then(
      () => resolve(null),
      (error: Error) => resolve(error.message),
    );
    return await promise;
  }
  const stream = member.local.openStream(caller, row.path, {
    onMessage: (message) => resolve(refusalIn(method, message)),
    onEnd: (_status, text) => resolve(text),
  });
  stream.write(row.request);
  stream.halfClose();
  const answer = await promise;
  stream.cancel(1);
  return answer;
}

function judge(row: Row, identity: Identity, answer: Answer): string[] {
  const wanted = expected(member.serves(row.path) ? row.served : "nobody", identity);
  const served = wanted === null && answer !== null && row.complaint?.test(answer) === true;
  if (answer === wanted || served) return [];
  return [`${identity}: ${String(answer)} instead of ${String(wanted)}`];
}

/** Every identity in turn; the answer is what was wrong. */
async function judgeAll(
  row: Row,
  identities: readonly Identity[],
  ask: (identity: Identity) => Promise<Answer>,
): Promise<string[]> {
  const wrong: string[] = [];
  await reset();
  for (const identity of identities) {
    if (row.destroys && expected(row.served, identity) === null) await reset();
    wrong.push(...judge(row, identity, await ask(identity)));
  }
  if (row.destroys) await reset();
  return wrong;
}

const PUBLIC = METHODS.filter((method) => method.service !== "quorate.Peer");

describe("the authorisation matrix", () => {
  it("has a row for every method that clients may call", () => {
    const rows = new Set(ROWS.map((row) => row.path));
    const missing = PUBLIC.filter((method) => !rows.has(method.path)).map((method) => method.path);
    assert.deepEqual(missing, []);
  });

  for (const row of ROWS) {
    const method = METHODS.find((each) => each.path === row.path);
    const name = `${row.path.slice(1)} ${row.about}`.trimEnd();
    if (method === undefined) throw new Error(`${name} is no method`);

    it(`${name}: over gRPC`, async () => {
      assert.deepEqual(await judgeAll(row, TOKENS, (who) => overGrpc(method, row, who)), []);
    });

    it(`${name}: with a certificate`, async () => {
      assert.deepEqual(
        await judgeAll(row, ["certificate"], () => withCertificate(method, row)),
        [],
      );
    });

    if (method.rest.length === 0) continue;
    it(`${name}: through the JSON gateway`, async () => {
      assert.deepEqual(await judgeAll(row, TOKENS, (who) => overGateway(method, row, who)), []);
    });
  }
});
