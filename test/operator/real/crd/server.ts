/** A real kube-apiserver over one of our members, with our resources installed, and what it says about an object. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Resource } from "../../../../operator/kube/api.ts";
import { KubeClient } from "../../../../operator/kube/client.ts";
import { Credentials } from "../../../../operator/kube/credentials.ts";
import { systemTime } from "../../../../operator/time.ts";
import { apiVersion } from "../../../../operator/api/resources.ts";
import type { Json, JsonObject } from "../../../../operator/api/schema/node.ts";
import { Cluster } from "../../../conformance/support/cluster.ts";
import { type Answer, ControlPlane } from "../../../conformance/support/kubernetes.ts";
import { type Finished, run, tool } from "../../../conformance/support/tools.ts";

const MANIFESTS = join(import.meta.dirname, "../../../../manifests");

/** Why something was refused: a field that the answer names, and the sentence about it. */
export interface Cause {
  readonly field: string;
  readonly message: string;
}

export interface Verdict {
  readonly accepted: boolean;
  /** The API server's whole sentence; empty if it accepted. */
  readonly message: string;
  readonly causes: readonly Cause[];
  /** As the API server would store it, where it accepted. */
  readonly object: JsonObject;
}

export class ApiServer {
  /** The operator's own. */
  readonly client: KubeClient;
  readonly #credentials: Credentials;
  readonly #store: Cluster;
  readonly #plane: ControlPlane;
  #names = 0;

  static async start(): Promise<ApiServer> {
    const store = await Cluster.start({
      product: "quorate",
      members: 1,
      flags: ["--log-level=error"],
    });
    const urls = store.members.map(({ clientUrl }) => clientUrl);
    const plane = await ControlPlane.start(urls, { controllers: false }).catch(async (thrown) => {
      await store.stop({ keep: true });
      throw thrown;
    });
    const server = new ApiServer(store, plane);
    await server.#install().catch(async (thrown) => {
      await server.stop();
      throw thrown;
    });
    return server;
  }

  private constructor(store: Cluster, plane: ControlPlane) {
    this.#store = store;
    this.#plane = plane;
    this.#credentials = new Credentials({ kubeconfig: plane.kubeconfig }, systemTime);
    const shared = { time: systemTime, userAgent: "quorate-operator/test" };
    this.client = new KubeClient({ credentials: this.#credentials, ...shared });
  }

  async #install(): Promise<void> {
    const folder = join(MANIFESTS, "crd");
    const applied = await this.kubectl("apply", "--server-side", "-f", folder);
    assert.equal(applied.code, 0, applied.stderr);
    const wait = ["wait", "--for=condition=Established", "--timeout=60s", "-f", folder];
    const established = await this.kubectl(...wait);
    assert.equal(established.code, 0, established.stderr);
  }

  async stop(): Promise<void> {
    await this.#credentials.close();
    await this.#plane.stop();
    await this.#store.stop({ keep: false });
  }

  get kubeconfig(): string {
    return this.#plane.kubeconfig;
  }

  kubectl(...words: readonly string[]): Promise<Finished> {
    return run([tool("kubectl"), `--kubeconfig=${this.#plane.kubeconfig}`, ...words]);
  }

  /** `kubectl apply` of one object, as JSON. */
  apply(object: string, flags: readonly string[]): Promise<Finished> {
    const command = [tool("kubectl"), `--kubeconfig=${this.#plane.kubeconfig}`, "apply", ...flags];
    return run([...command, "-f", "-"], { stdin: object });
  }

  call(method: string, path: string, body?: object): Promise<Answer> {
    return this.#plane.call(method, path, body);
  }

  /** A name that no other object of this server has. */
  name(): string {
    return `case-${++this.#names}`;
  }

  /** What it says about a new object; nothing is stored. A field that it does not know is refused, as kubectl has it. */
  async judge(resource: Resource, spec: Json, name: string = this.name()): Promise<Verdict> {
    const path = `${pathOf(resource)}?dryRun=All&fieldValidation=Strict`;
    return verdict(await this.call("POST", path, { ...head(resource, name), spec }));
  }

  /** What it says about a change of the spec of an object that it has stored. */
  async judgeChange(resource: Resource, before: Json, after: Json): Promise<Verdict> {
    const name = this.name();
    const stored = verdict(
      await this.call("POST", pathOf(resource), { ...head(resource, name), spec: before }),
    );
    assert.ok(stored.accepted, `the object before the change: ${stored.message}`);
    const { metadata } = stored.object;
    const path = `${pathOf(resource)}/${name}?dryRun=All&fieldValidation=Strict`;
    const body = { ...head(resource, name), metadata, spec: after };
    return verdict(await this.call("PUT", path, body));
  }
}

export function samples(): string[] {
  const folder = join(MANIFESTS, "samples");
  return readdirSync(folder).map((name) => join(folder, name));
}

function pathOf(resource: Resource): string {
  return `/apis/${apiVersion(resource)}/namespaces/default/${resource.plural}`;
}

function head(resource: Resource, name: string): object {
  return {
    apiVersion: apiVersion(resource),
    kind: resource.kind,
    metadata: { name, namespace: "default" },
  };
}

function verdict({ status, body }: Answer): Verdict {
  if (status === 200 || status === 201)
    return { accepted: true, message: "", causes: [], object: body as JsonObject };
  const { message, details } = body as {
    message: string;
    details?: { causes?: readonly { field?: string; message: string }[] };
  };
  const causes = details?.causes?.map((cause) => ({
    field: cause.field ?? "",
    message: cause.message,
  }));
  return { accepted: false, message, causes: causes ?? [], object: {} };
}
