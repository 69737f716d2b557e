/** Which rolls that fail are taken back, by whom, and what is done about their pods: the table of decisions. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { withDefaults } from "../../../operator/api/apply-defaults.ts";
import type { QuorateClusterSpec } from "../../../operator/api/gen/types.ts";
import type { Action } from "../../../operator/cluster/action.ts";
import {
  type Journal,
  type Operation,
  type ProvenTemplate,
  latchedTransport,
  parseJournal,
  templateSource,
} from "../../../operator/cluster/journal.ts";
import type { ContainerStatus } from "../../../operator/cluster/objects.ts";
import { next, operationOf, waits } from "./asking.ts";
import {
  LATCHED,
  type MemberSketch,
  NOW,
  REVISION,
  ROLLING,
  type Sketch,
  factsOf,
} from "./facts.ts";

const older = { revision: "kv-older" };
const proven: ProvenTemplate = {
  revision: older.revision,
  spec: withDefaults(factsOf().cluster.spec),
  latched: LATCHED,
  outgrown: [],
};

function containing(status: Partial<ContainerStatus>): MemberSketch {
  const container = { name: "quorate", ready: false, restartCount: 0, ...status };
  return { ready: false, boot: null, pod: { containerStatuses: [container] } };
}

const PULLING = containing({ state: { waiting: { reason: "ErrImagePull" } } });
const CRASHED = containing({
  restartCount: 1,
  state: { waiting: { reason: "CrashLoopBackOff" } },
  lastState: { terminated: { exitCode: 1 } },
});

function withdraws(sketch: Sketch): Journal["failed"] {
  const action = next({ operation: ROLLING, ...sketch });
  if (action.kind === "wait") {
    assert.equal(action.reason, "RollFailed");
    return null;
  }
  assert.equal(operationOf(action), null);
  return action.kind === "journal" ? action.document.failed : null;
}

/** A roll to this version is under way, from 1.4.2. */
function unproven(version: string): Partial<Journal> {
  return { latched: { ...LATCHED, version }, proven };
}

function wanting(version: string, spec: Partial<QuorateClusterSpec> = {}): Sketch {
  return { spec, journal: unproven(version) };
}

