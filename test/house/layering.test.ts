/** Who may import whom. The table is the architecture; a row changes only together with ARCHITECTURE.md. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type SourceFile, importsOf, readTree, resolveImport } from "./scan.ts";

/** Folder (or file) to what it may import beside itself: folders end in `/`, the rest are files or exact names. */
const BACKEND_PORT = [
  "src/backend/backend.ts",
  "src/backend/buckets.ts",
  "src/backend/buffer.ts",
  "src/backend/record.ts",
  "src/backend/scan.ts",
];
/** What a controller sees of the rest: who composes sees more. */
const OPERATOR_PORTS = [
  "src/base/",
  "src/api/",
  "operator/api/",
  "operator/kube/api.ts",
  "operator/kube/controller.ts",
  "operator/admin.ts",
  "operator/member-admin.ts",
  "operator/context.ts",
  "operator/time.ts",
  "node:*",
];
const TABLE: Readonly<Record<string, readonly string[]>> = {
  "src/base/": [],
  "src/raft/": ["src/base/"],
  "src/wal/": ["src/base/", "src/raft/types.ts", "node:zlib"],
  "src/backend/": ["src/base/", "node:zlib"],
  "src/backend/level.ts": [
    "src/base/",
    "classic-level",
    "node:fs",
    "node:fs/promises",
    "node:path",
  ],
  "src/backend/level/": ["src/base/", "node:fs/promises", "node:path"],
  "src/bbolt/": ["src/base/"],
  "src/mvcc/": ["src/base/", ...BACKEND_PORT],
  "src/lease/": ["src/base/", ...BACKEND_PORT],
  "src/auth/": ["src/base/", "node:crypto", ...BACKEND_PORT],
  "src/api/": ["src/base/"],
  "src/api/generate/": ["src/base/", "node:fs", "node:path", "node:url", "node:process"],
  "src/machine/": [
    "src/base/",
    "src/api/",
    "src/mvcc/",
    "src/lease/",
    "src/auth/",
    ...BACKEND_PORT,
  ],
  "src/grpc/": [
    "src/base/",
    "node:net",
    "node:tls",
    "node:http",
    "node:stream",
    "node:zlib",
    "node:crypto",
  ],
  "src/x509/": ["src/base/", "node:crypto"],
  "src/client/": ["src/base/", "src/api/", "@grpc/grpc-js", "node:tls", "node:fs"],
  "node/": ["src/", "node:*", "@grpc/grpc-js", "bcryptjs", "pino", "prom-client", "yaml"],
  "operator/": [
    "src/base/",
    "src/api/",
    "src/client/",
    "src/x509/",
    "node:*",
    "pino",
    "prom-client",
    "yaml",
  ],
  "operator/kube/": ["src/base/", "operator/", "node:*", "@kubernetes/client-node", "undici"],
  "operator/api/": ["src/base/", "src/api/", "operator/kube/api.ts", "node:*", "yaml"],
  "operator/cluster/": [...OPERATOR_PORTS, "src/x509/"],
  "operator/backup/": [...OPERATOR_PORTS, "src/client/", "operator/cluster/"],
  "operator/backup/s3.ts": ["node:*", "@aws-sdk/client-s3"],
  "operator/backup/cron.ts": ["croner"],
};

/** The sentence to print for each import that the table does not allow. */
export function violations(files: readonly SourceFile[]): string[] {
  const found: string[] = [];
  for (const { path, text } of files) {
    const row = rowOf(path);
    for (const specifier of importsOf(text)) {
      const target = resolveImport(path, specifier);
      if (row === null) found.push(`${path} is in no folder of the table`);
      else if (!allowed(row, path, target)) found.push(`${path} may not import ${target}`);
    }
  }
  return found;
}

/** The most specific row: a file's own, else its deepest folder's. */
function rowOf(path: string): string | null {
  const rows = Object.keys(TABLE).filter((row) => path === row || path.startsWith(row));
  return rows.toSorted((a, b) => b.length - a.length)[0] ?? null;
}

function allowed(row: string, path: string, target: string): boolean {
  const home = row.endsWith("/") ? row : `${row.slice(0, row.lastIndexOf("/"))}/`;
  if (target.startsWith(home) || target.startsWith(`${path.split("/").slice(0, 2).join("/")}/`))
    return true;
  return (TABLE[row] ?? []).some((entry) => {
    if (entry.endsWith("/")) return target.startsWith(entry);
    if (entry === "node:*") return target.startsWith("node:");
    return target === entry;
  });
}

describe("layering", () => {
  it("every import of src, node and operator is one that the table allows", () => {
    const files = readTree(["src", "node", "operator"], /\.[cm]?[jt]s$/);
    assert.ok(files.length > 10, "the sources were found");
    assert.deepEqual(violations(files), []);
  });

  it("nothing outside test imports test", () => {
    const files = readTree(["src", "node", "operator"], /\.ts$/);
    const guilty = files.filter(({ path, text }) =>
      importsOf(text).some((specifier) => resolveImport(path, specifier).startsWith("test/")),
    );
    assert.deepEqual(
      guilty.map(({ path }) => path),
      [],
    );
  });
});

describe("violations", () => {
  const bad = (path: string, text: string): string[] => violations([{ path, text }]);

  it("an import across the table is named, whichever way it is written", () => {
    const claim = ["src/raft/log.ts may not import src/wal/wal.ts"];
    assert.deepEqual(bad("src/raft/log.ts", 'import { a } from "../wal/wal.ts";'), claim);
    assert.deepEqual(bad("src/raft/log.ts", 'import type { a } from "../wal/wal.ts";'), claim);
    assert.deepEqual(bad("src/raft/log.ts", 'export { a } from "../wal/wal.ts";'), claim);
    assert.deepEqual(bad("src/raft/log.ts", 'const a = await import("../wal/wal.ts");'), claim);
    assert.deepEqual(
      bad("src/raft/log.ts", 'import {\n  a,\n  b,\n} from "../wal/wal.ts";'),
      claim,
    );
  });

  it("a package or a node module outside its folder is named", () => {
    assert.equal(bad("src/raft/log.ts", 'import { readFile } from "node:fs";').length, 1);
    assert.equal(
      bad("src/backend/memory.ts", 'import { ClassicLevel } from "classic-level";').length,
      1,
    );
    assert.equal(
      bad("src/backend/level.ts", 'import { ClassicLevel } from "classic-level";').length,
      0,
    );
    assert.equal(bad("node/main.ts", 'import leftpad from "leftpad";').length, 1);
  });

  it("one file of a folder may be allowed without its siblings", () => {
    assert.equal(bad("src/wal/wal.ts", 'import type { Term } from "../raft/types.ts";').length, 0);
    assert.equal(bad("src/wal/wal.ts", 'import { Raft } from "../raft/raft.ts";').length, 1);
  });

  it("comments and a folder's own files are no violation; an unknown folder is", () => {
    assert.equal(bad("src/raft/log.ts", '// import { a } from "../wal/wal.ts";').length, 0);
    assert.equal(bad("src/raft/log.ts", 'import { a } from "./types.ts";').length, 0);
    assert.equal(bad("src/misc/a.ts", 'import { a } from "../base/a.ts";').length, 1);
  });
});
