/** The fake keeps the contract of the real API server, and breaks as it is told to. */
import { describe } from "node:test";
import { contract } from "./contract.ts";
import { FakeApi } from "./fake-api.ts";
import { VirtualTime } from "./virtual-time.ts";
import { WIDGET_KIND } from "./widgets.ts";

describe("the fake API server", () => {
  contract(async () => {
    const time = new VirtualTime();
    const fake = new FakeApi({ time, kinds: [WIDGET_KIND], namespaces: ["n"] });
    return {
      api: fake.operator,
      other: fake.as("somebody-else"),
      namespace: "n",
      until: (what, holds) => time.until(what, 120_000, holds),
    };
  });
});
