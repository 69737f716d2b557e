/** What the operator asks of Kubernetes. `client.ts` answers it over HTTPS, test/operator/fake-api.ts in memory. */

/** Names a kind of object and where its API lives. `group` is "" for the core API. */
export interface Resource {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** Lowercase plural, as in paths. */
  readonly plural: string;
  readonly namespaced: boolean;
}

export interface ObjectMeta {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: OwnerReference[];
}

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

/** As JSON has it: times are strings, numbers as they came. */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
}

export interface ObjectRef {
  readonly namespace: string | null;
  readonly name: string;
}

export interface ListOptions {
  /** Null: every namespace. */
  readonly namespace: string | null;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface Listed<T extends KubeObject> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
}

/** The object is deleted only if it is still this one, else 409 ("conflict"). */
export interface Preconditions {
  readonly uid?: string;
  readonly resourceVersion?: string;
}

export type WatchEvent =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: KubeObject }
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string };

export interface WatchRequest extends ListOptions {
  readonly resourceVersion: string;
  readonly timeoutSeconds: number;
}

/**
 * Every method rejects with a `KubeError`. Reads are of the API server, never of a cache. `apply` is a server-side apply by
 * the field manager `quorate-operator` with force; it creates what is not there.
 */
export interface KubeApi {
  get<T extends KubeObject>(resource: Resource, ref: ObjectRef): Promise<T | null>;
  list<T extends KubeObject>(resource: Resource, options: ListOptions): Promise<Listed<T>>;
  create<T extends KubeObject>(resource: Resource, object: T, options?: CreateOptions): Promise<T>;
  /** Replaces; `metadata.resourceVersion` must be the one that was read. */
  update<T extends KubeObject>(resource: Resource, object: T): Promise<T>;
  apply<T extends KubeObject>(resource: Resource, object: KubeObject): Promise<T>;
  applyStatus(resource: Resource, object: KubeObject): Promise<void>;
  /** JSON merge patch (RFC 7396), for labels, annotations and finalizers. */
  mergePatch<T extends KubeObject>(resource: Resource, ref: ObjectRef, patch: object): Promise<T>;
  /** Resolves to false where there was nothing. */
  delete(resource: Resource, ref: ObjectRef, options?: DeleteOptions): Promise<boolean>;
  evict(ref: ObjectRef, preconditions?: Preconditions): Promise<void>;
  /** Ends when the server ends it, the signal fires, or with a `KubeError` ("expired": list anew). */
  watch(resource: Resource, request: WatchRequest, signal: AbortSignal): AsyncIterable<WatchEvent>;
  /** Whether the API server serves this kind now; asked anew at each call. */
  serves(resource: Resource): Promise<boolean>;
}

/** Where events go: noted, joined and sent by `events.ts`. Never fails and never waits. */
export interface Recorder {
  /** `reason` is a word in CamelCase, `note` a sentence. What repeats within some minutes is counted in one event. */
  event(about: KubeObject, type: "Normal" | "Warning", reason: string, note: string): void;
}

/** What few ask for: people's tools, and tests. */
export interface KubeExtras {
  /** How many replicas the `scale` subresource asks for. */
  readScale(resource: Resource, ref: ObjectRef): Promise<number>;
  /** Sets it, as `kubectl scale` does. */
  scale(resource: Resource, ref: ObjectRef, replicas: number): Promise<void>;
  /** A container's log, as it comes; with `follow` until the signal fires or the container ends. */
  logs(ref: ObjectRef, options: LogOptions, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

export interface LogOptions {
  readonly container?: string;
  readonly follow?: boolean;
  /** Of the container's last run before this one. */
  readonly previous?: boolean;
  readonly tailLines?: number;
}

export interface CreateOptions {
  /** Refused is what would be refused, and nothing is stored. */
  readonly dryRun?: boolean;
}

export interface DeleteOptions {
  readonly preconditions?: Preconditions;
  readonly propagation?: "Foreground" | "Background" | "Orphan";
  readonly gracePeriodSeconds?: number;
}

export type KubeErrorCode =
  | "unauthorized"
  | "forbidden"
  | "notFound"
  | "conflict"
  | "alreadyExists"
  | "invalid"
  | "expired"
  | "tooManyRequests"
  | "timeout"
  | "unavailable"
  | "internal";

/** Carries the API server's own sentence, without the request. */
export class KubeError extends Error {
  override readonly name = "KubeError";
  readonly code: KubeErrorCode;
  /** HTTP status; 0 where none came. */
  readonly status: number;
  /** Seconds that the server asked to wait; null where it did not. */
  readonly retryAfter: number | null;
  /** The name of the object that the server speaks of; null where it names none. */
  readonly object: string | null;
  constructor(
    code: KubeErrorCode,
    message: string,
    detail: {
      status?: number;
      retryAfter?: number | null;
      object?: string | null;
      cause?: unknown;
    } = {},
  ) {
    super(message, { cause: detail.cause });
    this.code = code;
    this.status = detail.status ?? 0;
    this.retryAfter = detail.retryAfter ?? null;
    this.object = detail.object ?? null;
  }
}
