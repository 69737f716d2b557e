/** Scripts of etcdctl commands, run against a cluster into a transcript that can be compared with another cluster's. */
import { withoutScheme } from "../../../src/base/urls.ts";
import { type Cluster } from "./cluster.ts";
import { Normaliser } from "./normalise.ts";
import { type Finished, Running, run, tool, until } from "./tools.ts";

/**
 * A command line of etcdctl, or one with more to it. `$name` stands for what an earlier step saved, `$endpoints` for every
 * member's address, `$client0`, `$peer0`, … for a member's, `$folder` for that of the cluster.
 */
export type Step =
  | string
  | {
      readonly run: string;
      readonly stdin?: string;
      /** Names for what the first group of a pattern finds in the output. */
      readonly save?: Readonly<Record<string, RegExp>>;
      /** Members in a list come in the order of their ids, which differ: sort the lines. */
      readonly sorted?: boolean;
      /** Not compared at all: its effect is. */
      readonly quiet?: boolean;
      /** Compared is only what this finds. */
      readonly pick?: RegExp;
    }
  | { readonly waitMs: number }
  | {
      readonly watch: string;
      /** Kept open until the end, for `watch -i`. */
      readonly stdin?: string;
      readonly during: readonly Step[];
      /** Ends the watch once its output holds this. */
      readonly until: string;
    };

export const FORMATS = ["simple", "json", "fields"] as const;

/** The same command in each output format. */
export function formats(command: string, ...more: readonly string[]): Step[] {
  return [...FORMATS, ...more].map((format) => `${command} -w ${format}`);
}

/** etcdctl, or what stands in for it. */
export interface CtlTool {
  /** The words that start it. */
  readonly command: readonly string[];
  /** A quicker way to the same, for commands that end. */
  readonly run?: (args: readonly string[], stdin: string) => Promise<Finished>;
}

/** Runs the script; the answer, one text a command, is what both products must print. */
export async function transcript(
  cluster: Cluster,
  script: readonly Step[],
  ctl: CtlTool = { command: [tool("etcdctl")] },
): Promise<string[]> {
  return new Session(cluster, ctl).play(script);
}

class Session {
  readonly #cluster: Cluster;
  readonly #ctl: CtlTool;
  readonly #normaliser: Normaliser;
  readonly #saved = new Map<string, string>();
  readonly #blocks: string[] = [];

  constructor(cluster: Cluster, ctl: CtlTool) {
    this.#cluster = cluster;
    this.#ctl = ctl;
    const fixed = cluster.members.flatMap(({ name, endpoint, peerUrl }): [string, string][] => [
      [endpoint, `<client ${name}>`],
      [withoutScheme(peerUrl), `<peer ${name}>`],
    ]);
    const pki = cluster.tls?.folder;
    if (pki !== undefined) fixed.push([pki, "<pki>"]);
    this.#normaliser = new Normaliser([...fixed, [cluster.folder, "<folder>"]]);
    this.#saved.set("pki", pki ?? "");
    this.#saved.set("endpoints", cluster.endpoints);
    this.#saved.set("folder", cluster.folder);
    cluster.members.forEach((member, at) => {
      this.#saved.set(`client${at}`, member.endpoint);
      this.#saved.set(`peer${at}`, member.peerUrl);
    });
  }

  async play(script: readonly Step[]): Promise<string[]> {
    for (const step of script) await this.#step(step);
    return this.#blocks;
  }

