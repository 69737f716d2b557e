/** How pods are laid out. A newer operator keeps building the layouts of before: nothing is rolled until the spec asks for it. */

/** The newest last. */
export const LAYOUTS: ReadonlySet<string> = new Set(["v1"]);
export const NEWEST_LAYOUT = "v1";

/** Where the volume is mounted, and the folder of the member on it: a file system may have entries of its own at its root. */
export const DATA_DIR = "/var/lib/quorate";
export const MEMBER_DIR = "/var/lib/quorate/data";
export const BOOT_DIR = "/etc/quorate/boot";
export const SERVER_TLS_DIR = "/etc/quorate/tls/server";
export const PEER_TLS_DIR = "/etc/quorate/tls/peer";
/** User and group in the image. */
export const USER_ID = 65_532;
