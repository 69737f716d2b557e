/**
 * A `KubeApi` in memory, as faithful as the operator can tell: test/operator/contract.ts says what it promises, and runs
 * against it and against a real kube-apiserver. Beside the API it has the garbage collector, and nothing else of a cluster:
 * no defaults are filled in, no StatefulSet makes pods; tests act those parts through `as`.
 */
import { NAMESPACE, POD, POD_DISRUPTION_BUDGET } from "../../operator/api/resources.ts";
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
} from "../../operator/kube/api.ts";
import { objectPath } from "../../operator/kube/paths.ts";
import type { PolicyRule } from "../../operator/rbac.ts";
import type { Time } from "../../operator/time.ts";
import { Collector } from "./fake/collector.ts";
import { type Call, Faults } from "./fake/faults.ts";
import { BUILT_IN, type Kind } from "./fake/kinds.ts";
import { type Stored, kindKey, refOf } from "./fake/objects.ts";
import { matcherOf, selects } from "./fake/selectors.ts";
import { judge } from "./fake/permissions.ts";
import { Store } from "./fake/store.ts";
import type { Watches } from "./fake/watches.ts";

const OPERATOR = "quorate-operator";

export interface FakeOptions {
  readonly time: Time;
  /** Beside the built-in ones: custom kinds. */
  readonly kinds?: readonly Kind[];
  /** Those that are there; "default" unless given. */
  readonly namespaces?: readonly string[];
  /** What the operator may do; everything unless given. */
  readonly rules?: readonly PolicyRule[];
}

/** The operator's own view of it, with what tests may do besides. */
export class FakeApi {
  readonly store: Store;
  readonly faults: Faults;
  /** What the operator is given. */
  readonly operator: FakeClient;
  readonly #logs = new Map<string, string>();
  readonly #rules: readonly PolicyRule[] | null;

  constructor({ time, kinds = [], namespaces = ["default"], rules }: FakeOptions) {
    this.#rules = rules ?? null;
    this.store = new Store(time, [...BUILT_IN, ...kinds]);
    this.faults = new Faults(time);
    this.operator = this.as(OPERATOR);
    const collector = new Collector(this.store, time);
    collector.start();
    for (const name of namespaces) {
      const object = { apiVersion: "v1", kind: "Namespace", metadata: { name } };
      this.store.create(NAMESPACE, object, "kube-apiserver");
    }
  }

  /** Throws where this caller has no right to. */
  authorize(manager: string, verb: Call["verb"], resource: Resource): void {
    if (this.#rules !== null && manager === OPERATOR) judge(this.#rules, verb, resource);
  }

  /** The same API for another field manager: a user, a controller, a kubelet. Faults befall it only where they name it. */
  as(manager: string): FakeClient {
    return new FakeClient(this, manager);
  }

  /** Watches: to break, to delay, to expire. */
  get watches(): Watches {
    return this.store.watches;
  }

  /** Writes a status, as the controller of a built-in kind does. */
  setStatus(resource: Resource, ref: ObjectRef, status: object): void {
    const object = this.store.get(resource, ref);
    if (object === null) throw new Error(`${resource.kind} ${ref.name} is not there`);
    this.store.update(resource, { ...object, status: { ...status } } as Stored, "test", true);
  }

  /** What `logs` then answers. */
  setLog(ref: ObjectRef, text: string): void {
    this.#logs.set(`${ref.namespace}/${ref.name}`, text);
  }

  log(ref: ObjectRef): string {
    return this.#logs.get(`${ref.namespace}/${ref.name}`) ?? "";
  }
}

export class FakeClient implements KubeApi, KubeExtras {
  readonly #fake: FakeApi;
  readonly #manager: string;

  constructor(fake: FakeApi, manager: string) {
    this.#fake = fake;
    this.#manager = manager;
  }

  get<T extends KubeObject>(resource: Resource, ref: ObjectRef): Promise<T | null> {
    return this.#call(
      "get",
      resource,
      ref,
      (store) => store.get(resource, ref) as unknown as T | null,
    );
  }

