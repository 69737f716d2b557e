/** `report`: all that helps to find a fault, in one archive. Secrets are not even read. */
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { stringify } from "yaml";
import { QUORATE_VERSION } from "../../src/base/version.ts";
import * as resources from "../api/resources.ts";
import { CLUSTER_LABEL } from "../cluster/names.ts";
import type { KubeObject, Resource } from "../kube/api.ts";
import type { Arguments } from "./arguments.ts";
import { logLines, podsOf } from "./logs.ts";
import { redactObject, redactText } from "./redact.ts";
import { type Session, clusterOf } from "./session.ts";
import { type TarEntry, tar } from "./tar.ts";

const LOG_LINES = 5000;
/** Of the cluster, by its label. */
const OWNED: readonly Resource[] = [
  resources.STATEFUL_SET,
  resources.POD,
  resources.PERSISTENT_VOLUME_CLAIM,
  resources.SERVICE,
  resources.CONFIG_MAP,
  resources.SERVICE_ACCOUNT,
  resources.POD_DISRUPTION_BUDGET,
  resources.NETWORK_POLICY,
  resources.JOB,
];
/** Of its namespace. */
const AROUND: readonly Resource[] = [
  resources.QUORATE_BACKUP,
  resources.QUORATE_BACKUP_SCHEDULE,
  resources.QUORATE_BACKUP_STORE,
  resources.QUORATE_TASK,
  resources.EVENT,
];
const OPERATOR_SELECTOR = "app.kubernetes.io/name=quorate-operator";

export async function writeReport(session: Session, args: Arguments): Promise<void> {
  const [name = ""] = args.operands;
  const cluster = await clusterOf(session, name);
  const report = new Report(session);
  report.addObjects("cluster.yaml", [cluster]);
  for (const resource of OWNED)
    await report.addList(resource, session.namespace, `${CLUSTER_LABEL}=${name}`);
  for (const resource of AROUND) await report.addList(resource, session.namespace);
  await report.addList(resources.NODE, null);
  await report.addList(resources.STORAGE_CLASS, null);
  for (const pod of await podsOf(session, name)) await report.addLogs(session, pod);
  await report.addOperator();
  const path = args.output ?? `quorate-report-${name}.tar.gz`;
  await session.writeFile(path, await report.archive());
  session.out(`${path}\n`);
}

class Report {
  readonly #session: Session;
  readonly #entries: TarEntry[] = [];
  /** What could not be had. */
  readonly #missing: string[] = [];

  constructor(session: Session) {
    this.#session = session;
  }

  addObjects(path: string, objects: readonly KubeObject[]): void {
    const texts = objects.map((object) =>
      stringify(redactObject(object), { aliasDuplicateObjects: false, lineWidth: 0 }),
    );
    this.#add(path, texts.join("---\n"));
  }

  async addList(
    resource: Resource,
    namespace: string | null,
    labelSelector?: string,
  ): Promise<readonly KubeObject[]> {
    const selector = labelSelector === undefined ? {} : { labelSelector };
    const found = await this.#try(resource.plural, async () => {
      const { items } = await this.#session.api.list(resource, { namespace, ...selector });
      return items;
    });
    if (found !== null && found.length > 0) this.addObjects(`${resource.plural}.yaml`, found);
    return found ?? [];
  }

  /** What a pod printed, and what its last run before did. */
  async addLogs(session: Session, pod: string, folder = "logs"): Promise<void> {
    for (const previous of [false, true]) {
      const lines: string[] = [];
      const options = { previous, tailLines: LOG_LINES };
      await this.#try(`the log of ${pod}`, async () => {
        for await (const line of logLines(session, pod, options)) lines.push(redactText(line));
      });
      const isThere = lines.length > 1 || lines[0]?.startsWith("(") === false;
      if (isThere || !previous)
        this.#add(`${folder}/${pod}${previous ? ".previous" : ""}.log`, `${lines.join("\n")}\n`);
    }
  }

  async addOperator(): Promise<void> {
    const pods = await this.#try("the operator's pods", async () => {
      const { api } = this.#session;
      const options = { namespace: null, labelSelector: OPERATOR_SELECTOR };
      return (await api.list<KubeObject>(resources.POD, options)).items;
    });
    if (pods === null || pods.length === 0) return;
    this.addObjects("operator.yaml", pods);
    for (const { metadata } of pods) {
      const session = { ...this.#session, namespace: metadata.namespace ?? "" };
      await this.addLogs(session, metadata.name, "operator");
    }
  }

  async archive(): Promise<Uint8Array> {
    const now = this.#session.time.wall();
    const about = [`kubectl-quorate ${QUORATE_VERSION}, ${new Date(now).toISOString()}`];
    this.#add("about.txt", `${[...about, ...this.#missing].join("\n")}\n`);
    return await promisify(gzip)(tar(this.#entries, Math.floor(now / 1000)));
  }

  #add(path: string, text: string): void {
    this.#entries.push({ path, bytes: Buffer.from(text) });
  }

  /** What may not be read is noted: a report of the rest is better than none. */
  async #try<T>(what: string, act: () => Promise<T>): Promise<T | null> {
    try {
      return await act();
    } catch (thrown) {
      const line = `${what}: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
      this.#session.note(line);
      this.#missing.push(line);
      return null;
    }
  }
}
