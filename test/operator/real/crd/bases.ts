/** The least of each resource that is valid, and how to say what changes of it are accepted or refused. */
import {
  QUORATE_BACKUP,
  QUORATE_BACKUP_SCHEDULE,
  QUORATE_BACKUP_STORE,
  QUORATE_CLUSTER,
  QUORATE_TASK,
} from "../../../../operator/api/resources.ts";
import type { JsonObject } from "../../../../operator/api/schema/node.ts";
import type { Resource } from "../../../../operator/kube/api.ts";
import { type Case, type Edits, edit } from "./case.ts";

const backup: JsonObject = {
  clusterRef: { name: "kv" },
  destination: { storeRef: { name: "s3" } },
};

export const LEAST: ReadonlyMap<Resource, JsonObject> = new Map<Resource, JsonObject>([
  [QUORATE_CLUSTER, { replicas: 3, storage: { size: "8Gi" } }],
  [QUORATE_BACKUP, backup],
  [QUORATE_BACKUP_SCHEDULE, { schedule: "0 */6 * * *", backupTemplate: { spec: backup } }],
  [QUORATE_BACKUP_STORE, { s3: { bucket: "backups" } }],
  [QUORATE_TASK, { clusterRef: { name: "kv" }, moveLeader: {} }],
]);

/** The two halves of a table about one resource. */
export class Table {
  readonly cases: Case[] = [];
  readonly resource: Resource;
  readonly #least: JsonObject;

  constructor(resource: Resource) {
    this.resource = resource;
    this.#least = LEAST.get(resource) ?? {};
  }

  accept(claim: string, edits: Edits): void {
    this.#add({ claim, spec: edit(this.#least, edits) });
  }

  refuse(claim: string, edits: Edits, field: string, says: string): void {
    this.#add({ claim, spec: edit(this.#least, edits), refused: { field, says } });
  }

  acceptChange(claim: string, before: Edits, after: Edits): void {
    this.#add({ claim, before: edit(this.#least, before), spec: edit(this.#least, after) });
  }

  refuseChange(claim: string, before: Edits, after: Edits, field: string, says: string): void {
    this.#add({
      claim,
      before: edit(this.#least, before),
      spec: edit(this.#least, after),
      refused: { field, says },
    });
  }

  acceptName(name: string): void {
    this.#add({ claim: `the name ${name} is accepted`, name, spec: this.#least });
  }

  refuseName(name: string, field: string, says: string): void {
    this.#add({
      claim: `the name ${name} is refused`,
      name,
      spec: this.#least,
      refused: { field, says },
    });
  }

  #add(rest: Omit<Case, "resource">): void {
    this.cases.push({ resource: this.resource, ...rest });
  }
}
