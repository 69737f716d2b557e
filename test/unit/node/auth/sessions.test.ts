/** Streams and questions that are open while users and roles change. */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import type { Unary } from "../../../../node/rpc/authorise.ts";
import * as cluster from "../../../../node/rpc/cluster.ts";
import * as kv from "../../../../node/rpc/kv.ts";
import * as lease from "../../../../node/rpc/lease.ts";
import { LocalCalls, type Caller } from "../../../../node/rpc/local-call.ts";
import * as maintenance from "../../../../node/rpc/maintenance.ts";
import type { Principal } from "../../../../node/rpc/principal.ts";
import { encodeMemberListRequest } from "../../../../src/api/gen/cluster.ts";
import {
  deleteRangeRequest,
  encodeDeleteRangeRequest,
  encodePutRequest,
  encodeRangeRequest,
  encodeTxnRequest,
  putRequest,
  rangeRequest,
  requestOp,
  txnRequest,
} from "../../../../src/api/gen/kv.ts";
import { encodeHashKVRequest } from "../../../../src/api/gen/maintenance.ts";
import { authUserChangePasswordRequest } from "../../../../src/api/gen/auth-service.ts";
import {
  decodeLeaseKeepAliveResponse,
  encodeLeaseKeepAliveRequest,
  encodeLeaseLeasesRequest,
  encodeLeaseTimeToLiveRequest,
} from "../../../../src/api/gen/lease.ts";
import { encodeLeaderRequest } from "../../../../src/api/gen/election.ts";
import { Auth, Election, KV, Lease, Maintenance, Watch } from "../../../../src/api/gen/methods.ts";
import {
  decodeWatchResponse,
  encodeWatchRequest,
  watchCreateRequest,
  watchRequest,
  type WatchCreateRequest,
  type WatchResponse,
} from "../../../../src/api/gen/watch.ts";
import { until } from "../../../conformance/support/tools.ts";
import {
  AuthMember,
  bearer,
  certified,
  JUST_ANYBODY,
  onPrefix,
  ROOT_PASSWORD,
} from "./auth-member.ts";

const DENIED = "rpc error: code = PermissionDenied desc = etcdserver: permission denied";
const INVALID = "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token";
const NOBODY = "rpc error: code = InvalidArgument desc = etcdserver: user name is empty";

let member: AuthMember;
let root: Caller;

before(async () => {
  member = await AuthMember.start(["--unsafe-no-fsync"]);
  await member.enableWithUsers();
  root = await member.asRoot();
});
after(() => member.stop());
beforeEach(async () => {
  if (!member.running.member.machine.auth.enabled) {
    await member.ask(JUST_ANYBODY, Auth.authEnable, {});
  }
  root = await member.asRoot();
});

/** An open watch, and everything it was told. */
class Watching {
  readonly heard: WatchResponse[] = [];
  readonly #write: (request: WatchCreateRequest) => void;

  constructor(caller: Caller) {
    const stream = member.local.openStream(caller, Watch.watch.path, {
      onMessage: (message) => this.heard.push(decodeWatchResponse(message)),
      onEnd: () => {},
    });
    this.#write = (request) =>
      stream.write(
        Buffer.from(
          encodeWatchRequest(
            watchRequest({ requestUnion: { kind: "createRequest", value: request } }),
          ),
        ),
      );
  }

  create(prefix: string, end = prefix.replace(/\/$/, "0")): this {
    const range = { key: Buffer.from(prefix), rangeEnd: Buffer.from(end) };
    this.#write(watchCreateRequest(range));
    return this;
  }

  /** What was told, one word each, in order. */
  get said(): string[] {
    return this.heard.map((response) => {
      if (response.canceled) return `${response.watchId} canceled: ${response.cancelReason}`;
      if (response.created) return `${response.watchId} created`;
      return response.events.map(({ kv }) => Buffer.from(kv?.key ?? []).toString()).join();
    });
  }

  async expect(said: readonly string[]): Promise<void> {
    await until(`${said.join("; ")} is told`, 5_000, () => this.said.length >= said.length).catch(
      () => {},
    );
    assert.deepEqual(this.said, said);
  }
}

async function put(key: string): Promise<void> {
  await member.ask(root, KV.put, putRequest({ key: Buffer.from(key) }));
}

