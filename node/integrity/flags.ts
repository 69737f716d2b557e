/** The flags about damage: etcd's and ours. */
import { type Flag, flag } from "../flag.ts";

export const INTEGRITY_FLAGS: readonly Flag[] = [
  flag("corrupt-check-time", "duration", "0s", "time between comparisons of the members; 0 is off"),
  flag(
    "compact-hash-check-time",
    "duration",
    "1m",
    "time between comparisons of the hashes of compactions, with the gate CompactHashCheck",
  ),
  flag(
    "feature-gates",
    "text",
    "",
    "InitialCorruptCheck=true compares before serving; CompactHashCheck=true; others of etcd are accepted",
  ),
  flag("experimental-initial-corrupt-check", "flag", "false", "as the gate InitialCorruptCheck"),
  flag("experimental-corrupt-check-time", "duration", "0s", "as --corrupt-check-time"),
  flag("experimental-compact-hash-check-enabled", "flag", "false", "as the gate CompactHashCheck"),
  flag("experimental-compact-hash-check-time", "duration", "1m", "as --compact-hash-check-time"),
  flag(
    "corruption-repair",
    "flag",
    "false",
    "rebuild this member from its peers when its data are damaged, instead of stopping",
  ),
  flag(
    "scrub-interval",
    "duration",
    "24h",
    "time in which all data are read and checked; 0 is off",
  ),
];
