/** Tells systemd that the service is up (sd_notify), for units of `Type=notify`. */
import { spawn } from "node:child_process";
import type { Logger } from "../src/base/ports.ts";

/** Node has no datagram socket for Unix paths, so systemd's own tool says it. */
export function notifyReady(logger: Logger): void {
  if ((process.env["NOTIFY_SOCKET"] ?? "") === "") return;
  const child = spawn("systemd-notify", ["--ready", `--pid=${process.pid}`], { stdio: "ignore" });
  child.once("error", (error) =>
    logger.warn({ reason: error.message }, "NOTIFY_SOCKET is set, but systemd-notify did not run"),
  );
}
