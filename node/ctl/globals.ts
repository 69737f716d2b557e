/** What every command of `quorate ctl` takes: where the members are, who asks, how answers are printed. */
import { Client, type ClientOptions, type TlsOptions } from "../../src/client/client.ts";
import { badArgs, CtlError, Exit } from "./exit.ts";
import { type Flag, type Flags } from "./flags.ts";

export const GLOBAL_FLAGS: readonly Flag[] = [
  {
    name: "endpoints",
    kind: "list",
    initial: "127.0.0.1:2379",
    help: "the members, with commas between them",
  },
  {
    name: "write-out",
    short: "w",
    kind: "string",
    initial: "simple",
    help: "how answers are printed: fields, json, protobuf, simple or table",
  },
  { name: "hex", kind: "bool", help: "print byte strings as hex encoded strings" },
  { name: "user", kind: "string", help: "name[:password]; asks for the password if it is missing" },
  { name: "password", kind: "string", help: "the password of --user" },
  { name: "cacert", kind: "string", help: "file of the authorities that signed the members" },
  { name: "cert", kind: "string", help: "file of the own certificate" },
  { name: "key", kind: "string", help: "file of the own certificate's key" },
  {
    name: "insecure-skip-tls-verify",
    kind: "bool",
    help: "believe whatever certificate a member has: for tests alone",
  },
  {
    name: "insecure-transport",
    kind: "bool",
    initial: "true",
    help: "false: TLS also for endpoints that do not say https",
  },
  { name: "command-timeout", kind: "duration", initial: "5s", help: "for short commands" },
  {
    name: "dial-timeout",
    kind: "duration",
    initial: "2s",
    help: "accepted; connections are tried until --command-timeout",
  },
  { name: "keepalive-time", kind: "duration", initial: "2s", help: "accepted, without effect" },
  { name: "keepalive-timeout", kind: "duration", initial: "6s", help: "accepted, without effect" },
  { name: "max-request-bytes", kind: "int", initial: "0", help: "accepted; the server decides" },
  { name: "max-recv-bytes", kind: "int", initial: "0", help: "accepted, without effect" },
  { name: "insecure-discovery", kind: "bool", initial: "true", help: "accepted, without effect" },
  { name: "debug", kind: "bool", help: "accepted, without effect" },
  { name: "discovery-srv", short: "d", kind: "string", help: "not supported: use --endpoints" },
  { name: "discovery-srv-name", kind: "string", help: "not supported: use --endpoints" },
];

/** `QUORATECTL_<NAME>`, then `ETCDCTL_<NAME>`, for what the command line does not say. */
export function readEnvironment(
  flags: Flags,
  environment: Readonly<Record<string, string | undefined>>,
): void {
  for (const flag of GLOBAL_FLAGS) {
    if (flags.isSet(flag.name)) continue;
    const name = flag.name.toUpperCase().replaceAll("-", "_");
    const value = environment[`QUORATECTL_${name}`] ?? environment[`ETCDCTL_${name}`] ?? "";
    if (value !== "") flags.set(flag, value);
  }
}

export const FORMATS = ["simple", "fields", "json", "protobuf", "table"] as const;
export type Format = (typeof FORMATS)[number];

export function formatOf(flags: Flags): Format {
  const wanted = flags.string("write-out");
  const format = FORMATS.find((each) => each === wanted);
  if (format === undefined) throw new CtlError(Exit.badFeature, "unsupported output format");
  return format;
}

/** A client of these members. `askPassword` is called where there is a user without one. */
export async function openClient(
  flags: Flags,
  endpoints: readonly string[],
  askPassword: (prompt: string) => Promise<string>,
): Promise<Client> {
  for (const name of ["discovery-srv", "discovery-srv-name"]) {
    if (flags.string(name) !== "")
      throw badArgs(`--${name} is not supported: name the members with --endpoints`);
  }
  const timeoutMs = flags.duration("command-timeout");
  const user = await userOf(flags, askPassword);
  const options: ClientOptions = {
    endpoints,
    timeoutMs,
    attemptTimeoutMs: timeoutMs,
    tls: tlsOf(flags, endpoints),
    user,
  };
  try {
    return new Client(options);
  } catch (thrown) {
    throw badArgs(thrown instanceof Error ? thrown.message : String(thrown));
  }
}

function tlsOf(flags: Flags, endpoints: readonly string[]): TlsOptions | undefined {
  for (const name of ["cert", "key", "cacert"]) {
    if (flags.isSet(name) && flags.string(name) === "")
      throw badArgs(`empty string is passed to --${name} option`);
  }
  const file = (name: string): { readonly file: string } | undefined =>
    flags.isSet(name) ? { file: flags.string(name) } : undefined;
  const [ca, cert, key] = [file("cacert"), file("cert"), file("key")];
  const insecureSkipVerify = flags.bool("insecure-skip-tls-verify");
  const wanted =
    !flags.bool("insecure-transport") || endpoints.some((one) => one.startsWith("https:"));
  if (!wanted && ca === undefined && cert === undefined && key === undefined) return undefined;
  return { ca, cert, key, insecureSkipVerify };
}

async function userOf(
  flags: Flags,
  askPassword: (prompt: string) => Promise<string>,
): Promise<{ readonly name: string; readonly password: string } | undefined> {
  const user = flags.string("user");
  if (user === "") return undefined;
  const password = flags.string("password");
  if (password !== "") return { name: user, password };
  const colon = user.indexOf(":");
  if (colon >= 0) return { name: user.slice(0, colon), password: user.slice(colon + 1) };
  return { name: user, password: await askPassword("Password: ") };
}