  async #step(step: Step): Promise<void> {
    if (typeof step === "string") await this.#run({ run: step });
    else if ("run" in step) await this.#run(step);
    else if ("waitMs" in step) await new Promise((resolve) => setTimeout(resolve, step.waitMs));
    else await this.#watch(step);
  }

  async #run(step: Extract<Step, { run: string }>): Promise<void> {
    const args = this.#args(step.run);
    const stdin = step.stdin ?? "";
    const { code, stdout, stderr } = await (this.#ctl.run === undefined
      ? run([...this.#ctl.command, ...args], { stdin })
      : this.#ctl.run(args, stdin));
    for (const [name, pattern] of Object.entries(step.save ?? {})) {
      const found = pattern.exec(stdout)?.[1];
      if (found === undefined) throw new Error(`${step.run}: no ${name} in\n${stdout}${stderr}`);
      this.#saved.set(name, found);
    }
    if (step.quiet === true) return;
    const picked = step.pick === undefined ? stdout : (step.pick.exec(stdout)?.[0] ?? stdout);
    const told = step.sorted === true ? sortLines(picked) : picked;
    // A retry that led to success is a matter of timing.
    const complaints =
      code === 0 ? stderr.replace(/^.*retrying of unary invoker.*\n/gm, "") : stderr;
    this.#tell(step.run, step.stdin, step.pick === undefined ? told + complaints : told, code);
  }

  async #watch(step: Extract<Step, { watch: string }>): Promise<void> {
    const running = new Running([...this.#ctl.command, ...this.#args(step.watch)], {
      timeoutMs: 30_000,
    });
    if (step.stdin !== undefined) running.child.stdin?.write(step.stdin);
    for (const each of step.during) await this.#step(each);
    try {
      await until(`"${step.until}" in the output of ${step.watch}`, 10_000, () =>
        running.stdout.includes(step.until),
      );
    } catch (thrown) {
      this.#blocks.push(String(thrown));
    }
    running.child.kill("SIGKILL");
    const { stdout } = await running.finished;
    this.#tell(step.watch, step.stdin, eventsOf(stdout), null);
  }

  #args(line: string): string[] {
    const known = line.replace(/\$(\w+)/g, (_, name: string) => {
      const value = this.#saved.get(name);
      if (value === undefined) throw new Error(`nothing was saved as ${name}`);
      return value;
    });
    const words = splitWords(known);
    const all =
      words.includes("--endpoints") || words.some((word) => word.startsWith("--endpoints="));
    const target = all ? [] : [`--endpoints=${this.#cluster.member(0).endpoint}`];
    const bare = words.some((word) => word.startsWith("--cacert="));
    const proof = bare ? [] : (this.#cluster.tls?.clientFlags ?? []);
    return [...target, ...proof, ...words];
  }

  #tell(command: string, stdin: string | undefined, output: string, code: number | null): void {
    const lines = [`$ etcdctl ${command}`];
    if (stdin !== undefined) lines.push(stdin.slice(0, 500).replace(/^/gm, "< "));
    lines.push(this.#normaliser.text(plain(output)).trimEnd());
    if (code !== null && code !== 0) lines.push(`exit code ${code}`);
    this.#blocks.push(lines.join("\n"));
  }
}

/** Without what a table's column widths and a progress bar add. */
function plain(output: string): string {
  return (
    output
      .replace(/\b(Member|cluster) +/g, "$1 ")
      .replace(/(?<=^ETCD_INITIAL_CLUSTER=")[^"]*/gm, (list) =>
        list.split(",").toSorted().join(","),
      )
      // Neither product promises an order of a lease's keys.
      .replace(/(?<=attached keys\(\[)[^\]]*/g, (keys) => keys.split(" ").toSorted().join(" "))
      .replace(/^\+[-+]+\+$/gm, "+")
      .replace(/^\|.*\|$/gm, (row) => row.replace(/ +/g, " "))
      .replace(/^\d+ \/ \d+ \[.*$/gm, "<progress>")
      .replace(/\b[\d.]+ [kMGT]?B(?=,| \|)/g, "<size>")
      .replace(/\b\d+%/g, "<percentage>")
      .replace(
        /\b(true|false)(,? \|? ?)(true|false)(,? \|? ?)\d+(,? \|? ?)\d+(,? \|? ?)\d+(?=,| \|)/g,
        "$1$2$3$4<term>$5<index>$6<index>",
      )
  );
}

/**
 * The events alone: how history and what happens meanwhile fall into messages, and so each message's header, is a matter of
 * timing. The headers of watch responses are judged in grpc-js.test.ts.
 */
function eventsOf(output: string): string {
  return output
    .replace(/^\{"Header".*$/gm, (line) => {
      const { Events } = JSON.parse(line) as { Events?: unknown[] };
      return (Events ?? []).map((event) => JSON.stringify(event)).join("\n");
    })
    .replace(/^"(ClusterID|MemberID|Revision|RaftTerm)" : .*\n/gm, "");
}

function sortLines(text: string): string {
  if (!text.startsWith("{")) return text.split("\n").toSorted(byName).join("\n");
  const answer = JSON.parse(text.replace(/\b\d{16,20}\b/g, '"$&"')) as {
    members?: { name?: string }[];
  };
  answer.members?.sort((a, b) => ((a.name ?? "~") < (b.name ?? "~") ? -1 : 1));
  return JSON.stringify(answer);
}

/** Member lists say the name after id and status. */
function byName(a: string, b: string): number {
  const [left, right] = [a, b].map((line) => line.replace(/^[0-9a-f]{12,16}, /, ""));
  return (left ?? "") < (right ?? "") ? -1 : 1;
}

/** Words as a shell would split them: single and double quotes, no escapes. */
export function splitWords(line: string): string[] {
  return [...line.matchAll(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g)].map((match) =>
    match[0].replace(
      /"([^"]*)"|'([^']*)'/g,
      (_, double?: string, single?: string) => double ?? single ?? "",
    ),
  );
}
