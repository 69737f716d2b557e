/** The image under test. Its tag is the version that the operator gives to members, so it must be the package's. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../house/scan.ts";

export interface ImageName {
  /** As a pod has it. */
  readonly name: string;
  readonly repository: string;
  readonly tag: string;
}

/** Throws where the name has no tag. */
export function parseImage(name: string): ImageName {
  const found = /^(.+):([^:/]+)$/.exec(name);
  if (found === null) throw new Error(`"${name}" must name an image, with its tag`);
  const [, repository = "", tag = ""] = found;
  return { name, repository, tag };
}

function fromEnvironment(): ImageName {
  const image = parseImage(process.env["QUORATE_IMAGE"] ?? "");
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    version: string;
  };
  if (image.tag !== version)
    throw new Error(`QUORATE_IMAGE has the tag ${image.tag}: tag it ${version}`);
  return image;
}

/** Throws where QUORATE_IMAGE names none. */
export const IMAGE: ImageName = fromEnvironment();
