import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { API_ERRORS, type ApiErrorName } from "../../../src/api/catalogue.ts";
import type { ErrorCode } from "../../../src/base/errors.ts";
import {
  type CallKind,
  type Failure,
  backoffMs,
  isOutcomeUnknown,
  judge,
  provesUnsent,
} from "../../../src/client/retry.ts";

const ALONE = { hasCredentials: false, hasOthers: false };
const AMONG_OTHERS = { hasCredentials: false, hasOthers: true };
const WITH_PASSWORD = { hasCredentials: true, hasOthers: true };

function said(name: ApiErrorName): Failure {
  return { code: API_ERRORS[name].code, text: API_ERRORS[name].text, sent: true };
}

function transport(code: ErrorCode, text: string): Failure {
  return { code, text, sent: !provesUnsent(text) };
}

/** What etcd says where a proposal may still be applied. */
const OPEN: ReadonlySet<ApiErrorName> = new Set([
  "stopped",
  "leaderChanged",
  "timeout",
  "timeoutLeaderFail",
  "timeoutConnectionLost",
  "timeoutWaitApplied",
  "timeoutLeaderTransfer",
  "canceled",
  "requestCancelled",
  "contextCanceled",
  "deadlineExceeded",
] as const);
const NAMES = Object.keys(API_ERRORS) as ApiErrorName[];

describe("judge", () => {
  it("a write is repeated where no byte of it went out, or where it was refused before it was proposed", () => {
    const refused = transport("unavailable", "No connection established. Last error: refused");
    assert.equal(judge("write", refused, ALONE), "elsewhere");
    assert.equal(judge("write", said("noLeader"), ALONE), "elsewhere");
    assert.equal(
      judge("write", transport("unavailable", "Stream refused by server"), ALONE),
      "elsewhere",
    );
  });

  it("a write is repeated after none of etcd's other errors, nor when its connection broke", () => {
    const repeated = NAMES.filter(
      (name) => judge("write", said(name), AMONG_OTHERS) === "elsewhere",
    );
    assert.deepEqual(repeated, ["noLeader", "notSupportedForLearner"]);
    for (const text of ["Connection dropped", "read ECONNRESET", "Deadline exceeded"])
      assert.equal(judge("write", transport("unavailable", text), AMONG_OTHERS), "fail");
    const late = transport("deadlineExceeded", "Deadline exceeded after 1s");
    assert.equal(judge("write", late, AMONG_OTHERS), "fail");
  });

  it("a read is repeated after everything that another member may answer", () => {
    const repeated = NAMES.filter((name) => judge("read", said(name), ALONE) === "elsewhere");
    const unavailable = NAMES.filter((name) =>
      ["unavailable", "deadlineExceeded", "cancelled"].includes(API_ERRORS[name].code),
    );
    assert.deepEqual(repeated, unavailable);
    assert.equal(judge("read", transport("unavailable", "Connection dropped"), ALONE), "elsewhere");
    assert.equal(judge("local", transport("deadlineExceeded", "late"), ALONE), "elsewhere");
    assert.equal(judge("read", said("compacted"), AMONG_OTHERS), "fail");
  });

  it("a learner's refusal sends to another member, if there is one", () => {
    for (const kind of ["read", "write"] as const) {
      assert.equal(judge(kind, said("notSupportedForLearner"), AMONG_OTHERS), "elsewhere");
      assert.equal(judge(kind, said("notSupportedForLearner"), ALONE), "fail");
    }
  });

  it("a refused token is replaced where there is a password, whatever the call does", () => {
    for (const kind of ["read", "write"] as const) {
      for (const name of ["invalidAuthToken", "userEmpty", "authOldRevision"] as const)
        assert.equal(judge(kind, said(name), WITH_PASSWORD), "authenticate");
      assert.equal(judge(kind, said("invalidAuthToken"), AMONG_OTHERS), "fail");
      assert.equal(judge(kind, said("authOldRevision"), AMONG_OTHERS), "authenticate");
      assert.equal(judge(kind, said("permissionDenied"), WITH_PASSWORD), "fail");
    }
  });
});

describe("isOutcomeUnknown", () => {
  const unknown = (kind: CallKind): ApiErrorName[] =>
    NAMES.filter((name) => isOutcomeUnknown(kind, said(name)));

  it("etcd's time-outs and changes of leader leave a write open, its refusals do not", () => {
    // Errors of the services for locks and elections have no prefix, and come after writes of theirs.
    const bare = NAMES.filter(
      (name) => !API_ERRORS[name].text.startsWith("etcdserver: ") && !OPEN.has(name),
    );
    assert.deepEqual(
      unknown("write"),
      NAMES.filter((name) => OPEN.has(name) || bare.includes(name)),
    );
  });

  it("a broken connection leaves a write open unless nothing was sent", () => {
    assert.ok(isOutcomeUnknown("write", transport("unavailable", "Connection dropped")));
    assert.ok(isOutcomeUnknown("write", transport("internal", "Received RST_STREAM with code 2")));
    assert.ok(isOutcomeUnknown("write", transport("resourceExhausted", "Received message larger")));
    assert.ok(!isOutcomeUnknown("write", transport("unavailable", "No connection established")));
    assert.ok(!isOutcomeUnknown("write", transport("unimplemented", "unknown service")));
  });

  it("of a read nothing is unknown", () => {
    assert.deepEqual(unknown("read"), []);
    assert.deepEqual(unknown("local"), []);
  });
});

describe("backoffMs", () => {
  it("doubles from 25 ms to a second, give or take a quarter", () => {
    assert.deepEqual(
      [0, 1, 2, 10, 60].map((round) => backoffMs(round, 0.5)),
      [25, 50, 100, 1000, 1000],
    );
    assert.equal(backoffMs(0, 0), 18.75);
    assert.ok(backoffMs(60, 0.999_999) < 1250);
  });
});