  list<T extends KubeObject>(resource: Resource, options: ListOptions): Promise<Listed<T>> {
    return this.#call("list", resource, { namespace: options.namespace, name: "" }, (store) => ({
      items: store.all(resource).filter(matcherOf(options)) as unknown as T[],
      resourceVersion: store.revision,
    }));
  }

  create<T extends KubeObject>(
    resource: Resource,
    object: T,
    { dryRun = false }: CreateOptions = {},
  ): Promise<T> {
    return this.#call(
      "create",
      resource,
      refOf(resource, object),
      (store) => store.create(resource, object, this.#manager, dryRun) as unknown as T,
    );
  }

  update<T extends KubeObject>(resource: Resource, object: T): Promise<T> {
    return this.#call("update", resource, refOf(resource, object), (store) => {
      if (object.metadata.resourceVersion === undefined) {
        throw new KubeError("invalid", "an update needs the resourceVersion that was read");
      }
      return store.update(resource, object, this.#manager) as unknown as T;
    });
  }

  apply<T extends KubeObject>(resource: Resource, object: KubeObject): Promise<T> {
    return this.#call(
      "apply",
      resource,
      refOf(resource, object),
      (store) => store.apply(resource, object, this.#manager) as unknown as T,
    );
  }

  applyStatus(resource: Resource, object: KubeObject): Promise<void> {
    return this.#call("applyStatus", resource, refOf(resource, object), (store) => {
      store.apply(resource, object, this.#manager, true);
    });
  }

  mergePatch<T extends KubeObject>(resource: Resource, ref: ObjectRef, patch: object): Promise<T> {
    return this.#call(
      "patch",
      resource,
      ref,
      (store) => store.mergePatch(resource, ref, patch, this.#manager) as unknown as T,
    );
  }

  delete(resource: Resource, ref: ObjectRef, options: DeleteOptions = {}): Promise<boolean> {
    return this.#call("delete", resource, ref, (store) => store.delete(resource, ref, options));
  }

  evict(ref: ObjectRef, preconditions: Preconditions = {}): Promise<void> {
    return this.#call("evict", POD, ref, (store) => {
      const pod = store.get(POD, ref);
      if (pod === null) {
        throw new KubeError("notFound", `pods "${ref.name}" not found`, {
          status: 404,
          object: ref.name,
        });
      }
      if (budgetsSpent(store, pod)) {
        const text = "Cannot evict pod as it would violate the pod's disruption budget.";
        throw new KubeError("tooManyRequests", text, { status: 429 });
      }
      store.delete(POD, ref, { preconditions });
    });
  }

  async *watch(
    resource: Resource,
    request: WatchRequest,
    signal: AbortSignal,
  ): AsyncGenerator<WatchEvent> {
    const { namespace } = request;
    const stream = await this.#call("watch", resource, { namespace, name: "" }, (store) => {
      const present = store.all(resource).filter(matcherOf(request));
      return store.watches.open(kindKey(resource), request, present);
    });
    const end = (): void => stream.end(null);
    signal.addEventListener("abort", end, { once: true });
    if (signal.aborted) end();
    try {
      for (;;) {
        const event = await stream.next();
        if (event === null || signal.aborted) return;
        yield event;
      }
    } finally {
      signal.removeEventListener("abort", end);
      stream.close();
    }
  }

  serves(resource: Resource): Promise<boolean> {
    return this.#call("discover", resource, { namespace: null, name: "" }, (store) =>
      store.serves(resource),
    );
  }

  readScale(resource: Resource, ref: ObjectRef): Promise<number> {
    return this.#call("scale", resource, ref, (store) => {
      const object = store.get(resource, ref);
      if (object === null)
        throw new KubeError("notFound", `${resource.plural} "${ref.name}" not found`);
      return Number(object.spec?.["replicas"] ?? 0);
    });
  }

  scale(resource: Resource, ref: ObjectRef, replicas: number): Promise<void> {
    return this.#call("scale", resource, ref, (store) => {
      store.mergePatch(resource, ref, { spec: { replicas } }, this.#manager);
    });
  }

  async *logs(
    ref: ObjectRef,
    _options: LogOptions,
    _signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const text = await this.#call("logs", POD, ref, () => this.#fake.log(ref));
    yield Buffer.from(text);
  }

  /** Judged as a path, as the real client does; a turn of its own in any case; faults on the way there and on the way back. */
  async #call<T>(
    verb: Call["verb"],
    resource: Resource,
    { namespace, name }: ObjectRef,
    act: (store: Store) => T,
  ): Promise<T> {
    if (REF_NEEDED.has(verb)) objectPath(resource, { namespace, name });
    const call = { verb, resource: resource.plural, namespace, name, manager: this.#manager };
    await this.#fake.faults.pass(call, "before");
    this.#fake.authorize(this.#manager, verb, resource);
    const answer = act(this.#fake.store);
    await this.#fake.faults.pass(call, "after");
    return answer;
  }
}

const REF_NEEDED = new Set<string>([
  "get",
  "update",
  "apply",
  "applyStatus",
  "patch",
  "delete",
  "evict",
  "scale",
  "logs",
]);

/** Whether some budget has no disruption left for `pod`: judged by the pods there are, as its controller would. */
function budgetsSpent(store: Store, pod: Stored): boolean {
  const pods = store
    .all(POD)
    .filter(({ metadata }) => metadata.namespace === pod.metadata.namespace);
  return store
    .all(POD_DISRUPTION_BUDGET)
    .filter(({ metadata }) => metadata.namespace === pod.metadata.namespace)
    .some(({ spec = {} }) => {
      const selector = spec["selector"] as Parameters<typeof selects>[0];
      if (!selects(selector, pod.metadata.labels ?? {})) return false;
      const chosen = pods.filter(({ metadata }) => selects(selector, metadata.labels ?? {}));
      const healthy = chosen.filter(isReady).length;
      const { minAvailable, maxUnavailable } = spec as {
        minAvailable?: number;
        maxUnavailable?: number;
      };
      const needed = minAvailable ?? chosen.length - (maxUnavailable ?? 0);
      return healthy - 1 < needed;
    });
}

function isReady({ status, metadata }: Stored): boolean {
  const conditions = (status?.["conditions"] ?? []) as { type: string; status: string }[];
  return (
    metadata.deletionTimestamp === undefined &&
    conditions.some(({ type, status: is }) => type === "Ready" && is === "True")
  );
}
