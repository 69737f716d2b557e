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

function fromEnvironment(): ImageName {
  const name = process.env["QUORATE_IMAGE"] ?? "";
  const found = /^(.+):([^:/]+)$/.exec(name);
  if (found === null) throw new Error("QUORATE_IMAGE must name the image to test, with its tag");
  const [, repository = "", tag = ""] = found;
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    version: string;
  };
  if (tag !== version) throw new Error(`QUORATE_IMAGE has the tag ${tag}: tag it ${version}`);
  return { name, repository, tag };
}

export const IMAGE: ImageName = fromEnvironment();
