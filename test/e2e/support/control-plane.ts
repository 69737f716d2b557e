/** A second control plane, in a pod beside the cluster under test, in which it keeps its state. */
import type { ObjectRef } from "../../../operator/kube/api.ts";
import {
  ApiServerCaller,
  type Answer,
  apiServerFlags,
  controlPlaneFiles,
  controllerFlags,
} from "../../conformance/support/kubernetes.ts";
import { Running, tool, until } from "../../conformance/support/tools.ts";
import { api } from "./api.ts";
import { POD } from "../../../operator/api/resources.ts";
import { DATA, FILES, SECRETS, startPrograms } from "./program.ts";

const PORT = 6443;
const MANAGER_PORT = 6444;
const FOLDERS = { files: FILES, data: DATA };

export class HostedControlPlane {
  readonly #ref: ObjectRef;
  readonly #forwarding: Running;
  readonly #caller: ApiServerCaller;

  /** By the Service for clients and with the client's certificate, as anybody would; reached through a forwarded port. */
  static async start(cluster: ObjectRef): Promise<HostedControlPlane> {
    const { namespace, name } = cluster;
    const ref = { namespace, name: `${name}-control-plane` };
    const tls = `${SECRETS}/${name}-client-tls`;
    const store = [
      `--etcd-servers=https://${name}-client.${namespace ?? ""}.svc:2379`,
      `--etcd-cafile=${tls}/ca.crt`,
      `--etcd-certfile=${tls}/tls.crt`,
      `--etcd-keyfile=${tls}/tls.key`,
    ];
    const server = ["kube-apiserver", ...store, ...apiServerFlags(FOLDERS, PORT)];
    const manager = ["kube-controller-manager", ...controllerFlags(FOLDERS, MANAGER_PORT)];
    await startPrograms(ref, {
      programs: [
        {
          name: "server",
          command: server,
          probe: { port: PORT, path: "/readyz", scheme: "HTTPS" },
        },
        { name: "manager", command: manager },
      ],
      files: controlPlaneFiles(`https://127.0.0.1:${PORT}`),
      secrets: [`${name}-client-tls`],
    });
    const { forwarding, port } = await forward(ref);
    return new HostedControlPlane(ref, forwarding, port);
  }

  private constructor(ref: ObjectRef, forwarding: Running, port: number) {
    this.#ref = ref;
    this.#forwarding = forwarding;
    this.#caller = new ApiServerCaller(`https://127.0.0.1:${port}`);
  }

  /** One request to its kube-apiserver; rejects when there is no answer within 5 s. */
  async call(method: string, path: string, body?: object, contentType?: string): Promise<Answer> {
    return await this.#caller.call(method, path, body, contentType);
  }

  /** Ends it, so that nobody writes any more. */
  async stop(): Promise<void> {
    this.#caller.close();
    this.#forwarding.child.kill("SIGTERM");
    await this.#forwarding.finished;
    await api.delete(POD, this.#ref, { gracePeriodSeconds: 0 });
  }
}

async function forward(ref: ObjectRef): Promise<{ forwarding: Running; port: number }> {
  const { namespace, name } = ref;
  const target = ["--namespace", namespace ?? "", `pod/${name}`, `:${PORT}`];
  const forwarding = new Running([tool("kubectl"), "port-forward", ...target], {
    timeoutMs: 600_000,
  });
  const portOf = (): string | undefined => /127\.0\.0\.1:(\d+)/.exec(forwarding.stdout)?.[1];
  await until(`a port is forwarded to ${name}`, 15_000, () => portOf() !== undefined);
  return { forwarding, port: Number(portOf()) };
}
