/** What is done next about what people ask for: other sizes, tasks, the end. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { QuorateTask } from "../../../operator/api/gen/types.ts";
import { known } from "../../../operator/cluster/facts.ts";
import { plan } from "../../../operator/cluster/plan.ts";
import { next, operationOf, waits } from "./asking.ts";
import { type MemberSketch, factsOf } from "./facts.ts";

const EMPTY: MemberSketch["boot"] = { phase: "AwaitingTicket", memberId: null, clusterId: null };
const IDLE: MemberSketch = { listed: false, ready: false, boot: EMPTY };

describe("a scale", () => {
  it("out makes one pod more", () => {
    const action = next({ spec: { replicas: 5 }, journal: { size: 3 } });
    assert.ok(action.kind === "journal" && action.document.size === 4);
  });

  it("in takes the highest number by number: kv-10 before kv-9", () => {
    const members = Array.from({ length: 11 }, (_, at) => ({ leads: at === 0 }));
    const operation = operationOf(next({ members, spec: { replicas: 10 } }));
    assert.ok(operation?.type === "RemoveMember" && operation.member === "kv-10");
  });

  it("waits while a member is absent", () => {
    const members = [{ leads: true }, {}, { ready: false, boot: null }];
    assert.equal(waits({ members, spec: { replicas: 5 } }).reason, "AwaitMembers");
  });
});

describe("an operation that waits", () => {
  const absent = { ready: false, boot: null } as const;
  const head = { id: "1-4", attempts: 0, startedAt: "2026-01-05T11:59:00Z", deadline: null };
  const roll = {
    type: "Roll",
    step: "AwaitParticipating",
    revision: "kv-1",
    seenAt: null,
  } as const;
  const current = { member: "kv-2", podUid: "older" };
  const members = [{ leads: true }, {}, absent];

  it("makes room for a newer spec, which may be the cure", () => {
    const operation = { ...head, ...roll, current, task: null };
    assert.equal(waits({ members, operation }).reason, "AwaitParticipating");
    const action = next({ members, operation, cluster: { generation: 2 } });
    assert.equal(operationOf(action), null);
    const ended = action.kind === "journal" ? action.document.history.at(-1) : undefined;
    assert.equal(ended?.outcome, "Abandoned");
  });

  it("does not, where a person asked for it", () => {
    const operation = { ...head, ...roll, current, task: "t-1" };
    const action = next({ members, operation, cluster: { generation: 2 } });
    assert.equal(action.kind, "wait");
  });
});

describe("a member that no pod has", () => {
  it("is never touched: a person is told", () => {
    const facts = factsOf({ members: [{ leads: true }, {}, IDLE] });
    const list = facts.memberList.known ? facts.memberList.value : [];
    const stranger = { id: "ee", name: "x", peerUrls: ["http://elsewhere:2380"], isLearner: false };
    const action = plan({ ...facts, memberList: known([...list, stranger]) });
    assert.ok(action.kind === "wait" && action.reason === "Stranger" && action.stalled);
  });
});

describe("a task", () => {
  const task = (spec: Omit<QuorateTask["spec"], "clusterRef">): QuorateTask => ({
    apiVersion: "quorate.io/v1alpha1",
    kind: "QuorateTask",
    metadata: {
      name: "t",
      namespace: "data",
      uid: "t-1",
      creationTimestamp: "2026-01-05T11:00:00Z",
    },
    spec: { clusterRef: { name: "kv" }, ...spec },
    status: { phase: "Pending", message: "waits for the cluster" },
  });

  it("to replace the only voter is refused: it would wait for ever, and everything else with it", () => {
    const replaceMember = { member: "kv-0" };
    const members = [{ leads: true }];
    const action = next({ members, facts: { tasks: [task({ replaceMember })] } });
    assert.ok(action.kind === "journal");
    assert.equal(action.document.operation, null);
    assert.match(action.document.history.at(-1)?.message ?? "", /only voter/);
  });

  it("to recover a quorum without the acknowledgement is refused", () => {
    const recoverQuorum = { survivor: "kv-0", acknowledgeDataLoss: false };
    const action = next({ listUnknown: true, facts: { tasks: [task({ recoverQuorum })] } });
    assert.ok(action.kind === "journal");
    assert.equal(action.document.operation, null);
    assert.match(action.document.history.at(-1)?.message ?? "", /acknowledgeDataLoss/);
  });

  it("to recover a quorum raises every fence before anything else", () => {
    const recoverQuorum = { survivor: "kv-1", acknowledgeDataLoss: true };
    const action = next({ listUnknown: true, facts: { tasks: [task({ recoverQuorum })] } });
    assert.ok(action.kind === "journal");
    const { boot, incarnation } = action.document;
    assert.equal(incarnation, 2);
    assert.deepEqual(
      Object.values(boot).map(({ fence }) => fence?.incarnation),
      [2, 2, 2],
    );
    assert.deepEqual(
      Object.entries(boot).flatMap(([name, { ticket }]) =>
        ticket === null ? [] : [name, ticket.mode],
      ),
      ["kv-1", "forceNew"],
    );
  });
});

describe("a cluster that is deleted", () => {
  const deletionTimestamp = "2026-01-05T11:59:00Z";

  it("is let go, with its volumes kept, unless the spec says otherwise", () => {
    assert.equal(next({ cluster: { deletionTimestamp } }).kind, "settled");
  });

  it("takes its volumes along where the spec says so, the pods first", () => {
    const storage = { size: "8Gi", retention: { onDelete: "Delete" } } as const;
    const cluster = { deletionTimestamp, finalizers: ["quorate.io/volumes"] };
    const first = next({ cluster, spec: { storage } });
    assert.deepEqual(first, { kind: "deleteStatefulSet", uid: "s-1" });
    const pods = next({ cluster, spec: { storage }, facts: { statefulSet: null } });
    assert.equal(pods.kind, "wait");
    const disks = next({
      cluster,
      spec: { storage },
      facts: { statefulSet: null, pods: new Map() },
    });
    assert.equal(disks.kind, "deleteClaim");
  });
});
