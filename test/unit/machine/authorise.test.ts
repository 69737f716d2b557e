/** What entries may do while authentication is on: asked again when they are applied, by the state of that moment. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { command, encodeCommand, type CommandKind } from "../../../src/api/gen/command.ts";
import { permission } from "../../../src/api/gen/auth.ts";
import { compare, putRequest, requestOp, txnRequest } from "../../../src/api/gen/kv.ts";
import type { PutRequest, RequestOpRequest, TxnRequest } from "../../../src/api/gen/kv.ts";
import { API_ERRORS, type ApiError } from "../../../src/api/catalogue.ts";
import { alarmRequest } from "../../../src/api/gen/maintenance.ts";
import { digestOf } from "../../../src/auth/token.ts";
import { present } from "../../../src/base/assert.ts";
import type { Origin } from "../../../src/machine/command.ts";
import { deletion, MachineFixture, op, PREFIX, text } from "./fixture.ts";

const READ = 0;
const WRITE = 1;

/** Users with roles of their own: `reader` reads [a, b), `writer` writes it, `both` does both; and root. */
async function open(): Promise<MachineFixture> {
  const fixture = await MachineFixture.open();
  const { auth } = fixture.machine;
  auth.addUser("root", text("hash"), false);
  auth.grantRole("root", "root");
  for (const [name, types] of [
    ["reader", [READ]],
    ["writer", [WRITE]],
    ["both", [READ, WRITE]],
    ["none", []],
  ] as const) {
    auth.addUser(name, text("hash"), false);
    for (const permType of types) {
      const role = `${name} ${permType}`;
      auth.addRole(role);
      auth.grantRole(name, role);
      auth.grantPermission(role, permission({ permType, key: text("a"), rangeEnd: text("b") }));
    }
  }
  auth.enable();
  return fixture;
}

/** Applies it as somebody's; null if it was done. */
function applyAs(
  fixture: MachineFixture,
  who: Partial<Origin> | string,
  kind: CommandKind,
): ApiError | null {
  const { revision } = fixture.machine.auth;
  const origin = typeof who === "string" ? { user: who, authRevision: revision } : who;
  const requestId = (BigInt(PREFIX) << 48n) | BigInt(fixture.nextIndex);
  const bytes = encodeCommand(command({ requestId, ...origin, kind }));
  const index = fixture.applyData(Buffer.from(bytes));
  const reply = present(fixture.replies.get(index), "the entry was answered");
  return reply.kind === "error" ? reply.error : null;
}

const put = (key: string, more: Partial<PutRequest> = {}): CommandKind => ({
  kind: "put",
  value: putRequest({ key: text(key), ...more }),
});
const txn = (request: Partial<TxnRequest>): CommandKind => ({
  kind: "txn",
  value: txnRequest(request),
});
const within = (request: RequestOpRequest): CommandKind =>
  txn({ failure: [op({ kind: "requestTxn", value: txnRequest({ success: [op(request)] }) })] });

