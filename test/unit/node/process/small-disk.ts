/** Disks that are full soon. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A small file system of its own; null, with the reason told, where that is not permitted. */
export function mountSmall(mebibytes: number): ({ readonly path: string } & Disposable) | string {
  const path = mkdtempSync(join(tmpdir(), "quorate-full-"));
  const { status: code, stderr } = spawnSync(
    "mount",
    ["-t", "tmpfs", "-o", `size=${mebibytes}m`, "tmpfs", path],
    { encoding: "utf8" },
  );
  if (code !== 0) {
    rmSync(path, { recursive: true });
    return `no small file system can be mounted: ${stderr?.trim() ?? "mount is missing"}`;
  }
  const unmount = (): void => {
    spawnSync("umount", ["--lazy", path]);
    rmSync(path, { recursive: true, force: true });
  };
  return { path, [Symbol.dispose]: unmount };
}