describe("an open watch", () => {
  it("is canceled when the permission goes, and others of the stream go on", async () => {
    await member.ask(root, Auth.roleGrantPermission, onPrefix("rita", "more/"));
    const watching = new Watching(bearer(await member.token("rita", "rita")));
    watching.create("right/").create("more/");
    await put("right/1");
    await watching.expect(["0 created", "1 created", "right/1"]);
    const { perm } = onPrefix("rita", "more/");
    await member.ask(root, Auth.roleRevokePermission, {
      role: "rita",
      key: perm?.key ?? Buffer.alloc(0),
      rangeEnd: perm?.rangeEnd ?? Buffer.alloc(0),
    });
    await put("more/1");
    await put("right/2");
    await watching.expect([
      "0 created",
      "1 created",
      "right/1",
      `1 canceled: ${DENIED}`,
      "right/2",
    ]);
  });

  it("is canceled when the role goes from the user", async () => {
    const watching = new Watching(bearer(await member.token("rita", "rita"))).create("right/");
    await member.ask(root, Auth.userRevokeRole, { name: "rita", role: "rita" });
    await put("right/1");
    await watching.expect(["0 created", `0 canceled: ${DENIED}`]);
    await member.ask(root, Auth.userGrantRole, { user: "rita", role: "rita" });
  });

  it("is canceled when the password is another, by whichever token it was opened", async () => {
    const watching = new Watching(bearer(await member.token("rita", "rita"))).create("right/");
    const certain = new Watching(certified("rita")).create("right/");
    const request = authUserChangePasswordRequest({ name: "rita", password: "rita" });
    await member.ask(root, Auth.userChangePassword, request);
    await put("right/1");
    await watching.expect(["0 created", `0 canceled: ${INVALID}`]);
    await certain.expect(["0 created", "right/1"]);
  });

  it("goes on when its token's time is over, but creates no more watchers then", async () => {
    const watching = new Watching(bearer(await member.token("rita", "rita"))).create("right/");
    await watching.expect(["0 created"]);
    member.advance(301_000);
    root = await member.asRoot();
    await put("right/1");
    watching.create("right/");
    await watching.expect(["0 created", "right/1", `-1 canceled: ${INVALID}`]);
  });

  it("of nobody known is canceled when authentication is enabled", async () => {
    await member.ask(root, Auth.authDisable, {});
    const nameless = new Watching(JUST_ANYBODY).create("right/");
    const certain = new Watching(certified("rita")).create("right/").create("wrong/");
    await member.ask(JUST_ANYBODY, Auth.authEnable, {});
    root = await member.asRoot();
    await put("right/1");
    await nameless.expect(["0 created", `0 canceled: ${NOBODY}`]);
    await certain.expect(["0 created", "1 created", `1 canceled: ${DENIED}`, "right/1"]);
  });

  it("sees no more than the one key that it may read, whatever it asks for", async () => {
    const token = bearer(await member.token("rita", "rita"));
    const open = new Watching(token).create("right/", "\0").create("", "\0");
    await open.expect([`-1 canceled: ${DENIED}`, `-1 canceled: ${DENIED}`]);
  });
});

describe("a stream of renewals", () => {
  /** Asks once on the stream; the answer is the TTL, or why it ended. */
  function renewals(caller: Caller): (id: bigint) => Promise<string> {
    let told: (answer: string) => void = () => {};
    let ended: string | null = null;
    const stream = member.local.openStream(caller, Lease.leaseKeepAlive.path, {
      onMessage: (message) => told(String(decodeLeaseKeepAliveResponse(message).ttl)),
      onEnd: (_status, text) => {
        ended = text;
        told(text);
      },
    });
    return (id) =>
      new Promise((resolve) => {
        told = resolve;
        if (ended === null) stream.write(Buffer.from(encodeLeaseKeepAliveRequest({ id })));
        else resolve(ended);
      });
  }

  it("outlives its token, and ends with the permission on the lease's keys", async () => {
    await member.ask(root, Lease.leaseGrant, { id: 9n, ttl: 1_000_000 });
    const key = Buffer.from("right/leased");
    await member.ask(root, KV.put, putRequest({ key, lease: 9n }));
    const renew = renewals(bearer(await member.token("rita", "rita")));
    assert.equal(await renew(9n), "1000000");
    member.advance(301_000);
    root = await member.asRoot();
    assert.equal(await renew(9n), "1000000", "the token's time is over");
    const foreign = Buffer.from("wrong/leased");
    await member.ask(root, KV.put, putRequest({ key: foreign, lease: 9n }));
    assert.equal(await renew(9n), "etcdserver: permission denied");
  });

  it("ends when the user is gone", async () => {
    const renew = renewals(bearer(await member.token("noah", "noah")));
    assert.equal(await renew(404n), "0", "no lease, and no key that would be in the way");
    await member.ask(root, Auth.userDelete, { name: "noah" });
    assert.equal(await renew(404n), "etcdserver: invalid auth token");
  });
});

describe("a stream that is made of others, or goes on for long", () => {
  /** Opens it as `caller`; the answer is what it ends with. */
  function endOf(
    caller: Caller,
    path: string,
    message: Uint8Array,
    onFirst: () => void,
  ): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    let first = true;
    const stream = member.local.openStream(caller, path, {
      onMessage: () => {
        if (first) onFirst();
        first = false;
      },
      onEnd: (_status, text) => resolve(text),
    });
    stream.write(Buffer.from(message));
    return promise;
  }

  it("Observe ends when the permission goes", async () => {
    await put("right/poll/1");
    const request = Buffer.from(encodeLeaderRequest({ name: Buffer.from("right/poll") }));
    const caller = bearer(await member.token("rita", "rita"));
    const end = endOf(caller, Election.observe.path, request, () => {
      void member.ask(root, Auth.userRevokeRole, { name: "rita", role: "rita" });
    });
    assert.match(await end, /permission denied/);
    await member.ask(root, Auth.userGrantRole, { user: "rita", role: "rita" });
  });

  it("Snapshot ends when the role root goes", async () => {
    await member.ask(root, Auth.userGrantRole, { user: "walt", role: "root" });
    for (let at = 0; at < 40; at++) {
      const key = Buffer.from(`large/${at}`);
      await member.ask(root, KV.put, putRequest({ key, value: Buffer.alloc(256 * 1024, at) }));
    }
    // What comes is not taken, so that it cannot be over before.
    const caller = bearer(await member.token("walt", "walt"));
    const end = endOf(caller, Maintenance.snapshot.path, Buffer.alloc(0), () => {
      void member.ask(root, Auth.userRevokeRole, { name: "walt", role: "root" });
    });
    assert.match(await end, /permission denied/);
  });
});

