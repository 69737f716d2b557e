/**
 * Programs of others in pods. QUORATE_E2E_PROGRAMS names an image that has them on its path, see programs.Dockerfile; without it
 * the tests that need one are not run.
 */
import { POD, SECRET } from "../../../operator/api/resources.ts";
import type { KubeObject, ObjectRef } from "../../../operator/kube/api.ts";
import { api, eventually } from "./api.ts";
import { type PodObject, isReady } from "./cluster.ts";

const IMAGE_OF_PROGRAMS = process.env["QUORATE_E2E_PROGRAMS"];
/** Why the tests that need such a program do not run; false where they do. */
export const NO_PROGRAMS: string | false =
  IMAGE_OF_PROGRAMS === undefined
    ? "QUORATE_E2E_PROGRAMS names no image with kube-apiserver and prometheus"
    : false;

/** Where a program finds `files`, the Secrets of `secrets` by name, and room to write. */
export const FILES = "/files";
export const SECRETS = "/secrets";
export const DATA = "/data";

export interface Program {
  readonly name: string;
  readonly command: readonly string[];
  /** Answers 200 once it can be used; absent: it is not asked. */
  readonly probe?: { readonly port: number; readonly path: string; readonly scheme?: "HTTPS" };
}

export interface PodOfPrograms {
  readonly programs: readonly Program[];
  /** In a Secret, since some are keys. */
  readonly files: Readonly<Record<string, string>>;
  readonly secrets?: readonly string[];
}

/** Starts them in one pod, admitted by Pod Security at its level restricted, and waits until all are ready. */
export async function startPrograms(
  { namespace, name }: ObjectRef,
  { programs, files, secrets = [] }: PodOfPrograms,
): Promise<void> {
  const metadata = { name, namespace: namespace ?? "" };
  await api.create<KubeObject & { stringData: object }>(SECRET, {
    apiVersion: "v1",
    kind: "Secret",
    metadata,
    stringData: files,
  });
  await api.create<KubeObject & { spec: object }>(POD, {
    apiVersion: "v1",
    kind: "Pod",
    metadata,
    spec: {
      restartPolicy: "Always",
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 1,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 65532,
        fsGroup: 65532,
        seccompProfile: { type: "RuntimeDefault" },
      },
      containers: programs.map((program) => containerOf(program, secrets)),
      volumes: [
        { name: "files", secret: { secretName: name } },
        { name: "data", emptyDir: {} },
        ...secrets.map((secret) => ({ name: secret, secret: { secretName: secret } })),
      ],
    },
  });
  await eventually<PodObject>(
    `${name} is ready`,
    POD,
    { namespace, name },
    (pod) => pod !== null && isReady(pod),
    90_000,
  );
}

function containerOf({ name, command, probe }: Program, secrets: readonly string[]): object {
  return {
    name,
    image: IMAGE_OF_PROGRAMS,
    imagePullPolicy: "IfNotPresent",
    command,
    ...(probe === undefined ? {} : { readinessProbe: { httpGet: probe, periodSeconds: 1 } }),
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
    volumeMounts: [
      { name: "files", mountPath: FILES, readOnly: true },
      { name: "data", mountPath: DATA },
      ...secrets.map((secret) => ({
        name: secret,
        mountPath: `${SECRETS}/${secret}`,
        readOnly: true,
      })),
    ],
  };
}
