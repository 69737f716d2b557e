import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { commandLines, isCommand } from "../../../node/commands.ts";
import { helpText } from "../../../node/help.ts";
import { QUORATE_VERSION } from "../../../node/version.ts";
import { command } from "./command-io.ts";

describe("commands", () => {
  it("a word is a command, flags alone start a member", () => {
    assert.equal(isCommand(["version"]), true);
    assert.equal(isCommand(["nonsense", "--name=a"]), true);
    assert.equal(isCommand([]), false);
    assert.equal(isCommand(["--name=a", "version"]), false);
    assert.equal(isCommand(["--version"]), false);
  });

  it("an unknown command is refused with the nearest name, and ends with 2", async () => {
    assert.deepEqual(await command(["versoin"]), {
      code: 2,
      stdout: "",
      stderr: "quorate: unknown command 'versoin': did you mean 'version'?\n",
    });
    assert.equal((await command(["toString"])).code, 2, "not what every object has");
  });

  it("--help lists every command", () => {
    assert.ok(helpText().includes(commandLines()));
  });

  it("version says what runs", async () => {
    const { code, stdout, stderr } = await command(["version"]);
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, new RegExp(`^quorate ${QUORATE_VERSION}\n`));
  });
});