describe("a call that was let in before users or roles changed", () => {
  const key = Buffer.from("right/1");
  const point = rangeRequest({ key });
  const txn = txnRequest({
    success: [requestOp({ request: { kind: "requestRange", value: point } })],
  });
  // Encoders share one buffer.
  const call = (name: string, run: Unary, message: Uint8Array): [string, Unary, Uint8Array] => [
    name,
    run,
    Buffer.from(message),
  ];
  const calls = [
    call("range", kv.range, encodeRangeRequest(point)),
    call("put", kv.put, encodePutRequest(putRequest({ key }))),
    call("delete", kv.deleteRange, encodeDeleteRangeRequest(deleteRangeRequest({ key }))),
    call("txn", kv.txn, encodeTxnRequest(txn)),
    call("members", cluster.memberList, encodeMemberListRequest({ linearizable: true })),
    call("lease", lease.timeToLive, encodeLeaseTimeToLiveRequest({ id: 9n, keys: true })),
    call("leases", lease.leases, encodeLeaseLeasesRequest({})),
    call("hash", maintenance.hashKv, encodeHashKVRequest({ revision: 0 })),
  ];

  /** What the handler answers to somebody who was recognised as `who` a moment ago. */
  function answerTo(run: Unary, message: Uint8Array, who: Principal | null): Promise<Uint8Array> {
    const host = member.running.member;
    const local = new LocalCalls({
      router: new Map([
        ["/late", { kind: "unary", handle: (call, m) => run(host, call, m, who), onCancel: null }],
      ]),
      observer: null,
      onError: (error) => assert.fail(String(error)),
    });
    return local.unaryBytes(JUST_ANYBODY, "/late", message, AbortSignal.timeout(5_000));
  }

  for (const [name, run, message] of calls) {
    it(`${name}: is answered as long as they are what they were, and refused afterwards`, async () => {
      const { revision } = member.running.member.machine.auth;
      const now: Principal = { user: "root", authRevision: revision, own: false, credential: null };
      await answerTo(run, message, now);
      const old = { ...now, authRevision: revision - 1 };
      await assert.rejects(answerTo(run, message, old), /revision of auth store is old/);
      await assert.rejects(answerTo(run, message, null), /user name is empty/);
    });
  }
});

describe("Authenticate", () => {
  it("is refused while authentication is off, and to whoever has no password", async () => {
    await member.ask(root, Auth.authDisable, {});
    await assert.rejects(member.token("rita", "rita"), /authentication is not enabled/);
    const options = { noPassword: true };
    const user = { name: "cert", password: "", hashedPassword: "", options };
    await member.ask(JUST_ANYBODY, Auth.userAdd, user);
    await member.ask(JUST_ANYBODY, Auth.authEnable, {});
    await assert.rejects(member.token("cert", ""), /password was given for no password user/);
    await assert.rejects(member.token("rita", "wrong"), /authentication failed, invalid user/);
    await assert.rejects(member.token("nobody", "x"), /authentication failed, invalid user/);
    assert.ok((await member.token("root", ROOT_PASSWORD)).length > 16);
  });

  it("a token that nobody shows is forgotten", async () => {
    const { tokens } = member.running.member.machine.auth;
    await member.token("rita", "rita");
    assert.ok(tokens.size > 0);
    member.advance(301_000);
    await until("no token is left", 5_000, () => tokens.size === 0);
  });

  it("takes a hash in place of a password, and a password of 72 bytes at most", async () => {
    const hashed = await member.running.member.logins.passwords.hash("made elsewhere");
    const hashedPassword = Buffer.from(hashed).toString("base64");
    const add = (name: string, password: string, hash: string): Promise<unknown> =>
      member.ask(root, Auth.userAdd, { name, password, hashedPassword: hash, options: null });
    await add("moved", "", hashedPassword);
    assert.ok((await member.token("moved", "made elsewhere")).length > 16);
    await assert.rejects(add("bad", "", "no hash"), /password was given for no password user/);
    await assert.rejects(add("long", "x".repeat(73), ""), /password length exceeds 72 bytes/);
    await add("longest", "x".repeat(72), "");
    assert.ok((await member.token("longest", "x".repeat(72))).length > 16);
  });
});
