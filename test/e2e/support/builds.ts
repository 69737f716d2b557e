/**
 * Other builds than the one under test, made by test/e2e/builds: what was before it, and variants of it. QUORATE_E2E_BUILDS names
 * the folder that tells of them; without it the tests of upgrades are not run.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PROTOCOL_MAX, PROTOCOL_MIN } from "../../../node/peer/handshake.ts";
import { IMAGE, type ImageName, parseImage } from "./image.ts";

const FOLDER = process.env["QUORATE_E2E_BUILDS"];
/** Why the tests that need other builds do not run here; false where they do. */
export const NO_BUILDS: string | false =
  FOLDER === undefined ? "QUORATE_E2E_BUILDS names no folder that test/e2e/builds made" : false;

/** An image of the same repository, from the same source, but for its version and the peer protocols that it speaks. */
export interface Variant {
  readonly version: string;
  readonly protocolMin: number;
  readonly protocolMax: number;
  /** A statement that it begins with. */
  readonly says: string;
}

const [MAJOR = 0, MINOR = 0, PATCH = 0] = IMAGE.tag.split(".").map(Number);
const NEXT_PROTOCOL = PROTOCOL_MAX + 1;
/** What the build that does not start says before it ends. */
export const BROKEN_SAYS = "this build does not start";

/** Of the next minor version: it speaks one protocol more. */
export const NEXT: Variant = {
  version: `${MAJOR}.${MINOR + 1}.0`,
  protocolMin: PROTOCOL_MIN,
  protocolMax: NEXT_PROTOCOL,
  says: "",
};
/** It speaks none of the protocols of the build under test. */
export const APART: Variant = {
  version: `${MAJOR}.${MINOR}.${PATCH + 1}`,
  protocolMin: NEXT_PROTOCOL,
  protocolMax: NEXT_PROTOCOL,
  says: "",
};
export const BROKEN: Variant = {
  version: `${MAJOR}.${MINOR}.${PATCH + 2}`,
  protocolMin: PROTOCOL_MIN,
  protocolMax: PROTOCOL_MAX,
  says: `throw new Error('${BROKEN_SAYS}');`,
};

/** For test/e2e/builds: a line for each variant, of its image and the arguments of its Dockerfile, with tabs between. */
export function variantLines(): string {
  const lines = [NEXT, APART, BROKEN].map(({ version, protocolMin, protocolMax, says }) =>
    [
      `${IMAGE.repository}:${version}`,
      `BASE=${IMAGE.name}`,
      `VERSION=${version}`,
      `PROTOCOL_MIN=${protocolMin}`,
      `PROTOCOL_MAX=${protocolMax}`,
      `SAYS=${says}`,
    ].join("\t"),
  );
  return lines.join("\n");
}

/** The build before the one under test. */
export interface Previous {
  readonly image: ImageName;
  /** Folder of the chart of its commit. */
  readonly chart: string;
  /** Which commit it is, for people. */
  readonly what: string;
}

export function previousBuild(): Previous {
  const read = (name: string): string => readFileSync(join(FOLDER ?? "", name), "utf8").trim();
  const chart = join(FOLDER ?? "", "source/charts/quorate-operator");
  return { image: parseImage(read("image")), chart, what: read("what") };
}
