/** The `KubeApi` over HTTPS. */
import { POD, apiVersion } from "../api/resources.ts";
import type { Time } from "../time.ts";
import {
  type CreateOptions,
  type DeleteOptions,
  type KubeApi,
  KubeError,
  type KubeExtras,
  type KubeObject,
  type ListOptions,
  type Listed,
  type LogOptions,
  type ObjectRef,
  type Preconditions,
  type Resource,
  type WatchEvent,
  type WatchRequest,
} from "./api.ts";
import type { Credentials } from "./credentials.ts";
import { collectionPath, groupPath, objectPath } from "./paths.ts";
import { type CallReport, Transport, unreachableError } from "./transport.ts";
import { watchEvents, withoutManagedFields } from "./watch-stream.ts";

/** Owns what the operator applies. */
export const FIELD_MANAGER = "quorate-operator";
const TIMEOUT_MS = 30_000;
const PAGE_ITEMS = 500;
/** The API server sends a bookmark each minute or so. */
const SILENCE_MS = 150_000;
const APPLY = "application/apply-patch+yaml";
const MERGE = "application/merge-patch+json";

export interface ClientOptions {
  readonly credentials: Credentials;
  readonly time: Time;
  readonly userAgent: string;
  /** Hears of each request, for metrics. */
  readonly onCall?: (report: CallReport) => void;
  /** For each call in milliseconds; 30 s unless given. */
  readonly timeoutMs?: number;
  /** How long a watch may say nothing, in milliseconds; two and a half minutes unless given. */
  readonly silenceMs?: number;
  /** Owner of what is applied and patched; the operator unless given. */
  readonly fieldManager?: string;
}

interface Page {
  readonly items?: readonly KubeObject[];
  readonly metadata: { readonly resourceVersion?: string; readonly continue?: string };
}

export class KubeClient implements KubeApi, KubeExtras {
  readonly #transport: Transport;
  readonly #silenceMs: number;
  readonly #fieldManager: string;

  constructor(options: ClientOptions) {
    const { credentials, time, userAgent, timeoutMs = TIMEOUT_MS } = options;
    const { onCall = (): void => {} } = options;
    this.#silenceMs = options.silenceMs ?? SILENCE_MS;
    this.#fieldManager = options.fieldManager ?? FIELD_MANAGER;
    this.#transport = new Transport({ credentials, time, timeoutMs, userAgent, onCall });
  }

  async get<T extends KubeObject>(resource: Resource, ref: ObjectRef): Promise<T | null> {
    const path = objectPath(resource, ref);
    const call = this.#transport.call({ method: "GET", path, ...named("get", resource) });
    return call.then((body) => asObject<T>(body), absent(ref, null));
  }

  async list<T extends KubeObject>(resource: Resource, options: ListOptions): Promise<Listed<T>> {
    try {
      return await this.#pages<T>(resource, options, PAGE_ITEMS);
    } catch (thrown) {
      if (!(thrown instanceof KubeError) || thrown.code !== "expired") throw thrown;
      // The state that the first page was of is gone: all of another at once.
      return await this.#pages<T>(resource, options, null);
    }
  }

