/** A person at a terminal: an API in memory with one cluster in it, and what the plugin prints. */
import type { QuorateCluster } from "../../../operator/api/gen/types.ts";
import {
  QUORATE_BACKUP,
  QUORATE_BACKUP_SCHEDULE,
  QUORATE_BACKUP_STORE,
  QUORATE_CLUSTER,
  QUORATE_TASK,
} from "../../../operator/api/resources.ts";
import type { KubeObject, ObjectRef, Resource } from "../../../operator/kube/api.ts";
import { readArguments } from "../../../operator/plugin/arguments.ts";
import { run } from "../../../operator/plugin/run.ts";
import { type Time, systemTime } from "../../../operator/time.ts";
import { FakeApi, type FakeClient } from "../fake-api.ts";
import { customKind } from "../fake/kinds.ts";

export const NAMESPACE = "data";
const NOW: number = Date.parse("2026-05-04T03:02:01Z");

const member = (name: string, leader: boolean): object => ({
  name,
  id: `8e9e05c52164694${name.at(-1) ?? ""}`,
  role: "Voter",
  phase: "Running",
  ready: name !== "kv-2",
  ...(name === "kv-2" ? { reason: "its pod is not scheduled" } : {}),
  leader,
  version: "0.1.0",
  node: `node-${name.at(-1) ?? ""}`,
  zone: "a",
  dbSize: 1_572_864,
  raftTerm: 3,
  raftIndex: 42,
  recreates: 0,
});

const STATUS: object = {
  observedGeneration: 1,
  clusterID: "cdf818194e3a8c32",
  replicas: 3,
  readyReplicas: 2,
  version: "0.1.0",
  targetVersion: "0.2.0",
  leader: "kv-1",
  endpoint: "https://kv-client.data.svc:2379",
  dbSize: "64Mi",
  alarms: ["NOSPACE"],
  operation: {
    id: "1-7",
    type: "Roll",
    member: "kv-2",
    step: "AwaitParticipating",
    message: "kv-2 is behind",
    attempts: 1,
    startedAt: "2026-05-04T03:01:00Z",
  },
  members: [member("kv-0", false), member("kv-1", true), member("kv-2", false)],
  backup: { name: "nightly", lastSuccess: "2026-05-04T00:02:01Z", revision: 17 },
  conditions: [
    {
      type: "Ready",
      status: "False",
      reason: "MemberNotReady",
      message: "kv-2 is not ready",
      lastTransitionTime: "2026-05-04T03:00:00Z",
    },
  ],
};

export class Stage {
  readonly fake: FakeApi;
  readonly admin: FakeClient;
  readonly printed: string[] = [];
  readonly noted: string[] = [];
  readonly files: Map<string, Uint8Array> = new Map();
  readonly #time: Time = { ...systemTime, wall: () => NOW };

  constructor() {
    const kinds = [
      QUORATE_CLUSTER,
      QUORATE_BACKUP,
      QUORATE_BACKUP_SCHEDULE,
      QUORATE_BACKUP_STORE,
      QUORATE_TASK,
    ].map((resource) => customKind(resource));
    this.fake = new FakeApi({ time: this.#time, kinds, namespaces: [NAMESPACE] });
    this.admin = this.fake.as("admin");
  }

  /** With the status above, but for what is said. */
  async addCluster(name = "kv", spec: object = {}, status: object = {}): Promise<void> {
    await this.admin.create(QUORATE_CLUSTER, {
      apiVersion: "quorate.io/v1alpha1",
      kind: "QuorateCluster",
      metadata: { name, namespace: NAMESPACE },
      spec: { replicas: 3, storage: { size: "8Gi" }, ...spec },
    } as QuorateCluster);
    this.fake.setStatus(QUORATE_CLUSTER, { namespace: NAMESPACE, name }, { ...STATUS, ...status });
  }

  /** The command with these words; what it printed. Rejects as the command does. */
  async run(...words: string[]): Promise<string> {
    this.printed.length = 0;
    const session = {
      api: this.fake.as("kubectl-quorate"),
      namespace: NAMESPACE,
      time: this.#time,
      signal: new AbortController().signal,
      out: (text: string): void => void this.printed.push(text),
      note: (line: string): void => void this.noted.push(line),
      writeFile: (path: string, bytes: Uint8Array): Promise<void> => {
        this.files.set(path, bytes);
        return Promise.resolve();
      },
    };
    await run(session, readArguments(words));
    return this.printed.join("");
  }

  /** Acts the operator: gives the object a status as soon as it is there. */
  async answer(resource: Resource, name: string, ...statuses: object[]): Promise<KubeObject> {
    const ref: ObjectRef = { namespace: NAMESPACE, name };
    const abort = new AbortController();
    const request = { namespace: NAMESPACE, resourceVersion: "0", timeoutSeconds: 60 };
    for await (const event of this.admin.watch(resource, request, abort.signal)) {
      if (event.type !== "ADDED" || event.object.metadata.name !== name) continue;
      for (const status of statuses) this.fake.setStatus(resource, ref, status);
      return event.object;
    }
    throw new Error(`${name} was never made`);
  }
}
