import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Bucket } from "../../../src/backend/buckets.ts";
import { QuorateError } from "../../../src/base/errors.ts";
import { PermissionType } from "../../../src/auth/permission.ts";
import { enabledAuth, openAuth, permissionOn, Records, text } from "./fixture.ts";

describe("Auth", () => {
  it("is enabled only with a user root that has the role root", () => {
    const auth = openAuth(new Records());
    assert.equal(auth.enable(), "rootUserNotExist");
    assert.equal(auth.addUser("root", text("hash"), false), null);
    assert.equal(auth.enable(), "rootRoleNotExist");
    assert.equal(auth.grantRole("root", "root"), null);
    assert.equal(auth.enable(), null);
    assert.equal(auth.enabled, true);
    assert.equal(auth.enable(), null, "a second time changes nothing");
  });

  it("counts every change of users, roles and permissions, and the end of it all", () => {
    const auth = openAuth(new Records());
    assert.equal(auth.revision, 1);
    const changes: (() => unknown)[] = [
      () => auth.addUser("root", text("hash"), false),
      () => auth.grantRole("root", "root"),
      () => auth.addRole("r"),
      () => auth.grantPermission("r", permissionOn("a", "b")),
      () => auth.grantPermission("r", permissionOn("a", "b", PermissionType.read)),
      () => auth.revokePermission("r", text("a"), text("b")),
      () => auth.addUser("ann", text("hash"), true),
      () => auth.grantRole("ann", "r"),
      () => auth.revokeRole("ann", "r"),
      () => auth.changePassword("ann", text("other")),
      () => auth.deleteUser("ann"),
      () => auth.deleteRole("r"),
    ];
    for (const [at, change] of changes.entries()) {
      assert.equal(change(), null);
      assert.equal(auth.revision, 2 + at);
    }
    const before = auth.revision;
    auth.disable();
    assert.equal(auth.revision, before, "it was not enabled");
    auth.enable();
    assert.equal(auth.revision, before, "to enable it changes nobody");
    auth.disable();
    assert.equal(auth.revision, before + 1);
  });

  it("counts nothing that was refused", () => {
    const auth = enabledAuth();
    const { revision } = auth;
    assert.equal(auth.addUser("", text("h"), false), "userEmpty");
    assert.equal(auth.addUser("root", text("h"), false), "userExists");
    assert.equal(auth.deleteUser("nobody"), "userNotFound");
    assert.equal(auth.changePassword("nobody", text("h")), "userNotFound");
    assert.equal(auth.grantRole("nobody", "r"), "userNotFound");
    assert.equal(auth.grantRole("root", "r"), "roleNotFound");
    assert.equal(auth.revokeRole("nobody", "r"), "userNotFound");
    assert.equal(auth.revokeRole("root", "r"), "roleNotGranted");
    assert.equal(auth.addRole(""), "roleEmpty");
    assert.equal(auth.deleteRole("r"), "roleNotFound");
    assert.equal(auth.grantPermission("r", null), "permissionNotGiven");
    assert.equal(auth.grantPermission("r", permissionOn("b", "a")), "invalidAuthManagement");
    assert.equal(auth.grantPermission("r", permissionOn("", "a")), "invalidAuthManagement");
    assert.equal(auth.grantPermission("r", permissionOn("a", "b")), "roleNotFound");
    assert.equal(auth.revokePermission("r", text("a"), text("b")), "roleNotFound");
    assert.equal(auth.addRole("r"), null);
    assert.equal(auth.addRole("r"), "roleExists");
    assert.equal(auth.revokePermission("r", text("a"), text("b")), "permissionNotGranted");
    assert.equal(auth.grantRole("root", "root"), null, "a role one has is granted in vain");
    assert.equal(auth.revision, revision + 1, "for the role that was added");
  });

  it("keeps root what it is as long as it is enabled", () => {
    const auth = enabledAuth();
    assert.equal(auth.deleteUser("root"), "invalidAuthManagement");
    assert.equal(auth.revokeRole("root", "root"), "invalidAuthManagement");
    assert.equal(auth.deleteRole("root"), "invalidAuthManagement");
    auth.disable();
    assert.equal(auth.revokeRole("root", "root"), null);
    assert.equal(auth.deleteUser("root"), null);
  });

  it("lists names in the order of their UTF-8 bytes, whatever order they came in", () => {
    const auth = openAuth(new Records());
    // By UTF-16 units the emoji would come before U+FFFD.
    for (const name of ["\u{1f600}", "b", "\ufffd", "a"]) auth.addUser(name, text("h"), false);
    assert.deepEqual(auth.users.names(), ["a", "b", "\ufffd", "\u{1f600}"]);
  });

  it("a deleted role is gone from whoever had it", () => {
    const auth = openAuth(new Records());
    auth.addRole("r");
    auth.addRole("s");
    auth.addUser("ann", text("h"), false);
    auth.grantRole("ann", "s");
    auth.grantRole("ann", "r");
    assert.deepEqual(auth.users.get("ann")?.roles, ["r", "s"]);
    auth.deleteRole("r");
    assert.deepEqual(auth.users.get("ann")?.roles, ["s"]);
  });

  it("a permission takes the place of the one on the same range alone", () => {
    const auth = openAuth(new Records());
    auth.addRole("r");
    auth.grantPermission("r", permissionOn("k", ""));
    auth.grantPermission("r", permissionOn("k", "z"));
    auth.grantPermission("r", permissionOn("a", "b"));
    auth.grantPermission("r", permissionOn("k", "z", PermissionType.read));
    const shown = auth
      .permissionsOf("r")
      ?.map((each) => `${shownKey(each.key)}-${shownKey(each.rangeEnd)} ${each.permType}`);
    assert.deepEqual(shown, ["a-b 2", "k- 2", "k-z 0"]);
  });

  it("a user's permissions are those of all roles, and follow every change", () => {
    const auth = enabledAuth();
    auth.addUser("ann", text("h"), false);
    auth.addRole("r");
    auth.grantRole("ann", "r");
    const a = { from: "a", end: "b" } as never;
    assert.equal(auth.grantsOf("ann")?.read.covers(a), false);
    auth.grantPermission("r", permissionOn("a", "b", PermissionType.read));
    assert.equal(auth.grantsOf("ann")?.read.covers(a), true);
    assert.equal(auth.grantsOf("ann")?.write.covers(a), false);
    auth.revokeRole("ann", "r");
    assert.equal(auth.grantsOf("ann")?.read.covers(a), false);
    auth.deleteUser("ann");
    assert.equal(auth.grantsOf("ann"), null);
    assert.equal(auth.grantsOf("root")?.root, true);
  });

  it("is the same when it is opened again", () => {
    const records = new Records();
    const auth = enabledAuth(records);
    auth.addRole("r");
    auth.grantPermission("r", permissionOn("a", "b"));
    auth.addUser("ann", text("secret hash"), false);
    auth.addUser("cert", text("ignored"), true);
    auth.grantRole("ann", "r");
    const again = openAuth(records);
    assert.equal(again.enabled, true);
    assert.equal(again.revision, auth.revision);
    assert.deepEqual(again.users.names(), auth.users.names());
    for (const name of again.users.names()) {
      assert.deepEqual(again.users.get(name), auth.users.get(name));
    }
    assert.deepEqual(again.permissionsOf("r"), auth.permissionsOf("r"));
    assert.equal(again.users.get("cert")?.password.length, 0, "it has no password to keep");
  });

  it("stores what etcd stores", () => {
    const records = new Records();
    const auth = enabledAuth(records);
    auth.addRole("r");
    auth.grantPermission("r", permissionOn("a", "b", PermissionType.write));
    const shown = (bucket: Bucket): string[] =>
      records.of(bucket).map(([key, payload]) => {
        const value = Buffer.from(payload).toString("hex");
        return `${Buffer.from(key).toString()}=${value}`;
      });
    assert.deepEqual(shown(Bucket.auth), ["authRevision=0000000000000005", "authEnabled=01"]);
    // name 1, password 2, roles 3, options 4
    assert.deepEqual(shown(Bucket.users), [
      `root=0a04${hex("root")}1204${hex("hash")}1a04${hex("root")}2200`,
    ]);
    // name 1, keyPermission 2 of permType 1, key 2, range_end 3
    assert.deepEqual(shown(Bucket.roles), [`r=0a01${hex("r")}12080801120161${"1a0162"}`]);
  });

  it("refuses to open what it did not write", () => {
    const records = new Records();
    records.put(Bucket.auth, text("authRevision"), text("short"));
    assert.throws(
      () => openAuth(records),
      (error) => error instanceof QuorateError && error.code === "corruption",
    );
  });
});

function hex(of: string): string {
  return Buffer.from(of).toString("hex");
}

function shownKey(key: Uint8Array): string {
  return Buffer.from(key).toString();
}
