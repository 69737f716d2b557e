/** What a program notices of members that stop, die, or vanish behind a broken network. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Cluster, type Member } from "../../conformance/support/cluster.ts";
import { findLeader } from "../../conformance/support/client.ts";
import { Client, ClientError } from "../../../src/client/client.ts";
import { QUICK } from "../node/process/support.ts";
import { ScriptedMember, Wire, signalTo, timed, withLibrary } from "./support.ts";

const ATTEMPT_MS = 600;

describe("failover", () => {
  let cluster: Cluster;
  let follower: Member;

  before(async () => {
    cluster = await Cluster.start({ product: "quorate", members: 3, flags: QUICK });
    const leader = await findLeader(cluster.members);
    const found = cluster.members.find((member) => member !== leader);
    assert.ok(found !== undefined);
    follower = found;
  });
  after(() => cluster.stop({ keep: false }));

  /** A client of all three that is connected to all of them. */
  async function connected(endpoints: readonly string[]): Promise<Client> {
    const client = new Client({ endpoints, attemptTimeoutMs: ATTEMPT_MS });
    for (const endpoint of endpoints) await client.maintenance.status({ endpoint });
    return client;
  }

  const endpoints = (): string[] => cluster.members.map(({ endpoint }) => endpoint);

  it("every read is answered within an attempt's deadline of a member being stopped", async () => {
    const client = await connected(endpoints());
    signalTo(follower, "SIGSTOP");
    try {
      for (let at = 0; at < 12; at++) {
        const ms = await timed(() => client.kv.get(`read-${at}`));
        assert.ok(ms < ATTEMPT_MS, `read ${at} took ${ms} ms`);
      }
    } finally {
      signalTo(follower, "SIGCONT");
      client.close();
    }
  });

  it("a write after a pause never meets a stopped member, and takes less than an attempt", async () => {
    const client = await connected(endpoints());
    signalTo(follower, "SIGSTOP");
    try {
      await new Promise((resolve) => setTimeout(resolve, ATTEMPT_MS + 50));
      for (let at = 0; at < 6; at++) {
        const ms = await timed(() => client.kv.put(`write-${at}`, "x"));
        assert.ok(ms < ATTEMPT_MS, `write ${at} took ${ms} ms`);
      }
    } finally {
      signalTo(follower, "SIGCONT");
      client.close();
    }
  });

  it("a write that met a member when it stopped has an unknown outcome; the next ones go elsewhere", async () => {
    const wire = await Wire.open(follower.endpoint);
    const client = await connected([wire.endpoint]);
    try {
      wire.swallow();
      const ms = await timed(() =>
        assert.rejects(client.kv.put("open", "x"), (error) => {
          assert.ok(error instanceof ClientError);
          assert.deepEqual([error.code, error.outcomeUnknown], ["deadlineExceeded", true]);
          return true;
        }),
      );
      assert.ok(ms < ATTEMPT_MS + 200, `${ms} ms`);
      client.setEndpoints([wire.endpoint, ...endpoints()]);
      for (let at = 0; at < 4; at++) {
        const next = await timed(() => client.kv.put(`after-${at}`, "x"));
        assert.ok(next < ATTEMPT_MS, `${next} ms`);
      }
    } finally {
      client.close();
      wire.close();
    }
  });

  it("a member that was never reached delays nobody", async () => {
    const wire = await Wire.open(follower.endpoint);
    wire.swallow();
    try {
      const all = [wire.endpoint, "127.0.0.1:1", ...endpoints()];
      await withLibrary({ endpoints: all, attemptTimeoutMs: ATTEMPT_MS }, async (client) => {
        for (let at = 0; at < 6; at++) {
          const ms = await timed(() => client.kv.put(`hole-${at}`, "x"));
          assert.ok(ms < ATTEMPT_MS, `write ${at} took ${ms} ms`);
        }
      });
    } finally {
      wire.close();
    }
  });

  it("a client whose only member comes back goes on by itself", async () => {
    const wire = await Wire.open(follower.endpoint);
    const client = await connected([wire.endpoint]);
    try {
      wire.swallow();
      await assert.rejects(client.kv.get("gone", { timeoutMs: 1500 }), {
        code: "deadlineExceeded",
      });
      wire.restore();
      await client.kv.put("back", "x");
    } finally {
      client.close();
      wire.close();
    }
  });

  it("a watch moves on when its member stops, and repeats and misses nothing", async () => {
    const client = await connected(endpoints());
    const watch = client.watch({ prefix: "seen/" }, { endpoint: undefined });
    const seen: string[] = [];
    const ended = watch.run(({ events }) => {
      for (const { row } of events) seen.push(row.keyText);
    });
    try {
      await watch.started;
      const written: string[] = [];
      for (const signal of ["SIGSTOP", "SIGCONT"] as const) {
        for (const member of cluster.members.filter((one) => one !== follower)) {
          assert.ok(member.running);
        }
        signalTo(follower, signal);
        const until = performance.now() + 2 * ATTEMPT_MS;
        while (performance.now() < until) {
          const key = `seen/${written.length}`;
          // Past the stopped member: what is judged is the watch.
          await client.kv.put(key, "x", { timeoutMs: 5_000 }).catch((error: unknown) => {
            assert.ok(error instanceof ClientError && error.outcomeUnknown);
          });
          written.push(key);
        }
      }
      const { rows } = await client.kv.getAll({ prefix: "seen/" });
      const expected = rows
        .toSorted((a, b) => a.modRevision - b.modRevision)
        .map(({ keyText }) => keyText);
      const end = performance.now() + 5_000;
      while (seen.length < expected.length && performance.now() < end)
        await new Promise((resolve) => setTimeout(resolve, 10));
      assert.deepEqual(seen, expected);
    } finally {
      signalTo(follower, "SIGCONT");
      await watch.close();
      await ended;
      client.close();
    }
  });

  it("a killed leader costs reads an election, and writes no second application", async () => {
    const client = await connected(endpoints());
    try {
      const leader = await findLeader(cluster.members);
      await leader.stop("SIGKILL");
      const ms = await timed(() => client.kv.get("anything"));
      assert.ok(ms < 5_000, `${ms} ms`);
      for (let at = 0; at < 10; at++) {
        await client.kv.put("counted", "x").catch((error: unknown) => {
          assert.ok(error instanceof ClientError && error.outcomeUnknown, String(error));
        });
      }
      const row = await client.kv.get("counted");
      assert.ok(row !== null && row.version <= 10, "no write was applied twice");
      cluster.restart(leader);
      await leader.awaitHealthy();
    } finally {
      client.close();
    }
  });
});

