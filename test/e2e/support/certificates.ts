/** The certificates of a cluster under test: what its Secrets hold, and what its members show to whoever connects. */
import { X509Certificate } from "node:crypto";
import { POD, SECRET } from "../../../operator/api/resources.ts";
import type { KubeObject } from "../../../operator/kube/api.ts";
import { until } from "../../conformance/support/tools.ts";
import { api, eventually } from "./api.ts";
import type { ClusterUnderTest } from "./cluster.ts";
import type { Toolbox } from "./toolbox.ts";

const PORTS = { server: 2379, peer: 2380 } as const;
export type Side = keyof typeof PORTS;

export type Texts = Readonly<Record<string, string>>;
interface SecretObject extends KubeObject {
  readonly data?: Texts;
}

/** What a Secret of the namespace holds. */
export async function textsOf({ namespace }: ClusterUnderTest, name: string): Promise<Texts> {
  const secret = await api.get<SecretObject>(SECRET, { namespace, name });
  const entries = Object.entries(secret?.data ?? {});
  return Object.fromEntries(
    entries.map(([key, encoded]) => [key, Buffer.from(encoded, "base64").toString()]),
  );
}

/** Makes a Secret of the namespace, or replaces it. */
export async function putSecret(
  { namespace }: ClusterUnderTest,
  name: string,
  texts: Texts,
): Promise<void> {
  const data = Object.fromEntries(
    Object.entries(texts).map(([key, text]) => [key, Buffer.from(text).toString("base64")]),
  );
  const metadata = { name, namespace };
  await api.apply(SECRET, { apiVersion: "v1", kind: "Secret", metadata, data } as KubeObject);
}

/** Waits until the Secret holds another certificate than `old`, and resolves with that. */
export async function untilReplaced(
  { namespace }: ClusterUnderTest,
  name: string,
  old: string,
  timeoutMs: number,
): Promise<string> {
  const certificateOf = (secret: SecretObject | null): string =>
    Buffer.from(secret?.data?.["tls.crt"] ?? "", "base64").toString();
  const isNew = (secret: SecretObject | null): boolean =>
    certificateOf(secret) !== "" && certificateOf(secret) !== old;
  const ref = { namespace, name };
  return certificateOf(
    await eventually<SecretObject>(`${name} is made anew`, SECRET, ref, isNew, timeoutMs),
  );
}

export function printOf(pem: string): string {
  return new X509Certificate(pem).fingerprint256.replaceAll(":", "").toLowerCase();
}

/**
 * Waits until all three members show this certificate in a handshake, to a client that trusts it and that they trust: with the
 * files of `folder` in the toolbox, the client's unless given.
 */
export async function untilShown(
  cluster: ClusterUnderTest,
  box: Toolbox,
  side: Side,
  certificate: string,
  timeoutMs: number,
  folder?: string,
): Promise<void> {
  const print = printOf(certificate);
  const shows = async (ordinal: number): Promise<boolean> => {
    const { name } = cluster.pod(ordinal);
    const host = `${name}.${cluster.ref.name}-peers.${cluster.namespace}.svc.cluster.local`;
    // A folder follows its Secret in its own time too.
    const shown = await box.handshake(host, PORTS[side], folder).catch(String);
    return shown === print;
  };
  await until(
    `every member shows its new ${side} certificate`,
    timeoutMs,
    async () => (await Promise.all([0, 1, 2].map(shows))).every(Boolean),
    1000,
  );
}

/** Which pods there are, and how often their containers were started: the same again where nothing was. */
export async function livesOf({ namespace, ref }: ClusterUnderTest): Promise<readonly string[]> {
  type Pod = KubeObject & {
    status?: { containerStatuses?: readonly { restartCount: number }[] };
  };
  const labelSelector = `quorate.io/cluster=${ref.name},app.kubernetes.io/component=member`;
  const { items } = await api.list<Pod>(POD, { namespace, labelSelector });
  return items.map(({ metadata, status }) => {
    const counts = status?.containerStatuses?.map(({ restartCount }) => restartCount);
    return `${metadata.name} ${metadata.uid ?? ""} ${counts?.join(",") ?? ""}`;
  });
}
