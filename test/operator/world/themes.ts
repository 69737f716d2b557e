/** What a history is about, beside members that come and go: each theme has its own strokes, and its own idea of an end. */
import type { Prng } from "../../../src/base/prng.ts";
import type { QuorateClusterSpec } from "../../../operator/api/gen/types.ts";
import type { Chaos } from "./chaos.ts";
import type { Judges } from "./judges.ts";
import type { Sandbox } from "./sandbox.ts";
import { backups } from "./theme-backups.ts";
import { builds } from "./theme-builds.ts";
import { corruption } from "./theme-corruption.ts";
import { logins, namedLogins, passwords } from "./theme-logins.ts";
import { certificates, pause, sleep, tasks } from "./themes-of-care.ts";
import { issuers } from "./theme-issuers.ts";
import { volumes } from "./theme-space.ts";
import { versions } from "./theme-versions.ts";
import { transport } from "./theme-transport.ts";
import { deletion, quorum, restore } from "./themes-of-loss.ts";

export interface Scene {
  readonly sandbox: Sandbox;
  readonly judges: Judges;
  readonly chaos: Chaos;
  readonly random: Prng;
}

export interface Theme {
  readonly name: string;
  readonly spec?: Partial<QuorateClusterSpec>;
  /** Before the operators begin. */
  readonly prepare?: (scene: Scene) => void;
  readonly strokes: readonly ((scene: Scene) => void)[];
  /** What happens, too, just when somebody is about to be taken away. */
  readonly surprises?: Theme["strokes"];
  /** After the last stroke, while the operators still have it hard. */
  readonly finale?: (scene: Scene) => Promise<void>;
  /** Once it is quiet: what a person would put right. */
  readonly tidy?: (scene: Scene) => void;
  /** What has not come about yet, although all members are well; null: nothing. */
  readonly missing?: (scene: Scene) => string | null;
}

const members: Theme = { name: "members", strokes: [] };

const THEMES: readonly Theme[] = [
  members,
  sleep,
  volumes,
  tasks,
  members,
  certificates,
  passwords,
  pause,
  builds,
  restore,
  quorum,
  backups,
  deletion,
  corruption,
  issuers,
  transport,
  logins,
  namedLogins,
  versions,
];

/** Every second history is about two things at once. */
export function themeOf(seed: number): Theme {
  const count = THEMES.length;
  const one = THEMES[seed % count] ?? members;
  const round = Math.floor(seed / count);
  const other = THEMES[(seed + 1 + (Math.floor(round / 2) % (count - 1))) % count] ?? members;
  return round % 2 === 0 || one.finale !== undefined || other.finale !== undefined || one === other
    ? one
    : both(one, other);
}

/** Strokes of both, and what either wants. */
function both(one: Theme, other: Theme): Theme {
  return {
    name: `${one.name} and ${other.name}`,
    spec: bothSpecs(one.spec ?? {}, other.spec ?? {}),
    prepare: (scene) => {
      one.prepare?.(scene);
      other.prepare?.(scene);
    },
    strokes: [...one.strokes, ...other.strokes],
    surprises: [...(one.surprises ?? []), ...(other.surprises ?? [])],
    tidy: (scene) => {
      one.tidy?.(scene);
      other.tidy?.(scene);
    },
    missing: (scene) => one.missing?.(scene) ?? other.missing?.(scene) ?? null,
  };
}

function bothSpecs(one: NonNullable<Theme["spec"]>, other: NonNullable<Theme["spec"]>): object {
  const tls = { ...one.tls, ...other.tls };
  return { ...one, ...other, ...(Object.keys(tls).length === 0 ? {} : { tls }) };
}

/** Throws where there is none of this name. */
export function themeNamed(name: string): Theme {
  const found = THEMES.find((theme) => theme.name === name);
  if (found === undefined) throw new Error(`there is no theme ${name}`);
  return found;
}
