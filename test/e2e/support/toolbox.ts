/** A pod with the image's programs in it, the client's certificate of one cluster, and further Secrets and a claim if need be. */
import { PERSISTENT_VOLUME_CLAIM, POD } from "../../../operator/api/resources.ts";
import type { KubeObject, ObjectRef } from "../../../operator/kube/api.ts";
import { run, tool } from "../../conformance/support/tools.ts";
import { api, eventually } from "./api.ts";
import { type PodObject, isReady } from "./cluster.ts";
import { IMAGE } from "./image.ts";

/** Where the claim is mounted. */
export const CLAIM_DIR = "/claim";

export interface ToolboxOptions {
  /** Of the pod. */
  readonly name?: string;
  /** Further Secrets of the namespace, each in a folder of its name. */
  readonly secrets?: readonly string[];
  /** A PersistentVolumeClaim of the namespace. */
  readonly claim?: string;
}

/** Of which folders of the toolbox a client takes what. */
export interface Identity {
  /** With the authorities to trust. */
  readonly ca: string;
  /** With the certificate to show and its key. */
  readonly own: string;
}

/** As it is at the moment: the folder follows the Secret. */
const CURRENT: Identity = { ca: "/tls", own: "/tls" };

/** Prints the SHA-256 of the certificate that is shown at HOST PORT to a client with the files of FOLDER, which trusts it. */
const HANDSHAKE = `
const [host, port, folder] = process.argv.slice(1);
const read = (name) => require("node:fs").readFileSync(folder + "/" + name);
const [ca, cert, key] = ["ca.crt", "tls.crt", "tls.key"].map(read);
const socket = require("node:tls").connect({ host, port: Number(port), servername: host, ca, cert, key });
socket.on("error", (thrown) => { console.error(String(thrown)); process.exit(1); });
socket.on("secureConnect", () => {
  console.log(socket.getPeerCertificate().fingerprint256);
  process.exit(0);
});`;

/** A claim of the default class, which is bound where its first pod runs. */
export async function createClaim(ref: ObjectRef): Promise<void> {
  await api.create<KubeObject & { spec: object }>(PERSISTENT_VOLUME_CLAIM, {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name: ref.name, namespace: ref.namespace ?? "" },
    spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
  });
}

export class Toolbox {
  readonly #ref: ObjectRef;
  readonly #endpoint: string;

  static async start(cluster: ObjectRef, options: ToolboxOptions = {}): Promise<Toolbox> {
    const box = new Toolbox(cluster, options.name ?? `${cluster.name}-toolbox`);
    await api.create<KubeObject & { spec: object }>(POD, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: box.#ref.name, namespace: box.#ref.namespace ?? "" },
      spec: podSpec(cluster.name, options),
    });
    await eventually<PodObject>(
      "the toolbox runs",
      POD,
      box.#ref,
      (pod) => pod !== null && isReady(pod),
      60_000,
    );
    return box;
  }

  private constructor(cluster: ObjectRef, name: string) {
    this.#ref = { ...cluster, name };
    this.#endpoint = `https://${cluster.name}-client.${cluster.namespace ?? ""}.svc:2379`;
  }

  /** `quorate ctl ARGS`: what it printed. Throws what it complained of. */
  async ctl(...args: string[]): Promise<string> {
    return await this.ctlAs(CURRENT, ...args);
  }

  /** As `ctl`, with other files. */
  async ctlAs({ ca, own }: Identity, ...args: string[]): Promise<string> {
    const tls = [`--cacert=${ca}/ca.crt`, `--cert=${own}/tls.crt`, `--key=${own}/tls.key`];
    return await this.run("quorate", "ctl", `--endpoints=${this.#endpoint}`, ...tls, ...args);
  }

  /** SHA-256 of the certificate that is shown there, lowercase. Throws where `folder` does not trust it, or is not trusted. */
  async handshake(host: string, port: number, folder: string = CURRENT.own): Promise<string> {
    const print = await this.run("node", "-e", HANDSHAKE, host, String(port), folder);
    return print.replaceAll(":", "").toLowerCase();
  }

  /** A command in the pod: what it printed. Throws what it complained of. */
  async run(...command: string[]): Promise<string> {
    const { name, namespace } = this.#ref;
    const exec = [tool("kubectl"), "exec", "--namespace", namespace ?? "", name, "--", ...command];
    const { code, stdout, stderr } = await run(exec, { timeoutMs: 60_000 });
    if (code !== 0) throw new Error(`${command.slice(-4).join(" ")}: ${stderr}`);
    return stdout.trimEnd();
  }

  /** Paths of all files on the claim, sorted. */
  async files(): Promise<string[]> {
    const found = await this.run("find", CLAIM_DIR, "-type", "f", "-printf", "%P\\n");
    return found.split("\n").toSorted();
  }

  async stop(): Promise<void> {
    await api.delete(POD, this.#ref, { gracePeriodSeconds: 0 });
    await eventually("the toolbox is gone", POD, this.#ref, (pod) => pod === null, 60_000);
  }
}

function podSpec(cluster: string, { secrets = [], claim }: ToolboxOptions): object {
  return {
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 0,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 65532,
      seccompProfile: { type: "RuntimeDefault" },
    },
    containers: [
      {
        name: "toolbox",
        image: IMAGE.name,
        imagePullPolicy: "IfNotPresent",
        command: ["sleep", "infinity"],
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        },
        volumeMounts: [
          { name: "tls", mountPath: "/tls", readOnly: true },
          ...secrets.map((name) => ({ name, mountPath: `/${name}`, readOnly: true })),
          ...(claim === undefined ? [] : [{ name: "claim", mountPath: CLAIM_DIR }]),
        ],
      },
    ],
    volumes: [
      { name: "tls", secret: { secretName: `${cluster}-client-tls` } },
      ...secrets.map((name) => ({ name, secret: { secretName: name } })),
      ...(claim === undefined
        ? []
        : [{ name: "claim", persistentVolumeClaim: { claimName: claim } }]),
    ],
  };
}
