/** What a contract is tried on, and the words in which its claims are written. */
import assert from "node:assert/strict";
import {
  type KubeApi,
  KubeError,
  type KubeErrorCode,
  type KubeExtras,
  type KubeObject,
  type ObjectRef,
  type Resource,
} from "../../../operator/kube/api.ts";

export interface Subject {
  /** As the operator has it. */
  readonly api: KubeApi & KubeExtras;
  /** As somebody else has it, with another field manager. */
  readonly other: KubeApi;
  /** An empty namespace, of this test alone. */
  readonly namespace: string;
  /** Waits, in whatever time the subject lives in. */
  readonly until: (what: string, holds: () => Promise<boolean>) => Promise<void>;
}

export type Claims = Readonly<Record<string, (subject: Subject) => Promise<void>>>;

export type Thing = KubeObject & {
  data?: Record<string, string>;
  spec?: Record<string, unknown>;
  status?: Record<string, unknown>;
};

/** A signal that nobody fires. */
export const never: AbortSignal = new AbortController().signal;

export function configMap(
  namespace: string,
  name: string,
  data: Record<string, string> = {},
): Thing {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace }, data };
}

export function widget(namespace: string, name: string, spec: Record<string, unknown>): Thing {
  return { apiVersion: "test.quorate.io/v1", kind: "Widget", metadata: { name, namespace }, spec };
}

export function pod(namespace: string, name: string, more: Record<string, unknown> = {}): Thing {
  const containers = [{ name: "main", image: "localhost/none:1" }];
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, labels: { app: "a" } },
    spec: { containers, ...more },
  };
}

/** Of the claim template's size and the containers given. */
export function statefulSet(namespace: string, containers: unknown[], size = "1Gi"): Thing {
  const claim = { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: size } } };
  return {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: { name: "s", namespace },
    spec: {
      replicas: 0,
      serviceName: "s",
      selector: { matchLabels: { app: "s" } },
      template: { metadata: { labels: { app: "s" } }, spec: { containers } },
      volumeClaimTemplates: [{ metadata: { name: "data" }, spec: claim }],
    },
  };
}

export async function rejects(
  promise: Promise<unknown>,
  code: KubeErrorCode,
  text?: RegExp,
): Promise<KubeError> {
  const error = await promise.then(
    () => assert.fail(`was to be refused: ${code}`),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof KubeError, String(error));
  assert.equal(error.code, code, error.message);
  if (text !== undefined) assert.match(error.message, text);
  return error;
}

export function present<T>(value: T | null | undefined): T {
  assert.ok(value !== null && value !== undefined, "is there");
  return value;
}

/** Reads, changes and updates until nobody comes between: controllers write to what they see. */
export async function edit(
  api: KubeApi,
  resource: Resource,
  ref: ObjectRef,
  change: (object: Thing) => void,
): Promise<void> {
  for (;;) {
    const object = structuredClone(present(await api.get<Thing>(resource, ref)));
    change(object);
    try {
      await api.update(resource, object);
      return;
    } catch (thrown) {
      if (!(thrown instanceof KubeError) || thrown.code !== "conflict") throw thrown;
    }
  }
}
