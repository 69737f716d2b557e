/** process_… and os_fd_…: what the operating system says of this process, under the names that every client library uses. */
import { readdirSync, readFileSync } from "node:fs";
import { expose, type Exposition } from "../exposition.ts";

const PAGE_BYTES = 4096;
const MICROSECONDS = 1e6;

export function exposeProcess(exposition: Exposition): void {
  const gauge = (name: string, help: string, read: () => number): void =>
    expose(exposition, "gauge", name, help, read);
  const startedAt = Date.now() / 1000 - process.uptime();
  const limit = descriptorLimit();
  expose(
    exposition,
    "counter",
    "process_cpu_seconds_total",
    "Total user and system CPU time spent in seconds.",
    () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / MICROSECONDS;
    },
  );
  gauge(
    "process_start_time_seconds",
    "Start time of the process since unix epoch in seconds.",
    () => startedAt,
  );
  gauge("process_resident_memory_bytes", "Resident memory size in bytes.", () =>
    process.memoryUsage.rss(),
  );
  gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", virtualBytes);
  gauge("process_open_fds", "Number of open file descriptors.", countDescriptors);
  gauge("process_max_fds", "Maximum number of open file descriptors.", () => limit);
  gauge("os_fd_used", "The number of used file descriptors.", countDescriptors);
  gauge("os_fd_limit", "The file descriptor limit.", () => limit);
}

function countDescriptors(): number {
  return fromProc(() => readdirSync("/proc/self/fd").length);
}

function virtualBytes(): number {
  return fromProc(
    () => Number(readFileSync("/proc/self/statm", "utf8").split(" ", 1)[0]) * PAGE_BYTES,
  );
}

function descriptorLimit(): number {
  return fromProc(() => {
    const limits = readFileSync("/proc/self/limits", "utf8");
    return Number(/Max open files\s+(\d+)/.exec(limits)?.[1] ?? 0);
  });
}

/** 0 where there is no /proc. */
function fromProc(read: () => number): number {
  try {
    return read();
  } catch {
    return 0;
  }
}
