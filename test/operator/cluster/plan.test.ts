/** What is done next, as a table: facts on the left, one action on the right. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { QuorateBackup } from "../../../operator/api/gen/types.ts";
import type { Action } from "../../../operator/cluster/action.ts";
import { type Facts, known } from "../../../operator/cluster/facts.ts";
import type { Operation } from "../../../operator/cluster/journal.ts";
import { plan } from "../../../operator/cluster/plan.ts";
import { next, operationOf, waits } from "./asking.ts";
import { type MemberSketch, NOW, type Sketch, factsOf, idOf } from "./facts.ts";

const EMPTY: MemberSketch["boot"] = { phase: "AwaitingTicket", memberId: null, clusterId: null };
const IDLE: MemberSketch = { listed: false, ready: false, boot: EMPTY };

const HEAD = {
  id: "1-4",
  attempts: 0,
  startedAt: new Date(NOW - 1_000).toISOString(),
  deadline: new Date(NOW + 60_000).toISOString(),
  task: null,
} as const;

function adding(member: string, more: object = {}): Operation {
  const type = "AddMember";
  const rest = { step: "Announce", memberId: null, nonce: null, abandoned: null };
  return { ...HEAD, type, member, ...rest, ...more };
}

function replacing(member: string, more: object = {}): Operation {
  const ordinal = Number(member.slice(3));
  const rest = {
    step: "Remove",
    reason: "DiskEmpty",
    memberId: idOf(ordinal),
    claimUid: `d-${member}`,
    podUid: `p-${member}`,
  } as const;
  return { ...HEAD, type: "ReplaceMember", member, ...rest, ...more };
}

describe("a cluster that is well", () => {
  it("is left alone", () => assert.equal(next({}).kind, "settled"));

  it("of one member is left alone too", () => {
    assert.equal(next({ members: [{ leads: true }] }).kind, "settled");
  });

  it("is left alone while it is paused, whatever is asked of it", () => {
    assert.equal(waits({ spec: { paused: true }, cluster: { generation: 9 } }).reason, "Paused");
  });
});

describe("a spec", () => {
  it("is taken over between operations", () => {
    const action = next({ cluster: { generation: 2 } });
    assert.ok(action.kind === "journal" && action.document.adopted.generation === 2);
  });

  it("is not taken over in the middle of one", () => {
    const action = next({ cluster: { generation: 2 }, operation: replacing("kv-1") });
    assert.notEqual(action.kind, "journal");
  });

  it("is not followed where it skips a minor version, goes down, or to another major one", () => {
    for (const version of ["1.6.0", "1.3.9", "2.0.0"]) {
      const action = next({ cluster: { generation: 2 }, spec: { version } });
      assert.ok(action.kind === "journal");
      assert.equal(action.document.latched.version, "1.4.2", version);
      assert.match(
        action.document.adopted.refusal ?? "",
        new RegExp(version.replaceAll(".", "\\.")),
      );
    }
    const up = next({ cluster: { generation: 2 }, spec: { version: "1.5.0" } });
    assert.ok(up.kind === "journal" && up.document.latched.version === "1.5.0");
  });
});

describe("a disk that is lost", () => {
  const reasons: readonly (readonly [string, MemberSketch])[] = [
    ["DiskEmpty", { ready: false, boot: EMPTY }],
    ["DiskOfAnother", { ready: false, boot: { phase: "Fenced", memberId: "ff" } }],
    ["ClaimDeleted", { claimLeaves: true }],
  ];
  for (const [reason, member] of reasons) {
    it(`has its member replaced while the rest is a quorum: ${reason}`, () => {
      const operation = operationOf(next({ members: [{ leads: true }, member, {}] }));
      assert.ok(operation?.type === "ReplaceMember");
      assert.deepEqual([operation.member, operation.reason], ["kv-1", reason]);
      assert.deepEqual([operation.memberId, operation.claimUid], [idOf(1), "d-kv-1"]);
    });
  }

  it("is left to a person where the rest is no quorum", () => {
    const members = [{ leads: true }, { ready: false, boot: EMPTY }, { ready: false, boot: null }];
    assert.notEqual(next({ members }).kind, "journal");
  });

  it("is left to a person where it was the only one", () => {
    const told = waits({ members: [{ ready: false, leads: true, boot: EMPTY }] });
    assert.deepEqual([told.reason, told.stalled], ["DataLost", true]);
  });

  it("is left to a person who wants it so", () => {
    const members = [{ leads: true }, { ready: false, boot: EMPTY }, {}];
    assert.ok(waits({ members, spec: { repair: { onDataLoss: "Manual" } } }).stalled);
    const manual = next({ members, spec: { repair: { mode: "Manual" } } });
    assert.equal(manual.kind, "wait");
  });

  it("is none where a member has not seen its ticket yet", () => {
    const boot = { phase: "AwaitingTicket", memberId: null } as const;
    const ticket = {
      mode: "join",
      nonce: "n",
      incarnation: 1,
      clusterId: "cc",
      initialCluster: "kv-0=http://x:1",
    } as const;
    const members = [{ leads: true }, {}, { ready: false, boot }];
    const facts = factsOf({ members, journal: { boot: { "kv-2": { ticket, fence: null } } } });
    const action = plan(facts);
    assert.ok(action.kind === "wait" && action.reason === "AwaitMembers");
  });
});

describe("a replacement", () => {
  const gone = { listed: false, ready: false, boot: EMPTY } as const;

  it("begins with the list, by the id that it was begun for", () => {
    const members = [{ leads: true }, { ready: false, boot: EMPTY }, {}];
    assert.deepEqual(next({ members, operation: replacing("kv-1") }), {
      kind: "memberRemove",
      id: idOf(1),
    });
  });

  it("of who runs well though its claim was deleted waits for a backup that reads, of who is lost does not", () => {
    const backup: QuorateBackup = {
      apiVersion: "quorate.io/v1alpha1",
      kind: "QuorateBackup",
      metadata: { name: "b", namespace: "data" },
      spec: { clusterRef: { name: "kv" }, destination: {} },
      status: { phase: "Running" },
    };
    const facts = { backups: [backup] };
    const operation = replacing("kv-1", { reason: "ClaimDeleted" });
    const ask = (member: MemberSketch, reading: Partial<Facts>): Action =>
      next({ members: [{ leads: true }, member, {}], operation, facts: reading });
    const well = ask({ claimLeaves: true }, facts);
    assert.ok(well.kind === "wait" && well.reason === "AwaitBackup");
    assert.equal(ask({ claimLeaves: true }, {}).kind, "memberRemove");
    assert.equal(ask({ claimLeaves: true, ready: false, boot: null }, facts).kind, "memberRemove");
  });

  it("does not touch a successor", () => {
    const operation = operationOf(next({ operation: replacing("kv-1", { memberId: "old" }) }));
    assert.equal(operation, null, "it is over");
  });

  it("waits, and says so, where the rest is no quorum", () => {
    const members = [{ leads: true }, { ready: false, boot: EMPTY }, { ready: false, boot: null }];
    const told = waits({ members, operation: replacing("kv-1") });
    assert.deepEqual([told.reason, told.stalled], ["AwaitQuorum", true]);
  });

  it("waits where the list cannot be read: that is no empty list", () => {
    const told = waits({ listUnknown: true, operation: replacing("kv-1") });
    assert.equal(told.reason, "AwaitMemberList");
  });

  it("then deletes the claim by its UID, and only then the pod", () => {
    const operation = replacing("kv-1");
    const claim = next({ members: [{ leads: true }, gone, {}], operation });
    assert.ok(claim.kind === "deleteClaim" && claim.uid === "d-kv-1" && claim.vacated !== null);
    const pod = next({ members: [{ leads: true }, { ...gone, claimLeaves: true }, {}], operation });
    assert.deepEqual(pod, { kind: "deletePod", name: "kv-1", uid: "p-kv-1" });
  });

  it("leaves another claim of that name alone", () => {
    const operation = replacing("kv-1", { claimUid: "older", podUid: "older" });
    assert.equal(operationOf(next({ members: [{ leads: true }, gone, {}], operation })), null);
  });
});

describe("a join", () => {
  const members = [{ leads: true }, {}, IDLE];

  it("begins for a pod that is no member", () => {
    const operation = operationOf(next({ members }));
    assert.ok(operation?.type === "AddMember" && operation.member === "kv-2");
  });

  it("names the place once a pod with an empty disk waits there", () => {
    const action = next({ members, operation: adding("kv-2") });
    assert.equal(action.kind, "memberAdd");
    const starting = { ...IDLE, boot: null };
    const told = waits({ members: [{ leads: true }, {}, starting], operation: adding("kv-2") });
    assert.equal(told.reason, "AwaitIdle");
  });

  it("gives a ticket for the id that the list has", () => {
    const learner = { voter: false, ready: false, boot: EMPTY } as const;
    const sketch = { members: [{ leads: true }, {}, learner], operation: adding("kv-2") };
    const action = next(sketch);
    assert.ok(action.kind === "journal");
    const file = action.document.boot["kv-2"];
    assert.equal(file?.ticket?.mode, "join");
    assert.equal(file?.ticket?.nonce, "fresh");
    assert.equal(file?.fence?.memberId, idOf(2));
    assert.match(file?.ticket?.initialCluster ?? "", /^kv-0=http:.*,kv-1=http:.*,kv-2=http:/);
  });

  it("promotes who has caught up, once its ticket was taken back", () => {
    const learner = { voter: false, ready: false } as const;
    const operation = adding("kv-2", { memberId: idOf(2), nonce: "used" });
    const action = next({ members: [{ leads: true }, {}, learner], operation });
    assert.deepEqual(action, { kind: "memberPromote", id: idOf(2) });
  });

  it("is given up when the spec asks for fewer, and its learner removed", () => {
    const learner = { voter: false, ready: false, boot: EMPTY } as const;
    const sketch = { members: [{ leads: true }, {}, learner], spec: { replicas: 1 } };
    const operation = operationOf(next({ ...sketch, operation: adding("kv-2") }));
    assert.ok(operation?.type === "AddMember" && operation.abandoned !== null);
    assert.equal(next({ ...sketch, operation }).kind, "memberRemove");
  });

  it("does not wipe a disk that may be somebody's: a person is told", () => {
    const kept = {
      listed: false,
      ready: false,
      boot: { phase: "Fenced", memberId: "77", clusterId: "other" },
    } as const;
    const told = waits({ members: [{ leads: true }, {}, kept], operation: adding("kv-2") });
    assert.deepEqual([told.reason, told.stalled], ["RetainedClaim", true]);
  });
});

describe("a roll", () => {
  const old = { revision: "kv-0" } as const;

  it("begins where pods are older than the template, and nothing is in its way", () => {
    const members = [{ leads: true, ...old }, old, old];
    assert.equal(operationOf(next({ members }))?.type, "Roll");
  });

  const held: readonly (readonly [string, Sketch])[] = [
    [
      "a member that is absent",
      { members: [{ leads: true, ...old }, old, { ready: false, boot: null }] },
    ],
    ["an alarm", { facts: { alarms: known([{ memberId: "a0", alarm: "CORRUPT" }]) } }],
    ["alarms that cannot be read", { facts: { alarms: { known: false, why: "no leader" } } }],
    ["a closed window", { spec: { update: { windows: ["Sun 02:00-03:00"] } } }],
    ["a person who does it", { spec: { update: { strategy: "Manual" } } }],
  ];
  for (const [what, sketch] of held) {
    it(`is held by ${what}`, () => {
      const action = next({ members: [{ leads: true, ...old }, old, old], ...sketch });
      const isRoll = action.kind === "journal" && action.document.operation?.type === "Roll";
      assert.ok(!isRoll && action.kind !== "deletePod", JSON.stringify(action));
    });
  }

  const rolling: Operation = {
    ...HEAD,
    type: "Roll",
    step: "ChoosePod",
    revision: "kv-1",
    current: null,
    seenAt: null,
  };

  it("takes followers before the leader, and writes down whom it takes", () => {
    const members = [{ leads: true, ...old }, old, old];
    const operation = operationOf(next({ members, operation: rolling }));
    assert.ok(operation?.type === "Roll");
    assert.deepEqual(operation.current, { member: "kv-2", podUid: "p-kv-2" });
    const action = next({ members, operation });
    assert.deepEqual(action, { kind: "deletePod", name: "kv-2", uid: "p-kv-2" });
  });

  it("moves the lead to a member that is up to date before it takes the leader", () => {
    const members = [{ leads: true, ...old }, {}, {}];
    const current = { member: "kv-0", podUid: "p-kv-0" };
    const moving = operationOf(next({ members, operation: { ...rolling, current } }));
    assert.ok(moving?.type === "Roll" && moving.step === "MoveLeader");
    const action = next({ members, operation: moving });
    assert.deepEqual(action, { kind: "moveLeader", from: "kv-0", targetId: idOf(1) });
  });

  it("goes on only after the new pod was seen to take part twice", () => {
    const current = { member: "kv-2", podUid: "older" };
    const once = operationOf(next({ operation: { ...rolling, current } }));
    assert.ok(once?.type === "Roll" && once.seenAt !== null && once.current !== null);
    assert.equal(waits({ operation: once }).reason, "SeeAgain");
    const seenAt = new Date(NOW - 4_000).toISOString();
    const twice = operationOf(next({ operation: { ...once, seenAt } }));
    assert.ok(twice?.type === "Roll" && twice.current === null);
  });

  it("makes a pod anew in which nothing runs, if it is still as it was seen", () => {
    const down: MemberSketch = { ready: false, boot: null, pod: { phase: "Pending" }, ...old };
    const action = next({ members: [{ leads: true, ...old }, down, old] });
    assert.ok(action.kind === "deletePod" && action.name === "kv-1", JSON.stringify(action));
    assert.ok(action.resourceVersion !== undefined, "only if nothing has begun to run in it");
  });

  it("takes no pod for one in which nothing runs whose member answers: Kubernetes says it later", () => {
    const late: MemberSketch = { ready: false, pod: { phase: "Pending" }, ...old };
    const action = next({ members: [{ leads: true, ...old }, late, { ready: false, boot: null }] });
    assert.notEqual(action.kind, "deletePod", JSON.stringify(action));
  });

  it("stops at the first pod that fails", () => {
    const current = { member: "kv-2", podUid: "older" };
    const deadline = new Date(NOW - 1).toISOString();
    const members = [{ leads: true, ...old }, old, { ready: false, boot: null }];
    const told = waits({ members, operation: { ...rolling, current, deadline } });
    assert.deepEqual([told.reason, told.stalled], ["RollFailed", true]);
  });

  it("takes nobody down while the list cannot be read: who is in none may lead", () => {
    const current = { member: "kv-0", podUid: "p-kv-0" };
    const members = [{ leads: true, ...old }, {}, { ready: false, boot: null }];
    const operation = { ...rolling, step: "MoveLeader", current };
    assert.equal(waits({ listUnknown: true, members, operation }).reason, "AwaitMemberList");
  });

  it("does not take who is in no list for no member where the list cannot be read", () => {
    const current = { member: "kv-2", podUid: "older" };
    assert.equal(
      waits({ listUnknown: true, operation: { ...rolling, current } }).reason,
      "AwaitParticipating",
    );
  });
});
