/** The judgement: the same script against etcd and against us gives the same text. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { Cluster } from "./cluster.ts";
import { type Step, transcript } from "./script.ts";
import { Pki } from "./tls.ts";

export interface TwinOptions {
  readonly members?: number;
  readonly flags?: readonly string[];
  /** Mutual TLS on both sides, with certificates made for the test. */
  readonly tls?: boolean;
}

/** Claims that both products print the same for the script, each on a fresh cluster. */
export function sameAsEtcd(
  claim: string,
  script: readonly Step[],
  options: TwinOptions = {},
): void {
  it(claim, async () => {
    await withTwins(options, async (etcd, quorate) => {
      const [expected, actual] = await Promise.all([
        transcript(etcd, script),
        transcript(quorate, script),
      ]);
      assert.ok(expected.length > 0, "etcd said something");
      assert.equal(differences(expected, actual), "");
    });
  });
}

/** Both texts of every command whose output differs; empty when none does. */
export function differences(
  expected: readonly string[],
  actual: readonly string[],
  [first, second]: readonly [string, string] = ["etcd", "quorate"],
): string {
  const blocks = expected.flatMap((block, at) => {
    const ours = actual[at] ?? "(nothing)";
    return block === ours ? [] : [`--- ${first}\n${block}\n--- ${second}\n${ours}`];
  });
  const surplus = actual.length > expected.length ? [`--- ${second} ran more commands`] : [];
  return [...blocks, ...surplus].join("\n");
}

/** A cluster of each product for the time of `body`; their files are kept when it throws. */
export async function withTwins(
  options: TwinOptions,
  body: (etcd: Cluster, quorate: Cluster) => Promise<void>,
): Promise<void> {
  const size = {
    members: options.members ?? 1,
    flags: [...(options.flags ?? []), "--log-level=error"],
    ...(options.tls === true ? { tls: new Pki(mkdtempSync(join(tmpdir(), "twins-tls-"))) } : {}),
  };
  const started = await Promise.allSettled([
    Cluster.start({ product: "etcd", ...size }),
    Cluster.start({ product: "quorate", ...size }),
  ]);
  const clusters = started.flatMap((result) =>
    result.status === "fulfilled" ? [result.value] : [],
  );
  let keep = true;
  try {
    for (const result of started) if (result.status === "rejected") throw result.reason;
    const [etcd, quorate] = clusters;
    assert.ok(etcd !== undefined && quorate !== undefined);
    await body(etcd, quorate);
    keep = false;
  } finally {
    await Promise.all(clusters.map((cluster) => cluster.stop({ keep })));
    if (size.tls !== undefined && !keep) rmSync(size.tls.folder, { recursive: true });
  }
}

/** One cluster of ours for the time of `body`. */
export async function withQuorate(
  options: TwinOptions,
  body: (cluster: Cluster) => Promise<void>,
): Promise<void> {
  const cluster = await Cluster.start({
    product: "quorate",
    members: options.members ?? 1,
    flags: [...(options.flags ?? []), "--log-level=error"],
  });
  let keep = true;
  try {
    await body(cluster);
    keep = false;
  } finally {
    await cluster.stop({ keep });
  }
}
