/** Rolls to builds that cannot take part, and ways down again. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { POD } from "../../../operator/api/resources.ts";
import type { Condition } from "../../../operator/api/gen/types.ts";
import type { Action } from "../../../operator/cluster/action.ts";
import type { Operation } from "../../../operator/cluster/journal.ts";
import type { ContainerStatus } from "../../../operator/cluster/objects.ts";
import type { Sandbox } from "../world/sandbox.ts";
import { MINUTE, settled } from "../world/settled.ts";
import { next, operationOf, waits } from "./asking.ts";
import { type MemberSketch, NOW, ROLLING } from "./facts.ts";

const old = { revision: "kv-older" };

function podWith(status: Partial<ContainerStatus>): MemberSketch {
  const container = { name: "quorate", ready: false, restartCount: 1, ...status };
  return { ready: false, boot: null, pod: { containerStatuses: [container] } };
}

function condition({ cluster }: Sandbox, type: string): Condition | undefined {
  return cluster.status?.conditions?.find((each) => each.type === type);
}

function podUids({ api }: Sandbox): Map<string, string> {
  return new Map(api.store.all(POD).map(({ metadata }) => [metadata.name, metadata.uid ?? ""]));
}

function changed(sandbox: Sandbox, before: ReadonlyMap<string, string>): string[] {
  return [...podUids(sandbox)].flatMap(([name, uid]) => (before.get(name) === uid ? [] : [name]));
}

describe("a roll whose new pod", () => {
  const ended = { terminated: { exitCode: 2, message: "unknown flag --x\n" } };
  const cases: readonly (readonly [string, MemberSketch, RegExp])[] = [
    [
      "has an image that nobody has",
      podWith({ state: { waiting: { reason: "ErrImagePull", message: "not found" } } }),
      /ErrImagePull: not found/,
    ],
    [
      "ends each time that it starts",
      podWith({
        state: { waiting: { reason: "CrashLoopBackOff", message: "back-off 10s" } },
        lastState: ended,
      }),
      /CrashLoopBackOff: unknown flag --x/,
    ],
    ["has ended", podWith({ state: ended }), /ended with 2: unknown flag --x/],
    [
      "has ended and runs again",
      podWith({ state: { running: {} }, lastState: ended }),
      /ended with 2 and runs again: unknown flag --x/,
    ],
    [
      "is refused by its peers",
      { ready: false, boot: { leader: null, reason: "it is refused: why", refusal: "why" } },
      /it is refused: why/,
    ],
  ];
  for (const [what, sketch, says] of cases)
    it(`${what} stops at once, and says so`, () => {
      const action = next({ members: [{ leads: true, ...old }, old, sketch], operation: ROLLING });
      assert.ok(action.kind === "wait" && action.stalled, JSON.stringify(action));
      assert.equal(action.reason, "RollFailed");
      assert.match(action.message, says);
    });

  it("is only not there yet is waited for", () => {
    for (const sketch of [
      podWith({ state: { waiting: { reason: "ContainerCreating" } } }),
      podWith({ state: { running: {} } }),
      { ready: false, boot: { leader: null, reason: "there is no leader" } },
    ]) {
      const told = waits({ members: [{ leads: true, ...old }, old, sketch], operation: ROLLING });
      assert.deepEqual([told.reason, told.stalled], ["AwaitParticipating", false]);
    }
  });

  it("is refused in a cluster of two voters is made anew once the spec is mended; the other one never is", () => {
    const refused = (leads: boolean, revision?: string): MemberSketch => ({
      leads,
      ready: false,
      boot: { leader: null, reason: "why", refusal: "why" },
      ...(revision === undefined ? {} : { revision }),
    });
    const current = { member: "kv-1", podUid: "older" };
    const alarms = { known: false, why: "no leader" } as const;
    const rest = { listUnknown: true, facts: { alarms } };
    const waiting = waits({
      ...rest,
      members: [refused(false, "kv-older"), refused(false)],
      operation: { ...ROLLING, current },
    });
    assert.equal(waiting.reason, "RollFailed");
    const mended = [refused(false), refused(false, "kv-older")];
    const action = next({ ...rest, members: mended });
    assert.ok(action.kind === "deletePod" && action.name === "kv-1", JSON.stringify(action));
  });

  it("was made of the template of before, a moment too early, is not waited for but made anew", () => {
    const early: MemberSketch = { ready: false, boot: { leader: null, reason: "why" }, ...old };
    const members = [{ leads: true, ...old }, old, early];
    const operation = operationOf(next({ members, operation: ROLLING }));
    assert.ok(operation?.type === "Roll" && operation.current === null);
    const chosen = operationOf(next({ members, operation }));
    assert.ok(chosen?.type === "Roll" && chosen.current?.podUid === "p-kv-2");
  });

  it("failed makes room for a newer spec at once", () => {
    const [notThere, refused] = [cases[0]?.[1], cases[4]?.[1]];
    const cluster = { generation: 2 };
    const ask = (last: MemberSketch = {}): Action =>
      next({ members: [{ leads: true, ...old }, old, last], operation: ROLLING, cluster });
    const adopted = ask(notThere);
    assert.ok(adopted.kind === "journal" && adopted.document.adopted.generation === 2);
    assert.equal(operationOf(ask(refused)), null);
  });

  it("cannot begin lets a newer spec in, whatever is under way", () => {
    const waking: Operation = { ...ROLLING, type: "Wake", step: "StartPods" };
    const failing = cases[0]?.[1] ?? {};
    const members = [failing, failing, failing];
    const rest = { operation: waking, listUnknown: true, members };
    assert.equal(waits(rest).reason, "AwaitQuorum");
    const action = next({ ...rest, cluster: { generation: 2 } });
    assert.ok(action.kind === "journal" && action.document.adopted.generation === 2);
  });
});

describe("a change of spec.version to a build that", () => {
  const failures: readonly (readonly [string, number, (sandbox: Sandbox) => void])[] = [
    ["does not start", 36, ({ world }) => world.broken.set("1.4.3", "no such thing")],
    ["its peers refuse", 37, ({ world }) => world.refused.set("1.4.3", "no such thing")],
  ];
  for (const [what, seed, spoil] of failures)
    it(`${what} stops at the first member, is told with its reason, and is healed by the spec of before`, async () => {
      await settled(seed, async (sandbox) => {
        spoil(sandbox);
        const before = podUids(sandbox);
        sandbox.edit({ version: "1.4.3" });
        const isTold = (): boolean => condition(sandbox, "Stalled")?.reason === "RollFailed";
        await sandbox.time.until("told", MINUTE, isTold);
        assert.match(condition(sandbox, "Stalled")?.message ?? "", /no such thing/);
        assert.match(condition(sandbox, "Degraded")?.message ?? "", /kv-\d: .*no such thing/);
        const told = sandbox.events.filter(({ reason }) => reason === "RollFailed");
        assert.deepEqual([told.length, told[0]?.type], [1, "Warning"]);
        await sandbox.time.run(12 * MINUTE);
        const victims = changed(sandbox, before);
        assert.equal(victims.length, 1, victims.join());
        assert.equal(sandbox.condition("Available"), "True");
        sandbox.edit({ version: "1.4.2" });
        await sandbox.time.until("healed", 5 * MINUTE, () => sandbox.isSettled(3));
        assert.deepEqual(changed(sandbox, before), victims);
        assert.equal(sandbox.condition("Stalled"), "False");
      });
    });
});

describe("a downgrade", () => {
  it("is refused without a task, allowed by one, once, and then follows the spec that was there before", async () => {
    await settled(38, async (sandbox) => {
      sandbox.edit({ version: "1.5.0" });
      await sandbox.time.until("up", 10 * MINUTE, () => sandbox.isSettled(3));
      assert.equal(sandbox.cluster.status?.version, "1.5.0");
      sandbox.edit({ version: "1.4.2" });
      await sandbox.time.until("refused", MINUTE, () => sandbox.condition("Stalled") === "True");
      assert.match(condition(sandbox, "Stalled")?.message ?? "", /make a QuorateTask downgrade/);
      sandbox.task("down", { downgrade: { version: "1.4.2" } });
      await sandbox.time.until("down", 10 * MINUTE, () => sandbox.isSettled(3));
      assert.equal(sandbox.taskStatus("down")?.phase, "Complete");
      assert.equal(sandbox.cluster.status?.version, "1.4.2");
      assert.equal(sandbox.journal?.downgradeTo, null);
    });
  });

  it("asks the members nothing, whose own downgrade counts the versions of etcd", () => {
    const operation: Operation = {
      id: "1-4",
      type: "Downgrade",
      step: "Enable",
      version: "1.3.9",
      attempts: 0,
      startedAt: new Date(NOW).toISOString(),
      deadline: null,
      task: "t-1",
    };
    const action = next({ operation });
    assert.ok(action.kind === "journal" && action.document.downgradeTo === "1.3.9");
  });

  it("that is none, or goes further than a minor version, fails with the reason", () => {
    for (const version of ["1.4.1", "1.5.0", "1.2.0", "0.3.0"]) {
      const task = {
        apiVersion: "quorate.io/v1alpha1",
        kind: "QuorateTask",
        metadata: { name: "t", namespace: "data", uid: "t-1" },
        spec: { clusterRef: { name: "kv" }, downgrade: { version } },
        status: { phase: "Pending", message: "waits for the cluster" },
      } as const;
      const action = next({ facts: { tasks: [task] } });
      assert.ok(action.kind === "journal", version);
      const over = action.document.history.at(-1);
      assert.equal(over?.outcome, "Failed");
      assert.match(over?.message ?? "", /not of the minor version before 1\.4\.2/);
    }
  });
});
