import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { API_ERRORS, GRPC_STATUS, statusText, toError } from "../../../src/api/catalogue.ts";
import { Status } from "../../../src/grpc/service.ts";

/** What etcd v3.6.8 was seen to send, by status number; without the prefix `etcdserver: ` that all of these have. */
const SENT: Readonly<Record<number, readonly string[]>> = {
  1: ["watch canceled", "request canceled"],
  2: [
    "too many requests",
    "re-configuration failed due to not enough started members",
    "request timed out, leader transfer took too long",
    "unknown method",
    "request cancelled",
  ],
  3: [
    "key is not provided",
    "key not found",
    "value is provided",
    "lease is provided",
    "too many operations in txn request",
    "duplicate key given in txn request",
    "invalid client api version",
    "invalid sort option",
    "given member URLs are invalid",
    "request is too large",
    "user name is empty",
    "role name is empty",
    "authentication failed, invalid user ID or password",
    "permission not given",
    "invalid auth management",
    "revision of auth store is old",
    "wrong downgrade target version format",
    "invalid downgrade target version",
  ],
  5: ["requested lease not found", "member not found"],
  7: ["permission denied"],
  8: ["mvcc: database space exceeded"],
  9: [
    "lease already exists",
    "member ID already exist",
    "Peer URLs already exists",
    "can only promote a learner member",
    "can only promote a learner member which is in sync with leader",
    "too many learner members in cluster",
    "cluster ID mismatch",
    "root user does not exist",
    "root user does not have root role",
    "user name already exists",
    "user name not found",
    "role name already exists",
    "role name not found",
    "role is not granted to the user",
    "permission is not granted to the role",
    "authentication is not enabled",
    "not leader",
    "not capable",
    "rpc not supported for learner",
    "bad leader transferee",
    "cluster version not found during downgrade",
    "cluster has a downgrade job in progress",
    "no inflight downgrade job",
  ],
  11: [
    "mvcc: required revision has been compacted",
    "mvcc: required revision is a future revision",
    "too large lease TTL",
  ],
  14: [
    "no leader",
    "leader changed",
    "server stopped",
    "request timed out",
    "request timed out, possibly due to previous leader failure",
    "request timed out, possibly due to connection lost",
    "request timed out, waiting for the applied index took too long",
    "unhealthy cluster",
  ],
  15: ["corrupt cluster"],
  16: ["invalid auth token"],
};

/** Sent without a prefix. */
const BARE: Readonly<Record<string, number>> = {
  "context canceled": 1,
  "context deadline exceeded": 4,
  "auth: authentication failed, password was given for no password user": 2,
  "auth: token signing attempted with verify-only key": 2,
  "bcrypt: password length exceeds 72 bytes": 2,
  "not a primary lessor": 2,
  "election: no leader": 2,
  "election: not leader": 2,
  '"leader" field must be provided': 2,
  "mutex: session is expired": 2,
};

describe("API_ERRORS", () => {
  it("has every text that etcd sends, with its code, and no other", () => {
    const wanted = new Map<string, number>(Object.entries(BARE));
    for (const [status, texts] of Object.entries(SENT)) {
      for (const text of texts) wanted.set(`etcdserver: ${text}`, Number(status));
    }
    const rows = Object.values(API_ERRORS);
    const found = new Map(rows.map(({ code, text }) => [text, GRPC_STATUS[code]]));
    assert.equal(found.size, rows.length, "every text is there once");
    assert.deepEqual(
      [...found].toSorted(([a], [b]) => (a < b ? -1 : 1)),
      [...wanted].toSorted(([a], [b]) => (a < b ? -1 : 1)),
    );
  });
});

describe("GRPC_STATUS", () => {
  it("gives every code of gRPC the number the server engine sends", () => {
    const numbers: Readonly<Record<string, number>> = GRPC_STATUS;
    for (const [name, number] of Object.entries(Status)) {
      if (name !== "ok") assert.equal(numbers[name], number, name);
    }
  });
});

describe("toError", () => {
  it("keeps code, text and cause", () => {
    const cause = new Error("inner");
    const error = toError(API_ERRORS.compacted, cause);
    assert.equal(error.code, "outOfRange");
    assert.equal(error.message, "etcdserver: mvcc: required revision has been compacted");
    assert.equal(error.cause, cause);
  });
});

describe("statusText", () => {
  it("reads as Go prints a status", () => {
    assert.equal(
      statusText(API_ERRORS.permissionDenied),
      "rpc error: code = PermissionDenied desc = etcdserver: permission denied",
    );
  });
});
