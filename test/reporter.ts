/**
 * A compact reporter for node:test: a line per file, every failure in full, and node:test's closing lines as TAP prints them
 * ("# tests N", "# pass N", "# fail N"), which scripts read.
 */
import { AssertionError } from "node:assert";
import { relative } from "node:path";
import { inspect } from "node:util";
import type { TestEvent } from "node:test/reporters";

interface Tally {
  passed: number;
  failed: number;
}

/** What this reporter reads of an event that ends a test. */
interface Ended {
  readonly name: string;
  readonly file?: string;
  readonly line?: number;
  readonly details: { readonly type?: string; readonly error?: unknown };
}

async function* report(source: AsyncIterable<TestEvent>): AsyncGenerator<string, void> {
  // Files are reported one after the other, so one tally serves them in turn.
  let tally: Tally = { passed: 0, failed: 0 };
  for await (const event of source) {
    switch (event.type) {
      case "test:pass":
        count(tally, event.data, true);
        break;
      case "test:fail":
        yield* count(tally, event.data, false);
        break;
      case "test:stderr":
        yield event.data.message;
        break;
      case "test:stdout":
        yield event.data.message;
        break;
      case "test:diagnostic":
        // Files report their own sums too; only the whole run's have no file of their own.
        if (event.data.nesting === 0 && isSum(event.data.message))
          yield `# ${event.data.message}\n`;
        else if (event.data.nesting > 0) yield `  ${event.data.message}\n`;
        break;
      case "test:summary":
        if (event.data.file === undefined) break;
        yield line(tally, event.data.file, event.data.duration_ms);
        tally = { passed: 0, failed: 0 };
        break;
      default:
        break;
    }
  }
}

function isSum(message: string): boolean {
  return /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) /.test(message);
}

function count(tally: Tally, ended: Ended, passed: boolean): string[] {
  const isSuite = ended.details.type === "suite";
  if (isSuite && (passed || !isOfHook(ended.details.error))) return [];
  if (passed) {
    tally.passed++;
    return [];
  }
  // What a hook fails with ends each test of the suite, and none of them says why.
  if (!isSuite) tally.failed++;
  const where = `${relative(process.cwd(), ended.file ?? "")}:${ended.line ?? 0}`;
  return [`\nnot ok: ${ended.name}\n  at ${where}\n${indent(explain(ended.details.error))}\n\n`];
}

function isOfHook(error: unknown): boolean {
  return error instanceof Error && "failureType" in error && error.failureType === "hookFailed";
}

/** The cause is what the test threw; the error around it is node:test's own. Of a whole file it knows how its process ended. */
function explain(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  if (error instanceof Error && "exitCode" in error && "signal" in error) {
    const { exitCode, signal } = error;
    return `${String(cause)}: ${inspect({ exitCode, signal })}`;
  }
  if (cause instanceof AssertionError) return cause.stack ?? cause.message;
  return inspect(cause, { depth: 6, breakLength: 120 });
}

function indent(text: string): string {
  return text.replace(/^/gm, "  ");
}

function line(tally: Tally, file: string, durationMs: number): string {
  const verdict = tally.failed === 0 ? "ok" : "FAILED";
  const sums = `${tally.passed} passed${tally.failed === 0 ? "" : `, ${tally.failed} failed`}`;
  return `${verdict.padEnd(6)} ${relative(process.cwd(), file)}: ${sums}, ${Math.round(durationMs)} ms\n`;
}

export default report;