describe("a call at members that answer as they are told", () => {
  const header = { clusterId: 1n, memberId: 2n, revision: 3, raftTerm: 4 };
  const putAnswer = { header, prevKv: null };

  async function withTwo(
    answers: readonly [string, string],
    body: (client: Client, asked: () => number[]) => Promise<void>,
  ): Promise<void> {
    const members = await Promise.all(
      answers.map((text) =>
        ScriptedMember.start(() =>
          text === "ok" ? putAnswer : { code: 14, details: `etcdserver: ${text}` },
        ),
      ),
    );
    try {
      await withLibrary({ endpoints: members.map(({ endpoint }) => endpoint) }, (client) =>
        body(client, () => members.map(({ asked }) => asked.length)),
      );
    } finally {
      for (const member of members) member.stop();
    }
  }

  it("a member without a leader is passed over, for writes too", async () => {
    await withTwo(["no leader", "ok"], async (client, asked) => {
      for (let at = 0; at < 4; at++) await client.kv.put("k", "v");
      assert.equal(asked()[1], 4, "each write was made once");
    });
  });

  it("a write whose leader changed is not made again", async () => {
    await withTwo(["leader changed", "leader changed"], async (client, asked) => {
      await assert.rejects(client.kv.put("k", "v"), {
        code: "unavailable",
        message: "etcdserver: leader changed",
        outcomeUnknown: true,
      });
      assert.equal((asked()[0] ?? 0) + (asked()[1] ?? 0), 1);
    });
  });

  it("members that all know no leader are asked until the time is over", async () => {
    await withTwo(["no leader", "no leader"], async (client, asked) => {
      await assert.rejects(client.kv.put("k", "v", { timeoutMs: 300 }), {
        code: "deadlineExceeded",
        message: "context deadline exceeded: etcdserver: no leader",
        outcomeUnknown: false,
      });
      const [a = 0, b = 0] = asked();
      assert.ok(a >= 2 && b >= 2 && a + b < 40, `asked ${a} and ${b} times`);
    });
  });

  it("an abort ends a call at once, and says that a write may have been made", async () => {
    const member = await ScriptedMember.start(() => null);
    try {
      await withLibrary({ endpoints: [member.endpoint] }, async (client) => {
        const controller = new AbortController();
        const { signal } = controller;
        setTimeout(() => controller.abort("enough"), 100);
        const ms = await timed(() =>
          assert.rejects(client.kv.put("k", "v", { signal }), {
            code: "cancelled",
            cause: "enough",
            outcomeUnknown: true,
          }),
        );
        assert.ok(ms < 1000, `${ms} ms`);
        await assert.rejects(client.kv.get("k", { signal }), {
          code: "cancelled",
          outcomeUnknown: false,
        });
        const closing = assert.rejects(client.kv.get("k"), { code: "cancelled" });
        setTimeout(() => client.close(), 50);
        await closing;
      });
    } finally {
      member.stop();
    }
  });

  it("a refused token is replaced once for all calls, and the call is made again", async () => {
    let tokens = 0;
    let valid = "";
    const member = await ScriptedMember.start((method, self) => {
      if (method === "Authenticate") return { header, token: (valid = `t${++tokens}`) };
      if (self.tokens.at(-1) !== valid)
        return { code: 16, details: "etcdserver: invalid auth token" };
      return putAnswer;
    });
    const user = { name: "anna", password: "secret" };
    try {
      await withLibrary({ endpoints: [member.endpoint], user }, async (client) => {
        await client.kv.put("k", "v");
        assert.equal(tokens, 1);
        valid = "expired";
        await Promise.all(Array.from({ length: 10 }, () => client.kv.put("k", "v")));
        assert.equal(tokens, 2, "ten refused calls asked for one token");
      });
    } finally {
      member.stop();
    }
  });

  it("a token that is refused however fresh it is ends the call", async () => {
    const member = await ScriptedMember.start((method) =>
      method === "Authenticate"
        ? { header, token: "t" }
        : { code: 16, details: "etcdserver: invalid auth token" },
    );
    const user = { name: "anna", password: "secret" };
    try {
      await withLibrary({ endpoints: [member.endpoint], user }, async (client) => {
        await assert.rejects(client.kv.put("k", "v"), {
          code: "unauthenticated",
          outcomeUnknown: false,
        });
      });
    } finally {
      member.stop();
    }
  });
});