  async #pages<T extends KubeObject>(
    resource: Resource,
    options: ListOptions,
    pageItems: number | null,
  ): Promise<Listed<T>> {
    const items: T[] = [];
    let from: string | undefined;
    for (;;) {
      const page = (await this.#transport.call({
        method: "GET",
        path: collectionPath(resource, options.namespace),
        query: {
          ...selectors(options),
          limit: pageItems === null ? undefined : String(pageItems),
          continue: from,
        },
        ...named("list", resource),
      })) as Page;
      for (const item of page.items ?? []) items.push(ofKind(resource, item as T));
      const { resourceVersion = "", continue: next = "" } = page.metadata;
      if (next === "") return { items, resourceVersion };
      from = next;
    }
  }

  async create<T extends KubeObject>(
    resource: Resource,
    object: T,
    { dryRun = false }: CreateOptions = {},
  ): Promise<T> {
    const path = collectionPath(resource, namespaceOf(resource, object));
    const query = { fieldManager: this.#fieldManager, ...(dryRun ? { dryRun: "All" } : {}) };
    const verb = named("create", resource);
    return asObject(
      await this.#transport.call({ method: "POST", path, query, body: object, ...verb }),
    );
  }

  async update<T extends KubeObject>(resource: Resource, object: T): Promise<T> {
    if (object.metadata.resourceVersion === undefined) {
      throw new KubeError("invalid", "an update needs the resourceVersion that was read");
    }
    const path = objectPath(resource, refOf(resource, object));
    const query = { fieldManager: this.#fieldManager };
    const verb = named("update", resource);
    return asObject(
      await this.#transport.call({ method: "PUT", path, query, body: object, ...verb }),
    );
  }

  async apply<T extends KubeObject>(resource: Resource, object: KubeObject): Promise<T> {
    return asObject<T>(await this.#apply(resource, object));
  }

  async applyStatus(resource: Resource, object: KubeObject): Promise<void> {
    await this.#apply(resource, object, "status");
  }

  #apply(resource: Resource, object: KubeObject, subresource?: string): Promise<unknown> {
    return this.#transport.call({
      method: "PATCH",
      path: objectPath(resource, refOf(resource, object), subresource),
      query: { fieldManager: this.#fieldManager, force: "true" },
      body: object,
      contentType: APPLY,
      ...named(subresource === undefined ? "apply" : "applyStatus", resource),
    });
  }

  async mergePatch<T extends KubeObject>(
    resource: Resource,
    ref: ObjectRef,
    patch: object,
  ): Promise<T> {
    return asObject<T>(
      await this.#transport.call({
        method: "PATCH",
        path: objectPath(resource, ref),
        query: { fieldManager: this.#fieldManager },
        body: patch,
        contentType: MERGE,
        ...named("patch", resource),
      }),
    );
  }

  async delete(resource: Resource, ref: ObjectRef, options: DeleteOptions = {}): Promise<boolean> {
    const { preconditions, propagation, gracePeriodSeconds } = options;
    const call = this.#transport.call({
      method: "DELETE",
      path: objectPath(resource, ref),
      body: {
        apiVersion: "v1",
        kind: "DeleteOptions",
        preconditions,
        propagationPolicy: propagation,
        gracePeriodSeconds,
      },
      ...named("delete", resource),
    });
    return call.then(() => true, absent(ref, false));
  }

  async evict(ref: ObjectRef, preconditions?: Preconditions): Promise<void> {
    await this.#transport.call({
      method: "POST",
      path: objectPath(POD, ref, "eviction"),
      body: {
        apiVersion: "policy/v1",
        kind: "Eviction",
        metadata: { name: ref.name, namespace: ref.namespace },
        deleteOptions: { preconditions },
      },
      ...named("evict", POD),
    });
  }

  async *watch(
    resource: Resource,
    request: WatchRequest,
    signal: AbortSignal,
  ): AsyncGenerator<WatchEvent> {
    if (signal.aborted) return;
    const { resourceVersion, timeoutSeconds } = request;
    let body;
    try {
      ({ body } = await this.#transport.open({
        method: "GET",
        path: collectionPath(resource, request.namespace),
        query: {
          ...selectors(request),
          watch: "true",
          allowWatchBookmarks: "true",
          resourceVersion,
          timeoutSeconds: String(timeoutSeconds),
        },
        signal,
        ...named("watch", resource),
      }));
    } catch (thrown) {
      if (signal.aborted) return;
      throw thrown;
    }
    yield* watchEvents(body, this.#silenceMs, signal);
  }

  async serves(resource: Resource): Promise<boolean> {
    const path = groupPath(resource);
    try {
      const body = await this.#transport.call({
        method: "GET",
        path,
        ...named("discover", resource),
      });
      const { resources = [] } = body as { resources?: readonly { name: string; kind: string }[] };
      return resources.some(({ name, kind }) => name === resource.plural && kind === resource.kind);
    } catch (thrown) {
      if (thrown instanceof KubeError && thrown.code === "notFound") return false;
      throw thrown;
    }
  }

  async readScale(resource: Resource, ref: ObjectRef): Promise<number> {
    const path = objectPath(resource, ref, "scale");
    const body = await this.#transport.call({ method: "GET", path, ...named("get", resource) });
    return (body as { spec?: { replicas?: number } }).spec?.replicas ?? 0;
  }

  async scale(resource: Resource, ref: ObjectRef, replicas: number): Promise<void> {
    await this.#transport.call({
      method: "PATCH",
      path: objectPath(resource, ref, "scale"),
      query: { fieldManager: this.#fieldManager },
      body: { spec: { replicas } },
      contentType: MERGE,
      ...named("patch", resource),
    });
  }

  async *logs(
    ref: ObjectRef,
    options: LogOptions,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const { container, follow, previous, tailLines } = options;
    const { body } = await this.#transport.open({
      method: "GET",
      path: objectPath(POD, ref, "log"),
      query: {
        container,
        follow: follow?.toString(),
        previous: previous?.toString(),
        tailLines: tailLines?.toString(),
      },
      signal,
      ...named("logs", POD),
    });
    try {
      for await (const chunk of body as AsyncIterable<Uint8Array>) yield chunk;
    } catch (thrown) {
      if (!signal.aborted) throw unreachableError(thrown);
    } finally {
      body.destroy();
    }
  }
}

function named(verb: string, resource: Resource): { verb: string; resource: string } {
  return { verb, resource: resource.plural };
}

function selectors({ labelSelector, fieldSelector }: ListOptions): Record<string, string> {
  return {
    ...(labelSelector === undefined ? {} : { labelSelector }),
    ...(fieldSelector === undefined ? {} : { fieldSelector }),
  };
}

/** Of one that is about to be written. */
export function refOf(resource: Resource, { metadata }: KubeObject): ObjectRef {
  return {
    namespace: resource.namespaced ? (metadata.namespace ?? null) : null,
    name: metadata.name,
  };
}

function namespaceOf(resource: Resource, object: KubeObject): string | null {
  const namespace = object.metadata.namespace ?? null;
  if (resource.namespaced && namespace === null) {
    throw new KubeError("invalid", `${resource.kind} ${object.metadata.name} needs a namespace`);
  }
  return namespace;
}

function asObject<T extends KubeObject>(body: unknown): T {
  if (typeof body !== "object" || body === null || !("metadata" in body)) {
    throw new KubeError("internal", "the API server answered with something that is no object");
  }
  return withoutManagedFields(body as T);
}

/** The items of a list of a built-in kind do not say what they are. */
function ofKind<T extends KubeObject>(resource: Resource, item: T): T {
  item.apiVersion = apiVersion(resource);
  item.kind = resource.kind;
  return withoutManagedFields(item);
}

/** That this object is not there, and only that; an unknown kind or path is an error. */
function absent<T>(ref: ObjectRef, answer: T): (thrown: unknown) => T {
  return (thrown) => {
    const gone =
      thrown instanceof KubeError && thrown.code === "notFound" && thrown.object === ref.name;
    if (gone) return answer;
    throw thrown;
  };
}
