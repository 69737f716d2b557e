/**
 * Preloaded into a member (`node --import`): it speaks the peer protocols that QUORATE_TEST_PROTOCOLS names, as `MIN MAX`, as if
 * it were of a build with other constants. The product has no such setting.
 */
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";

const RANGE = process.env["QUORATE_TEST_PROTOCOLS"]?.split(" ");

registerHooks({
  load: (url, context, next) => {
    const loaded = next(url, context);
    if (RANGE === undefined || !url.endsWith("/node/peer/handshake.ts")) return loaded;
    const put = (text: string, name: string, value = ""): string => {
      const found = new RegExp(`${name} = \\d+`).exec(text)?.[0];
      if (found === undefined) throw new Error(`handshake.ts has no constant ${name}`);
      return text.replace(found, `${name} = ${value}`);
    };
    const least = put(readFileSync(fileURLToPath(url), "utf8"), "PROTOCOL_MIN", RANGE[0]);
    return { ...loaded, source: put(least, "PROTOCOL_MAX", RANGE[1]) };
  },
});
