import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import type {
  QuorateBackup,
  QuorateCluster,
  QuorateTask,
} from "../../../operator/api/gen/types.ts";
import { QUORATE_BACKUP, QUORATE_CLUSTER, QUORATE_TASK } from "../../../operator/api/resources.ts";
import { NAMESPACE, Stage } from "./stage.ts";

const STAMP = "20260504030201";

describe("what the plugin asks of the operator", () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = new Stage();
    await stage.addCluster();
  });

  const task = async (name: string): Promise<QuorateTask["spec"] | undefined> =>
    (await stage.admin.get<QuorateTask>(QUORATE_TASK, { namespace: NAMESPACE, name }))?.spec;

  for (const [words, name, action] of [
    [["move-leader", "kv"], "move-leader", { moveLeader: {} }],
    [["move-leader", "kv", "kv-2"], "move-leader", { moveLeader: { to: "kv-2" } }],
    [["defrag", "kv"], "defrag", { defragment: {} }],
    [["defrag", "kv", "kv-0", "kv-1"], "defrag", { defragment: { members: ["kv-0", "kv-1"] } }],
    [["replace", "kv", "kv-2"], "replace", { replaceMember: { member: "kv-2" } }],
    [
      ["recover", "kv", "--survivor", "kv-1", "--acknowledge-data-loss"],
      "recover",
      { recoverQuorum: { survivor: "kv-1", acknowledgeDataLoss: true } },
    ],
    [
      ["restore", "kv", "--backup", "nightly", "--acknowledge-data-loss"],
      "restore",
      { restore: { from: { backupRef: { name: "nightly" } }, acknowledgeDataLoss: true } },
    ],
  ] as const)
    it(`"${words.join(" ")}" is a QuorateTask`, async () => {
      const printed = await stage.run(...words, "--no-wait");
      assert.equal(printed, `kv-${name}-${STAMP}\n`);
      assert.deepEqual(await task(`kv-${name}-${STAMP}`), {
        clusterRef: { name: "kv" },
        ...action,
      });
    });

  it("waits until it is done, and says how far it is", async () => {
    const running = stage.run("defrag", "kv");
    await stage.answer(
      QUORATE_TASK,
      `kv-defrag-${STAMP}`,
      { phase: "Running", message: "kv-0" },
      { phase: "Complete" },
    );
    assert.equal(await running, `kv-defrag-${STAMP} is done\n`);
    assert.equal(stage.noted.at(-1), "Complete");
  });

  it("fails as the operator does, with its reason", async () => {
    const running = stage.run("replace", "kv", "kv-9");
    const refused = assert.rejects(running, /no member kv-9/);
    await stage.answer(QUORATE_TASK, `kv-replace-${STAMP}`, {
      phase: "Failed",
      message: "there is no member kv-9",
    });
    await refused;
  });

  it("does nothing that loses data without being told that it does", async () => {
    await assert.rejects(stage.run("restore", "kv", "--backup", "b"), /--acknowledge-data-loss/);
    await assert.rejects(
      stage.run("recover", "kv", "--survivor", "kv-1"),
      /--acknowledge-data-loss/,
    );
    await assert.rejects(stage.run("recover", "kv"), /kv-0 \(Running, last entry 42 of term 3\)/);
    const { items } = await stage.admin.list(QUORATE_TASK, { namespace: NAMESPACE });
    assert.deepEqual(items, []);
  });

  it("names the members for a recovery with the one first that lost least, and says so where another is named", async () => {
    const member = (name: string, log: object): object => ({
      name,
      role: "None",
      phase: "Running",
      ready: false,
      leader: false,
      recreates: 0,
      ...log,
    });
    const members = [
      member("kv-0", {}),
      member("kv-1", { raftTerm: 3, raftIndex: 90 }),
      member("kv-2", { raftTerm: 4, raftIndex: 80 }),
      member("kv-3", { raftTerm: 4, raftIndex: 81 }),
    ];
    await stage.addCluster("lost", {}, { members });
    await assert.rejects(
      stage.run("recover", "lost"),
      /of kv-3 \(Running, last entry 81 of term 4\), kv-2 .*, kv-1 .*, kv-0 \(Running, tells no last entry\)$/,
    );
    await stage.run("recover", "lost", "--survivor=kv-1", "--acknowledge-data-loss", "--no-wait");
    assert.deepEqual(stage.noted, [
      "kv-3 has more: last entry 81 of term 4. kv-1: last entry 90 of term 3",
      `QuorateTask lost-recover-${STAMP} is made`,
    ]);
  });

  it("makes a backup and tells where it is", async () => {
    const running = stage.run("backup", "kv", "--store", "s3", "--path", "a/");
    const made = await stage.answer(QUORATE_BACKUP, `kv-backup-${STAMP}`, {
      phase: "Complete",
      revision: 12,
      sizeBytes: 2048,
      uri: "s3://b/a/x",
    });
    assert.deepEqual((made as QuorateBackup).spec, {
      clusterRef: { name: "kv" },
      destination: { storeRef: { name: "s3" }, path: "a/" },
    });
    assert.equal(await running, `kv-backup-${STAMP}: revision 12, 2.0 KiB, s3://b/a/x\n`);
  });

  it("wants to know where a backup goes, once", async () => {
    await assert.rejects(stage.run("backup", "kv"), /--store STORE/);
    await assert.rejects(stage.run("backup", "kv", "--store", "a", "--claim", "b"), /once/);
  });

  it("pauses a cluster and lets it go on", async () => {
    const paused = async (): Promise<boolean | undefined> => {
      const ref = { namespace: NAMESPACE, name: "kv" };
      return (await stage.admin.get<QuorateCluster>(QUORATE_CLUSTER, ref))?.spec.paused;
    };
    assert.equal(await stage.run("pause", "kv"), "kv is paused\n");
    assert.equal(await paused(), true);
    await stage.run("resume", "kv");
    assert.equal(await paused(), false);
  });

  it("refuses commands and flags that there are not, and too few words", async () => {
    await assert.rejects(stage.run("promote", "kv"), /"promote" is no command/);
    await assert.rejects(stage.run("pause"), /usage: kubectl quorate pause CLUSTER/);
    await assert.rejects(stage.run("status", "--color"), /--color/);
    await assert.rejects(stage.run("logs", "kv", "--tail", "some"), /--tail is no whole number/);
  });
});