describe("Machine: entries while authentication is on", () => {
  it("an entry that names nobody is refused, unless it is the cluster's own", async () => {
    const fixture = await open();
    assert.equal(applyAs(fixture, {}, put("a")), API_ERRORS.userEmpty);
    assert.equal(applyAs(fixture, { own: true }, put("a")), null);
    assert.equal(applyAs(fixture, "nobody", put("a")), API_ERRORS.permissionDenied);
  });

  it("an entry of somebody who was recognised before the last change is refused", async () => {
    const fixture = await open();
    const { revision } = fixture.machine.auth;
    assert.equal(applyAs(fixture, { user: "both", authRevision: revision }, put("a")), null);
    fixture.machine.auth.addRole("another");
    const late = applyAs(fixture, { user: "both", authRevision: revision }, put("a"));
    assert.equal(late, API_ERRORS.authOldRevision);
    assert.equal(applyAs(fixture, "both", put("a")), null);
  });

  it("writes ask for what they write and for what they would tell", async () => {
    const fixture = await open();
    fixture.machine.auth.disable();
    fixture.put("a", "there");
    fixture.machine.auth.enable();
    const denied = API_ERRORS.permissionDenied;
    const deleting = (key: string, end: string, prevKv: boolean): CommandKind => ({
      kind: "deleteRange",
      value: deletion(key, end, { prevKv }),
    });
    const table: readonly (readonly [CommandKind, who: string])[] = [
      [put("a"), "writer both root"],
      [put("b"), "root"],
      [put("a", { prevKv: true }), "both root"],
      [put("a", { ignoreValue: true }), "both root"],
      [put("a", { ignoreLease: true }), "both root"],
      [deleting("a0", "a1", false), "writer both root"],
      [deleting("a0", "a1", true), "both root"],
      [deleting("a0", "\0", false), "root"],
      [deleting("a0", "b0", false), "root"],
      [txn({ compare: [compare({ key: text("a") })] }), "reader both root"],
      [txn({ compare: [compare({ key: text("a"), rangeEnd: text("\0") })] }), "root"],
      [within({ kind: "requestPut", value: putRequest({ key: text("a") }) }), "writer both root"],
      [within({ kind: "requestPut", value: putRequest({ key: text("b") }) }), "root"],
      [
        within({ kind: "requestPut", value: putRequest({ key: text("a"), prevKv: true }) }),
        "both root",
      ],
      [
        within({ kind: "requestDeleteRange", value: deletion("a0", "a1", { prevKv: true }) }),
        "both root",
      ],
    ];
    for (const [at, [kind, allowed]] of table.entries()) {
      for (const who of ["none", "reader", "writer", "both", "root"]) {
        const wanted = allowed.split(" ").includes(who) ? null : denied;
        assert.equal(applyAs(fixture, who, kind), wanted, `row ${at}, ${who}`);
      }
    }
  });

  it("nothing of a refused transaction is done", async () => {
    const fixture = await open();
    const value = putRequest({ key: text("a1") });
    const other = putRequest({ key: text("z") });
    const both = txn({
      success: [
        requestOp({ request: { kind: "requestPut", value } }),
        requestOp({ request: { kind: "requestPut", value: other } }),
      ],
    });
    const { revision } = fixture.machine.store;
    assert.equal(applyAs(fixture, "both", both), API_ERRORS.permissionDenied);
    assert.equal(fixture.machine.store.revision, revision);
    assert.deepEqual(await fixture.live(), []);
  });

  it("a lease is for those who may write all of its keys", async () => {
    const fixture = await open();
    assert.equal(
      applyAs(fixture, "none", { kind: "leaseGrant", value: { id: 7n, ttl: 60 } }),
      null,
    );
    assert.equal(applyAs(fixture, "writer", put("a", { lease: 7n })), null);
    const revoke: CommandKind = { kind: "leaseRevoke", value: { id: 7n } };
    assert.equal(applyAs(fixture, "reader", revoke), API_ERRORS.permissionDenied);
    assert.equal(applyAs(fixture, "root", put("z", { lease: 7n })), null);
    assert.equal(applyAs(fixture, "writer", revoke), API_ERRORS.permissionDenied);
    assert.equal(applyAs(fixture, "writer", put("a2", { lease: 7n })), API_ERRORS.permissionDenied);
    const inTxn = within({
      kind: "requestPut",
      value: putRequest({ key: text("a2"), lease: 7n }),
    });
    assert.equal(applyAs(fixture, "writer", inTxn), API_ERRORS.permissionDenied);
    assert.equal(applyAs(fixture, "root", revoke), null);
    assert.equal(applyAs(fixture, "writer", revoke), API_ERRORS.leaseNotFound);
  });

  it("what concerns everybody is root's", async () => {
    const fixture = await open();
    const compaction: CommandKind = { kind: "compaction", value: { revision: 1, physical: false } };
    const raise: CommandKind = { kind: "alarm", value: alarmRequest({ action: 1, alarm: 1 }) };
    const show: CommandKind = { kind: "alarm", value: alarmRequest({ action: 0 }) };
    const addRole: CommandKind = { kind: "authRoleAdd", value: { name: "r" } };
    const disable: CommandKind = { kind: "authDisable", value: {} };
    assert.equal(applyAs(fixture, "none", show), null);
    for (const kind of [compaction, raise, addRole, disable]) {
      assert.equal(applyAs(fixture, "both", kind), API_ERRORS.permissionDenied, kind.kind);
    }
    for (const kind of [addRole, disable]) assert.equal(applyAs(fixture, "root", kind), null);
    assert.equal(fixture.machine.auth.enabled, false);
    assert.equal(fixture.authChanged, 2, "streams were told of both");
  });

  it("a token is known only if nothing has changed since the password was judged", async () => {
    const fixture = await open();
    const { auth } = fixture.machine;
    const { revision } = auth;
    const grant: CommandKind = {
      kind: "authenticate",
      value: { name: "both", digest: digestOf("letters") },
    };
    const checked = { own: true, authRevision: revision };
    assert.equal(applyAs(fixture, checked, grant), null);
    const parts = { prefix: "letters", index: fixture.machine.appliedIndex };
    assert.equal(auth.tokens.use(parts, 0, 1_000), "both");
    auth.changePassword("both", text("other"));
    assert.equal(auth.tokens.use(parts, 0, 1_000), null);
    assert.equal(applyAs(fixture, checked, grant), API_ERRORS.authOldRevision);
    auth.deleteUser("both");
    const now = { own: true, authRevision: auth.revision };
    assert.equal(applyAs(fixture, now, grant), API_ERRORS.authFailed);
    auth.disable();
    assert.equal(applyAs(fixture, now, grant), API_ERRORS.authNotEnabled);
  });

  it("users and roles are what they were after a crash", async () => {
    const fixture = await open();
    fixture.applyData(new Uint8Array());
    await fixture.machine.buffer.drain();
    await fixture.machine.buffer.flush();
    const again = await fixture.crashed(0);
    assert.equal(again.machine.auth.enabled, true);
    assert.equal(again.machine.auth.revision, fixture.machine.auth.revision);
    assert.equal(applyAs(again, "writer", put("a")), null);
    assert.equal(applyAs(again, "reader", put("a")), API_ERRORS.permissionDenied);
  });
});