describe("a roll that fails is taken back", () => {
  const [a, lead] = [older, { leads: true, ...older }];
  const gone: MemberSketch = { ready: false, boot: null, pod: null };
  const image = { podTemplate: { spec: { containers: [{ name: "quorate", image: "own:2" }] } } };
  const cases: readonly (readonly [string, Sketch, readonly MemberSketch[], boolean])[] = [
    ["by a patch, whatever has run", wanting("1.4.3"), [lead, a, CRASHED], true],
    ["by a minor, where two of three never left", wanting("1.5.0"), [lead, a, CRASHED], true],
    ["of one alone, by a patch", wanting("1.4.3"), [CRASHED], true],
    ["of one alone, by a minor, and nothing has run", wanting("1.5.0"), [PULLING], true],
    ["not of one alone, by a minor that has run", wanting("1.5.0"), [CRASHED], false],
    ["to an older minor, which the newer reads", wanting("1.3.9"), [CRASHED], true],
    [
      "not where a majority runs in what is new",
      wanting("1.4.3"),
      [lead, {}, {}, {}, CRASHED],
      false,
    ],
    ["where one of three runs in what is new", wanting("1.4.3"), [lead, {}, CRASHED], true],
    ["not there by a minor version", wanting("1.5.0"), [lead, {}, CRASHED], false],
    [
      "where another one came back broken meanwhile",
      wanting("1.4.3"),
      [lead, CRASHED, CRASHED],
      true,
    ],
    ["not to an image that nobody knows the version of", wanting("1.4.2", image), [CRASHED], false],
  ];
  for (const [what, sketch, members, isWithdrawn] of cases)
    it(what, () => {
      const current = { member: `kv-${members.length - 1}`, podUid: "older" };
      const operation = { ...ROLLING, current };
      const listUnknown = members.length < 3;
      const failure = withdraws({ ...sketch, members, operation, listUnknown });
      assert.equal(failure !== null, isWithdrawn);
      if (failure !== null) assert.equal(failure.revision, REVISION);
    });

  it("only to what the others may come back in, and not while a newer spec may be the cure", () => {
    const members = [lead, a, CRASHED];
    const journal = unproven("1.5.1");
    const stale = { ...journal, proven: { ...proven, revision: "kv-oldest" } };
    assert.notEqual(withdraws({ members, journal: stale }), null);
    const newer = members.map((each) => ({ ...each, boot: { version: "1.5.0" } }));
    assert.equal(withdraws({ members: [...newer.slice(0, 2), CRASHED], journal: stale }), null);
    assert.equal(withdraws({ members, journal: { ...journal, proven: null } }), null);
    const refused: MemberSketch = {
      ready: false,
      boot: { leader: null, reason: "why", refusal: "why" },
    };
    const cluster = { generation: 2 };
    const edited = { ...wanting("1.4.3"), members: [lead, a, refused], cluster };
    assert.equal(withdraws(edited), null);
    assert.equal(operationOf(next({ ...edited, operation: ROLLING })), null);
  });

  it("by whoever is made anew before its turn, whatever else is under way", () => {
    const journal = unproven("1.4.3");
    const ask = (sketch: Sketch): Journal["failed"] => {
      const action = next({ journal, members: [lead, a, CRASHED], ...sketch });
      return action.kind === "journal" ? action.document.failed : null;
    };
    const window = { update: { windows: ["Sat 02:00-05:00"] } };
    assert.equal(ask({ spec: window })?.revision, REVISION);
    const joining: Operation = {
      ...ROLLING,
      type: "AddMember",
      member: "kv-2",
      memberId: null,
      nonce: null,
      abandoned: null,
    };
    const action = next({ journal, members: [lead, a, CRASHED], operation: joining });
    assert.equal(operationOf(action)?.type, "AddMember");
    assert.ok(action.kind === "journal" && action.document.failed !== null);
    const others = { ...ROLLING, current: { member: "kv-1", podUid: "p-kv-1" } };
    assert.equal(ask({ operation: others })?.podUid, "p-kv-2");
    assert.equal(ask({ members: [lead, a, { ...CRASHED, listed: false }] })?.podUid, "p-kv-2");
    const damaged = containing({
      state: { waiting: { reason: "CrashLoopBackOff" } },
      lastState: { terminated: { exitCode: 1, message: "checksum" } },
    });
    for (const sketch of [{}, { listUnknown: true }])
      assert.equal(ask({ members: [lead, a, damaged], ...sketch }), null, "its disk is to blame");
    const edited = ask({ cluster: { generation: 2 } });
    assert.equal(edited, null, "a newer spec may be the cure");
  });

  it("but for TLS, of which the spec alone decides how far it comes", () => {
    const members = [lead, a, CRASHED];
    const before = { ...proven, latched: latchedTransport(LATCHED, "MixedHttp") };
    const ask = (version: string): Action =>
      next({ members, operation: ROLLING, journal: { ...unproven(version), proven: before } });
    assert.ok(ask("1.4.2").kind === "wait", "nothing else is new");
    const action = ask("1.4.3");
    assert.ok(action.kind === "journal" && action.document.failed !== null);
    const { latched } = templateSource(action.document);
    assert.deepEqual([latched.version, latched.transport], ["1.4.2", "Plaintext"]);
  });

  it("where no pod of it can be made for ten minutes", () => {
    const sketch = { ...wanting("1.4.3"), members: [lead, a, gone] };
    assert.equal(waits({ ...sketch, operation: ROLLING }).reason, "AwaitPod");
    const operation = { ...ROLLING, deadline: new Date(NOW - 1).toISOString() };
    assert.equal(withdraws({ ...sketch, operation })?.podUid, null);
  });
});

