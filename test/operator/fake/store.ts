/**
 * The API server's memory: objects, revisions, ownership, finalizers, and the rules of writing. What it holds and gives out is
 * frozen: a reader that changed what it has read would throw.
 */
import { NAMESPACE, PERSISTENT_VOLUME_CLAIM, apiVersion } from "../../../operator/api/resources.ts";
import {
  type DeleteOptions,
  KubeError,
  type KubeObject,
  type ObjectRef,
  type Preconditions,
  type Resource,
} from "../../../operator/kube/api.ts";
import type { Time } from "../../../operator/time.ts";
import { isSameJson } from "../../../operator/cluster/json.ts";
import { copyOf, frozen } from "./copy.ts";
import { type Managers, type Tree, applyFields, ownChanges } from "./fields.ts";
import { type Kind } from "./kinds.ts";
import {
  type Stored,
  bare,
  cloned,
  entryKey,
  graceOf,
  invalid,
  keepOnly,
  kindKey,
  mergePatched,
  namespaceHolds,
  notFound,
  ownerOf,
  refOf,
  timestamp,
  withStatus,
} from "./objects.ts";
import { Watches } from "./watches.ts";

interface Entry {
  readonly kind: Kind;
  object: Stored;
  readonly managers: Managers;
}

export const CLAIM_FINALIZER = "kubernetes.io/pvc-protection";

export class Store {
  readonly watches: Watches;
  readonly #time: Time;
  readonly #kinds = new Map<string, Kind>();
  /** By plural and group, then by namespace and name. */
  readonly #entries = new Map<string, Entry>();
  /** Of each kind, in order of their keys as etcd has them; null where objects came or went since. */
  readonly #listed = new Map<string, readonly Entry[] | null>();
  #revision = 1000;
  #uids = 0;
  /** Hears that something is gone, or may be without an owner. */
  onChange: () => void = () => {};

  constructor(time: Time, kinds: readonly Kind[]) {
    this.#time = time;
    this.watches = new Watches(time, () => this.#revision);
    for (const kind of kinds) this.register(kind);
  }

  register(kind: Kind): void {
    this.#kinds.set(kindKey(kind.resource), kind);
  }

  /** Its objects go too, as when a CRD is deleted. */
  unregister(resource: Resource): void {
    for (const entry of this.#of(resource)) this.#drop(entry);
    this.#kinds.delete(kindKey(resource));
  }

  serves(resource: Resource): boolean {
    return this.#kinds.get(kindKey(resource))?.resource.kind === resource.kind;
  }

  get revision(): string {
    return String(this.#revision);
  }

  get(resource: Resource, ref: ObjectRef): Stored | null {
    this.#kind(resource);
    const entry = this.#entries.get(entryKey(resource, ref));
    return entry === undefined ? null : entry.object;
  }

  all(resource: Resource): Stored[] {
    this.#kind(resource);
    return this.#of(resource).map(({ object }) => object);
  }

  /** Every object of every kind, not to be changed. */
  everything(): { readonly resource: Resource; readonly object: Stored }[] {
    return Array.from(this.#entries.values(), ({ kind: { resource }, object }) => ({
      resource,
      object,
    }));
  }

  /** What a controller does with an object that it has read: no rule of a kind, no owner of fields. */
  amend(resource: Resource, ref: ObjectRef, change: (object: Stored) => void): void {
    const entry = this.#present(resource, ref);
    const next = copyOf(entry.object);
    change(next);
    const { deletionTimestamp, finalizers = [], deletionGracePeriodSeconds = 0 } = next.metadata;
    if (finalizers.length === 0) delete next.metadata.finalizers;
    const ends =
      deletionTimestamp !== undefined &&
      finalizers.length === 0 &&
      deletionGracePeriodSeconds === 0;
    if (ends && !namespaceHolds(next)) this.#drop(entry, next);
    else this.#replace(entry, next);
  }

  create(resource: Resource, object: KubeObject, manager: string, dryRun = false): Stored {
    const kind = this.#kind(resource);
    const made = copyOf(object) as Stored;
    const { metadata } = made;
    const prefix = (metadata as { generateName?: string }).generateName;
    if ((metadata.name ?? "") === "" && prefix !== undefined)
      metadata.name = `${prefix}${(++this.#uids).toString(36)}x`;
    if ((metadata.name ?? "") === "") throw invalid(resource, "", "metadata.name: Required value");
    if (metadata.resourceVersion !== undefined) {
      throw new KubeError("invalid", "resourceVersion should not be set on objects to be created", {
        status: 400,
      });
    }
    this.#checkNamespace(resource, metadata.namespace ?? null);
    if (this.#entries.has(entryKey(resource, refOf(resource, made)))) {
      const text = `${resource.plural} "${metadata.name}" already exists`;
      throw new KubeError("alreadyExists", text, { status: 409, object: metadata.name });
    }
    if (kind.status) delete made.status;
    if (dryRun) return made;
    const entry = this.#insert(kind, made);
    ownChanges(kind, {}, entry.object as unknown as Tree, entry.managers, `${manager}/Update`);
    return entry.object;
  }

  /** Replaces all but the status, or with `status` the status alone. */
  update(resource: Resource, object: KubeObject, manager: string, status = false): Stored {
    const entry = this.#present(resource, refOf(resource, object));
    this.#checkPreconditions(entry, object.metadata);
    const next: Stored = { ...object };
    return this.#write(
      entry,
      status ? withStatus(entry.object, next.status) : next,
      status,
      (before, after) =>
        ownChanges(entry.kind, before, after, entry.managers, ownerOf(manager, "Update", status)),
    );
  }

