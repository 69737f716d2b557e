/**
 * Runs in a pod beside the cluster under test, from the image that is tested: writes without pause to whichever member answers,
 * watches what it wrote, and says on request how long no write succeeded and whether anything was lost, doubled or invented.
 *
 * Every attempt has a key of its own, so that an attempt whose answer was lost may have happened once, and never twice.
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type * as Quorate from "../../../src/client/client.ts";

interface Settings {
  readonly endpoints: readonly string[];
  /** Folder with ca.crt, tls.crt and tls.key; null: plaintext. */
  readonly tls: string | null;
  readonly prefix: string;
  readonly writers: number;
  /** Between a writer's attempts, in milliseconds. */
  readonly pauseMs: number;
  readonly port: number;
}

/** A stretch of time in which no write was acknowledged. */
interface Gap {
  readonly from: string;
  readonly ms: number;
}

const ATTEMPT_MS = 1000;
const GAPS_KEPT = 5;
const ERRORS_KEPT = 10;
const CATCH_UP_MS = 30_000;
const RELOAD_MS = 1000;

const settings = JSON.parse(process.env["WITNESS"] ?? "") as Settings;
const { Client, toText } = (await import(process.env["QUORATE_CLIENT"] ?? "")) as typeof Quorate;
const client = new Client({
  endpoints: settings.endpoints,
  timeoutMs: ATTEMPT_MS,
  attemptTimeoutMs: ATTEMPT_MS,
  ...(settings.tls === null
    ? {}
    : {
        tls: {
          ca: { file: `${settings.tls}/ca.crt` },
          cert: { file: `${settings.tls}/tls.crt` },
          key: { file: `${settings.tls}/tls.key` },
        },
      }),
});

/** Attempts by key: the revision at which it was acknowledged, null while or where it was not. */
const attempts = new Map<string, number | null>();
/** Revisions of the events of each key. */
const events = new Map<string, number[]>();
const violations: string[] = [];
const errors: string[] = [];
const longest: Gap[] = [];
let acknowledged = 0;
let failed = 0;
let reloads = 0;
let lastAckMs = Date.now();
let lastAckRevision = 0;
let seenRevision = 0;
let stopped = false;

function note(list: string[], text: string): void {
  list.push(text);
  if (list === errors && errors.length > ERRORS_KEPT) errors.shift();
}

function onAcknowledged(key: string, revision: number): void {
  const now = Date.now();
  attempts.set(key, revision);
  acknowledged++;
  keepGap(now);
  lastAckMs = now;
  lastAckRevision = Math.max(lastAckRevision, revision);
}

function keepGap(now: number): void {
  longest.push({ from: new Date(lastAckMs).toISOString(), ms: now - lastAckMs });
  longest.sort((a, b) => b.ms - a.ms);
  longest.length = Math.min(longest.length, GAPS_KEPT);
}

async function write(writer: number): Promise<void> {
  for (let n = 0; !stopped; n++) {
    const key = `${settings.prefix}${writer}/${n}`;
    attempts.set(key, null);
    try {
      const { revision } = await client.kv.put(key, key);
      onAcknowledged(key, revision);
    } catch (thrown) {
      failed++;
      note(errors, `${new Date().toISOString()} ${key}: ${String(thrown)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, settings.pauseMs));
  }
}

async function collect(watch: Quorate.Watch): Promise<void> {
  for await (const batch of watch) {
    for (const { kind, row } of batch.events) {
      if (row.modRevision < seenRevision)
        note(violations, `event ${row.modRevision} after ${seenRevision}`);
      seenRevision = Math.max(seenRevision, row.modRevision);
      if (kind === "delete") note(violations, `${row.keyText} was deleted, by nobody`);
      else events.set(row.keyText, [...(events.get(row.keyText) ?? []), row.modRevision]);
    }
  }
}

/** Compares what was acknowledged with what is stored and with what was told. Throws where it cannot read. */
async function verify(): Promise<void> {
  const acked = [...attempts].filter(([, revision]) => revision !== null);
  const upTo = lastAckRevision;
  const { rows } = await client.kv.getAll({ prefix: settings.prefix }, { timeoutMs: 30_000 });
  const stored = new Map(rows.map((row) => [row.keyText, row]));
  const until = Date.now() + CATCH_UP_MS;
  while (seenRevision < upTo && Date.now() < until)
    await new Promise((resolve) => setTimeout(resolve, 50));
  if (seenRevision < upTo) note(violations, `the watch is at ${seenRevision}, not at ${upTo}`);
  for (const [key, revision] of acked) {
    const row = stored.get(key);
    if (row === undefined) note(violations, `${key} was acknowledged at ${revision} and is lost`);
    else if (toText(row.value) !== key || row.modRevision !== revision || row.version !== 1)
      note(
        violations,
        `${key}: written at ${revision}, now ${row.modRevision} version ${row.version}`,
      );
    if (!events.has(key)) note(violations, `${key}: no event came`);
  }
  for (const [key, revisions] of events)
    if (revisions.length > 1) note(violations, `${key}: events at ${revisions.join(", ")}`);
  for (const key of [...stored.keys(), ...events.keys()])
    if (!attempts.has(key)) note(violations, `${key}: nobody wrote it`);
}

/** The volume shows other certificates after a while: what is connected anew shows them. */
function followCertificates(folder: string): void {
  const read = (): string =>
    ["ca.crt", "tls.crt", "tls.key"].map((name) => readFileSync(`${folder}/${name}`)).join("");
  let before = read();
  setInterval(() => {
    const now = read();
    if (now === before) return;
    before = now;
    client.reloadTls();
    reloads++;
  }, RELOAD_MS);
}

function report(): object {
  const open: Gap = { from: new Date(lastAckMs).toISOString(), ms: Date.now() - lastAckMs };
  const gaps = [...longest, open].toSorted((a, b) => b.ms - a.ms).slice(0, GAPS_KEPT);
  return {
    acknowledged,
    failed,
    reloads,
    gaps,
    errors,
    violations: violations.slice(0, 20),
    violationCount: violations.length,
  };
}

createServer((request, response) => {
  void (async () => {
    const path = request.url ?? "";
    try {
      if (path === "/verify") await verify();
      const body = JSON.stringify(report());
      // What comes next is measured anew; a gap that is open stays so.
      if (path === "/mark") longest.length = 0;
      response.writeHead(200, { "content-type": "application/json" }).end(body);
    } catch (thrown) {
      response.writeHead(503).end(String(thrown));
    }
  })();
}).listen(settings.port);
process.on("SIGTERM", () => {
  stopped = true;
  process.exit(0);
});
if (settings.tls !== null) followCertificates(settings.tls);
const watching = client.watch({ prefix: settings.prefix }, { progress: true });
await watching.started;
lastAckMs = Date.now();
for (let writer = 0; writer < settings.writers; writer++) void write(writer);
await collect(watching);