describe("after a roll was taken back", () => {
  const failure = {
    revision: "kv-failed",
    template: "d1",
    podUid: "p-kv-2",
    message: "the roll to x:1 failed: why",
    retry: null,
  };
  const whole = { ...proven, revision: REVISION };
  const journal = (version: string): Partial<Journal> => ({
    latched: { ...LATCHED, version },
    proven: whole,
    failed: failure,
  });
  const ask = (version: string, last: MemberSketch): Action => {
    const members = [{ leads: true }, {}, { revision: failure.revision, ...last }];
    return next({ members, journal: journal(version) });
  };

  it("the pod at which it failed is made anew, unless a newer minor version has run on its disk", () => {
    for (const [version, last, isDeleted] of [
      ["1.4.3", CRASHED, true],
      ["1.5.0", PULLING, true],
      ["1.5.0", CRASHED, false],
      ["1.3.9", CRASHED, true],
    ] as const) {
      const action = ask(version, last);
      assert.equal(action.kind === "deletePod" && action.name === "kv-2", isDeleted, version);
      if (!isDeleted) assert.ok(action.kind === "wait" && action.reason === "AwaitMembers");
    }
  });

  it("so is one that runs and takes no part, but not one that came up after all, or nobody can do without", () => {
    const hung: MemberSketch = { ready: false, boot: { leader: null, reason: "why" } };
    const begun = operationOf(ask("1.4.3", hung));
    assert.ok(begun?.type === "RecreatePod" && begun.podUid === "p-kv-2");
    assert.equal(ask("1.4.3", {}).kind, "settled");
    const newer: MemberSketch = { ...hung, boot: { ...hung.boot, version: "1.5.0" } };
    assert.equal(ask("1.4.3", newer).kind, "wait");
    const down: MemberSketch = { ready: false, boot: { leader: null, reason: "why" } };
    const members = [{ leads: true }, down, { revision: failure.revision, ...hung }];
    assert.equal(next({ members, journal: journal("1.4.3") }).kind, "wait");
  });

  it("repairs leave a pod alone that is left alone, however long it is unready", () => {
    const long = [
      { type: "Ready", status: "False" as const, lastTransitionTime: new Date(0).toISOString() },
    ];
    const last = { ...CRASHED, pod: { ...CRASHED.pod, conditions: long } };
    assert.equal(ask("1.5.0", last).kind, "wait");
    const other = { ...last, revision: "kv-another" };
    const outgrown = { ...whole, outgrown: ["kv-2"] };
    const members = [{ leads: true }, {}, other];
    const sketch = { members, journal: { ...journal("1.4.3"), proven: outgrown } };
    assert.equal(next(sketch).kind, "wait");
  });

  it("a member that a newer minor version ran on is remembered beyond the next spec", () => {
    const members = [{ leads: true }, {}, { revision: failure.revision, ...CRASHED }];
    const sketch = { members, journal: journal("1.5.0"), cluster: { generation: 2 } };
    const action = next({ ...sketch, spec: { version: "1.5.1" } });
    assert.ok(action.kind === "journal");
    const { latched, failed: none, proven: kept } = action.document;
    assert.deepEqual([latched.version, none, kept?.revision], ["1.5.1", null, REVISION]);
    assert.deepEqual(kept?.outgrown, ["kv-2"]);
  });
});

describe("a journal of an operator that knew of none of it", () => {
  it("is read, and learns what is proven once a majority is as the spec has it", () => {
    const { document } = factsOf().journal ?? {};
    const { proven: _proven, failed: _failed, ...before } = document ?? ({} as Journal);
    const read = parseJournal(JSON.stringify(before));
    assert.deepEqual([read.proven, read.failed], [null, null]);
    const action = next({ journal: { proven: null } });
    assert.ok(action.kind === "journal" && action.document.proven?.revision === REVISION);
    const outdated = { revision: "kv-older" };
    const members = [{ leads: true, ...outdated }, outdated, {}];
    const rolls = next({ journal: { proven: null }, members });
    assert.equal(operationOf(rolls)?.type, "Roll");
  });
});