  apply(resource: Resource, object: KubeObject, manager: string, status = false): Stored {
    const kind = this.#kind(resource);
    const ref = refOf(resource, object);
    const found = this.#entries.get(entryKey(resource, ref));
    if ("managedFields" in object.metadata) {
      throw new KubeError("invalid", "metadata.managedFields must be nil", { status: 400 });
    }
    const expected = { apiVersion: apiVersion(resource), kind: resource.kind };
    if (object.apiVersion !== expected.apiVersion || object.kind !== expected.kind) {
      throw new KubeError(
        "invalid",
        `the object provided is no ${expected.kind} of ${expected.apiVersion}`,
        { status: 400 },
      );
    }
    if (found === undefined) {
      if (status) throw notFound(resource, ref.name);
      if (object.metadata.uid !== undefined)
        throw new KubeError("conflict", `uid mismatch: there is no ${ref.name}`, { status: 409 });
      this.#checkNamespace(resource, ref.namespace);
    } else this.#checkPreconditions(found, object.metadata);
    const applied = copyOf(object) as unknown as Tree;
    if (status) keepOnly(applied, ["apiVersion", "kind", "metadata", "status"]);
    else if (kind.status) delete applied["status"];
    if (found === undefined) {
      const managers: Managers = new Map();
      const made = applyFields(kind, {}, applied, managers, ownerOf(manager, "Apply", false));
      return this.#insert(kind, made as unknown as Stored, managers).object;
    }
    const managers = cloned(found.managers);
    const live = found.object as unknown as Tree;
    const merged = applyFields(kind, live, applied, managers, ownerOf(manager, "Apply", status));
    const next = merged as unknown as Stored;
    return this.#write(found, status ? withStatus(found.object, next.status) : next, status, () => {
      found.managers.clear();
      for (const [owner, fields] of managers) found.managers.set(owner, fields);
    });
  }

  /** RFC 7396. */
  mergePatch(resource: Resource, ref: ObjectRef, patch: object, manager: string): Stored {
    const entry = this.#present(resource, ref);
    const next = mergePatched(entry.object, patch) as Stored;
    this.#checkPreconditions(entry, (patch as Partial<KubeObject>).metadata ?? {});
    return this.#write(entry, next, false, (before, after) =>
      ownChanges(entry.kind, before, after, entry.managers, ownerOf(manager, "Update", false)),
    );
  }

  /** False where there was nothing. */
  delete(resource: Resource, ref: ObjectRef, options: DeleteOptions = {}): boolean {
    this.#kind(resource);
    const entry = this.#entries.get(entryKey(resource, ref));
    if (entry === undefined) return false;
    this.#checkPreconditions(entry, options.preconditions ?? {}, true);
    const { metadata } = entry.object;
    const finalizers = new Set(metadata.finalizers);
    if (options.propagation === "Orphan") finalizers.add("orphan");
    if (options.propagation === "Foreground") finalizers.add("foregroundDeletion");
    const grace = graceOf(entry.object, resource, options);
    if (finalizers.size === 0 && grace === 0 && !namespaceHolds(entry.object)) {
      this.#drop(entry);
      return true;
    }
    const next = copyOf(entry.object);
    if (finalizers.size > 0) next.metadata.finalizers = [...finalizers];
    const first = metadata.deletionTimestamp === undefined;
    if (first && next.metadata.generation !== undefined) next.metadata.generation++;
    const at = this.#time.wall() + grace * 1000;
    if (first || grace < (metadata.deletionGracePeriodSeconds ?? 0)) {
      next.metadata.deletionTimestamp = timestamp(at);
      next.metadata.deletionGracePeriodSeconds = grace;
    }
    if (!isSameJson(entry.object, next)) this.#replace(entry, next);
    return true;
  }

  #write(
    entry: Entry,
    given: Stored,
    status: boolean,
    own: (before: Tree, after: Tree) => void,
  ): Stored {
    const { kind, object: before } = entry;
    const next: Stored = { ...given, metadata: { ...given.metadata } };
    next.apiVersion = before.apiVersion;
    next.kind = before.kind;
    const kept = [
      "name",
      "namespace",
      "uid",
      "creationTimestamp",
      "generation",
      "deletionTimestamp",
      "deletionGracePeriodSeconds",
      "resourceVersion",
    ];
    const metadata = next.metadata as unknown as Tree;
    for (const name of kept) {
      const value = (before.metadata as unknown as Tree)[name];
      if (value === undefined) delete metadata[name];
      else metadata[name] = value;
    }
    if (!status && kind.status) {
      if (before.status === undefined) delete next.status;
      else next.status = before.status;
    }
    const refused = status ? null : (kind.immutable?.(before, next) ?? null);
    if (refused !== null) throw invalid(kind.resource, before.metadata.name, refused);
    if (isSameJson(before, next)) {
      own(before as unknown as Tree, before as unknown as Tree);
      return before;
    }
    if (kind.generation && !isSameJson(bare(before), bare(next))) {
      next.metadata.generation = (before.metadata.generation ?? 0) + 1;
    }
    if (next.metadata.finalizers?.length === 0) delete next.metadata.finalizers;
    const { deletionTimestamp, finalizers = [], deletionGracePeriodSeconds = 0 } = next.metadata;
    const fixed = { ...frozen(next) };
    own(before as unknown as Tree, fixed as unknown as Tree);
    if (
      deletionTimestamp !== undefined &&
      finalizers.length === 0 &&
      deletionGracePeriodSeconds === 0
    )
      return this.#drop(entry, fixed);
    return this.#replace(entry, fixed);
  }

  #insert(kind: Kind, object: Stored, managers: Managers = new Map()): Entry {
    const { resource } = kind;
    object.apiVersion = apiVersion(resource);
    object.kind = resource.kind;
    const { metadata } = object;
    metadata.uid = `00000000-0000-4000-8000-${String(++this.#uids).padStart(12, "0")}`;
    metadata.creationTimestamp = timestamp(this.#time.wall());
    metadata.resourceVersion = String(++this.#revision);
    if (kind.generation) metadata.generation = 1;
    if (resource.plural === PERSISTENT_VOLUME_CLAIM.plural) {
      metadata.finalizers = [...new Set([...(metadata.finalizers ?? []), CLAIM_FINALIZER])];
    }
    if (resource.plural === NAMESPACE.plural) object.spec = { finalizers: ["kubernetes"] };
    const entry: Entry = { kind, object: frozen(object), managers };
    this.#entries.set(entryKey(resource, refOf(resource, object)), entry);
    this.#listed.set(kindKey(resource), null);
    this.#publish(kind, null, entry.object, entry.object);
    return entry;
  }

  #replace(entry: Entry, next: Stored): Stored {
    const before = entry.object;
    entry.object = this.#revised(next);
    this.#publish(entry.kind, before, entry.object, entry.object);
    return entry.object;
  }

  #drop(entry: Entry, final: Stored = entry.object): Stored {
    const { resource } = entry.kind;
    this.#entries.delete(entryKey(resource, refOf(resource, entry.object)));
    this.#listed.set(kindKey(resource), null);
    const last = this.#revised(final);
    this.#publish(entry.kind, entry.object, null, last);
    return last;
  }

  #revised(object: Stored): Stored {
    const resourceVersion = String(++this.#revision);
    return frozen({ ...object, metadata: { ...object.metadata, resourceVersion } });
  }

  #publish(kind: Kind, before: Stored | null, after: Stored | null, last: Stored): void {
    const plural = kindKey(kind.resource);
    this.watches.publish({ plural, revision: this.#revision, before, after, last });
    this.onChange();
  }

  #kind(resource: Resource): Kind {
    const kind = this.#kinds.get(kindKey(resource));
    if (kind !== undefined) return kind;
    throw new KubeError("notFound", "the server could not find the requested resource", {
      status: 404,
    });
  }

  #of(resource: Resource): readonly Entry[] {
    const key = kindKey(resource);
    const known = this.#listed.get(key);
    if (known != null) return known;
    const found = [...this.#entries].filter(([name]) => name.startsWith(`${key}/`));
    const sorted = found.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
    this.#listed.set(key, sorted);
    return sorted;
  }

  #present(resource: Resource, ref: ObjectRef): Entry {
    this.#kind(resource);
    const entry = this.#entries.get(entryKey(resource, ref));
    if (entry === undefined) throw notFound(resource, ref.name);
    return entry;
  }

  #checkNamespace(resource: Resource, namespace: string | null): void {
    if (!resource.namespaced) return;
    const found = this.#entries.get(
      entryKey(NAMESPACE, { namespace: null, name: namespace ?? "" }),
    );
    if (found === undefined) throw notFound(NAMESPACE, namespace ?? "");
    if (found.object.metadata.deletionTimestamp === undefined) return;
    const text = `unable to create new content in namespace ${namespace} because it is being terminated`;
    throw new KubeError("forbidden", text, { status: 403 });
  }

  #checkPreconditions(
    entry: Entry,
    { uid, resourceVersion }: Preconditions,
    deleting = false,
  ): void {
    const { kind, plural } = entry.kind.resource;
    const { metadata } = entry.object;
    const other = (what: string, given: string, have: string | undefined, since: string): string =>
      `the ${what} in the precondition (${given}) does not match the ${what} in record (${have}). ${since}`;
    const stale =
      resourceVersion !== undefined &&
      resourceVersion !== "" &&
      resourceVersion !== metadata.resourceVersion;
    const wrong =
      uid !== undefined && uid !== metadata.uid
        ? other("UID", uid, metadata.uid, "The object might have been deleted and then recreated")
        : stale && deleting
          ? other(
              "ResourceVersion",
              resourceVersion,
              metadata.resourceVersion,
              "The object might have been modified",
            )
          : stale
            ? "the object has been modified; please apply your changes to the latest version and try again"
            : null;
    if (wrong === null) return;
    const text = `Operation cannot be fulfilled on ${deleting ? kind : plural} "${metadata.name}": ${wrong}`;
    throw new KubeError("conflict", text, { status: 409, object: metadata.name });
  }
}
