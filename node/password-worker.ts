/** The thread that computes bcrypt: one password at a time. */
import { parentPort } from "node:worker_threads";
import bcrypt from "bcryptjs";

export type PasswordTask =
  | { readonly kind: "hash"; readonly password: string; readonly cost: number }
  | { readonly kind: "compare"; readonly password: string; readonly hash: string };

export type PasswordAnswer =
  /** The hash, or "true" or "false". */
  { readonly kind: "done"; readonly answer: string } | { readonly kind: "failed" };

parentPort?.on("message", (task: PasswordTask) => {
  parentPort?.postMessage(answerTo(task));
});

/** What fails is not told: its text might hold what it failed on. */
function answerTo(task: PasswordTask): PasswordAnswer {
  try {
    if (task.kind === "compare") {
      return { kind: "done", answer: String(bcrypt.compareSync(task.password, task.hash)) };
    }
    // The same function under the name that etcd writes, and that every bcrypt reads.
    const salt = bcrypt.genSaltSync(task.cost).replace(/^\$2b/, "$2a");
    return { kind: "done", answer: bcrypt.hashSync(task.password, salt) };
  } catch {
    return { kind: "failed" };
  }
}
