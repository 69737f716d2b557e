/** One operation at a time, and the urgent one is not kept waiting: what waits itself makes room for a repair that need not. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { RaisedAlarm } from "../../../operator/admin.ts";
import { type Facts, known } from "../../../operator/cluster/facts.ts";
import type { Operation } from "../../../operator/cluster/journal.ts";
import { next, waits } from "./asking.ts";
import { type MemberSketch, NOW, idOf } from "./facts.ts";

const HEAD = {
  id: "1-4",
  step: "Wait",
  attempts: 0,
  startedAt: new Date(NOW - 1_000).toISOString(),
  deadline: new Date(NOW + 60_000).toISOString(),
  task: null,
} as const;

const roll: Operation = { ...HEAD, type: "Roll", revision: "kv-1", current: null, seenAt: null };
const removal: Operation = { ...HEAD, type: "RemoveMember", member: "kv-2", claimUid: null };
const join: Operation = {
  ...HEAD,
  type: "AddMember",
  member: "kv-3",
  memberId: null,
  nonce: null,
  abandoned: null,
};
const shrinking: Operation = {
  ...HEAD,
  type: "Defragment",
  members: ["kv-0", "kv-1", "kv-2"],
  done: [],
};
const asked: Operation = {
  ...HEAD,
  type: "ReplaceMember",
  member: "kv-2",
  reason: "Asked",
  memberId: idOf(2),
  claimUid: "d-kv-2",
  podUid: "p-kv-2",
};
const turning: Operation = { ...HEAD, type: "RotateAuthority", step: "TrustNewAlone" };

/** Ready, and yet it tells nobody what it holds: an alarm names it. */
const muted: MemberSketch = { ready: false };
const old = { revision: "kv-0" } as const;
const damaged: MemberSketch = {
  ready: false,
  boot: null,
  pod: {
    containerStatuses: [
      {
        name: "quorate",
        ready: false,
        restartCount: 1,
        state: { waiting: { reason: "CrashLoopBackOff" } },
        lastState: { terminated: { exitCode: 1, message: "the log is corrupt" } },
      },
    ],
  },
};

function raised(...alarms: RaisedAlarm[]): Partial<Facts> {
  return { alarms: known(alarms) };
}

const corrupt = raised({ memberId: idOf(1), alarm: "CORRUPT" });
const full = raised({ memberId: idOf(1), alarm: "NOSPACE" });
const idle: MemberSketch = { listed: false, ready: false, boot: null };

describe("what waits", () => {
  const cases: readonly (readonly [string, Operation, readonly MemberSketch[], Partial<Facts>])[] =
    [
      [
        "a roll, for CORRUPT to end",
        roll,
        [{ leads: true, ...old }, { ...muted, ...old }, old],
        corrupt,
      ],
      ["a roll, for NOSPACE to end", roll, [{ leads: true, ...old }, old, old], full],
      [
        "a removal, for a member that CORRUPT names",
        removal,
        [{ leads: true }, muted, {}],
        corrupt,
      ],
      ["a removal, for a member with damaged data", removal, [{ leads: true }, damaged, {}], {}],
      ["a removal that NOSPACE overtakes", removal, [{ leads: true }, {}, {}], full],
      ["a join, for its pod to start", join, [{ leads: true }, {}, {}, idle], full],
      [
        "a defragmentation, for a member that CORRUPT names",
        shrinking,
        [{ leads: true }, muted, {}],
        corrupt,
      ],
      [
        "a replacement that was asked for, for damaged data of another",
        asked,
        [{ leads: true }, damaged, {}],
        {},
      ],
      [
        "a new authority, for a member with damaged data",
        turning,
        [{ leads: true }, damaged, {}],
        {},
      ],
    ];
  for (const [what, operation, members, facts] of cases)
    it(`makes room for the repair: ${what}`, () => {
      const replicas = operation.type === "RemoveMember" ? members.length - 1 : members.length;
      const action = next({ operation, members, facts, spec: { replicas } });
      assert.ok(action.kind === "journal", JSON.stringify(action));
      const { operation: left, history } = action.document;
      const isAbandoned = left?.type === "AddMember" && left.abandoned !== null;
      assert.ok(isAbandoned || (left === null && history.at(-1)?.outcome === "Abandoned"));
    });

  it("goes on waiting where the repair could not begin either", () => {
    const operation: Operation = { ...roll, current: { member: "kv-2", podUid: "older" } };
    const members = [{ leads: true }, {}, { ready: false }];
    assert.equal(next({ operation, members }).kind, "wait");
    const twice = next({ operation: asked, members: [{ leads: true }, damaged, damaged] });
    assert.equal(twice.kind, "wait");
  });

  it("goes forward once its member is out of the list", () => {
    const members: MemberSketch[] = [{ leads: true }, damaged, { listed: false }];
    const action = next({ operation: asked, members });
    assert.ok(action.kind !== "journal" || action.document.operation !== null);
  });
});

describe("a backup that reads", () => {
  const backup = {
    apiVersion: "quorate.io/v1alpha1",
    kind: "QuorateBackup",
    metadata: { name: "now", namespace: "data" },
    spec: { clusterRef: { name: "kv" }, destination: { storeRef: { name: "s3" } } },
    status: { phase: "Running" },
  } as const;
  for (const [what, operation] of [
    ["a removal", removal],
    ["a replacement that was asked for", asked],
  ] as const)
    it(`is waited for by ${what}`, () => {
      const sketch = { operation, spec: { replicas: 2 } };
      assert.equal(next(sketch).kind, "memberRemove");
      assert.equal(waits({ ...sketch, facts: { backups: [backup] } }).reason, "AwaitBackup");
    });
});

describe("a member whose container ends", () => {
  const ending = (exitCode: number, message: string): MemberSketch => ({
    ...damaged,
    pod: {
      containerStatuses: [
        {
          name: "quorate",
          ready: false,
          restartCount: 1,
          state: { terminated: { exitCode, message } },
        },
      ],
    },
  });

  it("with a wrong checksum is replaced", () => {
    const members = [{ leads: true }, ending(1, "a wrong checksum at 4711"), {}];
    const action = next({ members });
    assert.ok(action.kind === "journal" && action.document.operation?.type === "ReplaceMember");
  });

  it("over a flag that it does not know keeps its disk, whatever the flag is called", () => {
    const members = [{ leads: true }, ending(2, "unknown flag --corrupt-check-tim"), {}];
    const action = next({ members });
    assert.ok(action.kind !== "journal" || action.document.operation?.type !== "ReplaceMember");
  });
});
