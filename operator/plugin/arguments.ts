/** The plugin's command line: which verb, about which cluster, with which flags. */
import { parseArgs } from "node:util";
import { QuorateError } from "../../src/base/errors.ts";

export interface Arguments {
  readonly verb: Verb;
  /** What follows the verb. */
  readonly operands: readonly string[];
  /** Null: that of the kubeconfig's context. */
  readonly namespace: string | null;
  readonly allNamespaces: boolean;
  readonly kubeconfig: string | null;
  readonly context: string | null;
  readonly json: boolean;
  /** Wait for what was asked for to be done. */
  readonly wait: boolean;
  readonly timeoutMs: number;
  readonly store: string | null;
  readonly path: string | null;
  readonly claim: string | null;
  readonly backup: string | null;
  readonly survivor: string | null;
  readonly acknowledgeDataLoss: boolean;
  readonly follow: boolean;
  readonly previous: boolean;
  readonly tailLines: number | null;
  readonly output: string | null;
}

const VERBS = {
  status: ["[CLUSTER]", 0, 1],
  members: ["CLUSTER", 1, 1],
  backup: ["CLUSTER --store STORE [--path PREFIX] | --claim CLAIM [--path FOLDER]", 1, 1],
  restore: ["CLUSTER --backup BACKUP --acknowledge-data-loss", 1, 1],
  "move-leader": ["CLUSTER [MEMBER]", 1, 2],
  defrag: ["CLUSTER [MEMBER…]", 1, 8],
  replace: ["CLUSTER MEMBER", 2, 2],
  recover: ["CLUSTER --survivor MEMBER --acknowledge-data-loss", 1, 1],
  pause: ["CLUSTER", 1, 1],
  resume: ["CLUSTER", 1, 1],
  logs: ["CLUSTER [MEMBER] [--follow] [--previous] [--tail LINES]", 1, 2],
  report: ["CLUSTER [--output FILE]", 1, 1],
} as const;

export type Verb = keyof typeof VERBS;

const MEANINGS: Readonly<Record<Verb, string>> = {
  status: "how one cluster is, or all of a namespace",
  members: "what each member is and does",
  backup: "makes a backup, to a QuorateBackupStore or onto a claim",
  restore: "replaces what the cluster holds with a backup; what was written since is lost",
  "move-leader": "hands leadership over, to the member named or to whichever is best",
  defrag: "gives free space in the database files back, a member at a time",
  replace: "removes a member with its disk and lets an empty one join in its place",
  recover: "goes on with what one member has, after a majority was lost for good",
  pause: "the operator changes nothing about the cluster from now on",
  resume: "the operator works on the cluster again",
  logs: "what the members print",
  report: "everything that helps to find a fault, in one archive, without Secrets",
};

const OPTIONS = {
  namespace: { type: "string", short: "n" },
  "all-namespaces": { type: "boolean", short: "A" },
  kubeconfig: { type: "string" },
  context: { type: "string" },
  output: { type: "string", short: "o" },
  "no-wait": { type: "boolean" },
  timeout: { type: "string" },
  store: { type: "string" },
  path: { type: "string" },
  claim: { type: "string" },
  backup: { type: "string" },
  survivor: { type: "string" },
  "acknowledge-data-loss": { type: "boolean" },
  follow: { type: "boolean", short: "f" },
  previous: { type: "boolean", short: "p" },
  tail: { type: "string" },
} as const;

const TIMEOUT_SECONDS = "600";

export function helpText(): string {
  const lines = Object.entries(VERBS).map(
    ([verb, [operands]]) =>
      `  kubectl quorate ${verb} ${operands}\n      ${MEANINGS[verb as Verb]}\n`,
  );
  return [
    "Looks after Quorate clusters.\n\n",
    ...lines,
    "\nEvery command takes -n NAMESPACE, --context, --kubeconfig. status takes -A; status and members take -o json.\n",
    "What takes its time is waited for, 10 minutes unless --timeout SECONDS says otherwise, or not at all with --no-wait.\n",
  ].join("");
}

/** Throws a `QuorateError` ("configuration") with the sentence to print. */
export function readArguments(args: readonly string[]): Arguments {
  const { values, positionals } = parse(args);
  const [word = "", ...operands] = positionals;
  if (!(word in VERBS)) throw refuse(`"${word}" is no command: see kubectl quorate --help`);
  const verb = word as Verb;
  const [usage, least, most] = VERBS[verb];
  if (operands.length < least || operands.length > most)
    throw refuse(`usage: kubectl quorate ${verb} ${usage}`);
  return {
    verb,
    operands,
    namespace: values.namespace ?? null,
    allNamespaces: values["all-namespaces"] ?? false,
    kubeconfig: values.kubeconfig ?? null,
    context: values.context ?? null,
    json: values.output === "json",
    wait: !(values["no-wait"] ?? false),
    timeoutMs: whole("timeout", values.timeout ?? TIMEOUT_SECONDS) * 1000,
    store: values.store ?? null,
    path: values.path ?? null,
    claim: values.claim ?? null,
    backup: values.backup ?? null,
    survivor: values.survivor ?? null,
    acknowledgeDataLoss: values["acknowledge-data-loss"] ?? false,
    follow: values.follow ?? false,
    previous: values.previous ?? false,
    tailLines: values.tail === undefined ? null : whole("tail", values.tail),
    output: values.output ?? null,
  };
}

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS; allowPositionals: true }>>;

function parse(args: readonly string[]): Values {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (thrown) {
    throw refuse(thrown instanceof Error ? thrown.message : String(thrown), thrown);
  }
}

function whole(flag: string, text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw refuse(`--${flag} is no whole number above 0: ${text}`);
}

function refuse(sentence: string, cause?: unknown): QuorateError {
  return new QuorateError("configuration", sentence, cause);
}
