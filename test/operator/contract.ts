/** What every `KubeApi` promises, whoever answers: run against the fake and against a real kube-apiserver. */
import { it } from "node:test";
import { APPLYING } from "./contract/applying.ts";
import { ENDING } from "./contract/ending.ts";
import { READING } from "./contract/reading.ts";
import type { Subject } from "./contract/subject.ts";
import { WRITING } from "./contract/writing.ts";

/** Declares every claim as a test; `subject` makes what each is tried on. */
export function contract(subject: () => Promise<Subject>): void {
  for (const [claim, test] of Object.entries({ ...READING, ...WRITING, ...APPLYING, ...ENDING })) {
    it(claim, async () => test(await subject()));
  }
}
