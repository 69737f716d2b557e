"""What the client etcd3gw, which speaks JSON over HTTP, sees of a server: one line for each thing it is told."""
import sys
import threading
import time

import etcd3gw
from etcd3gw.utils import _encode

host, port = sys.argv[1].split(":")
client = etcd3gw.client(host=host, port=int(port), api_path="/v3/", timeout=10)


def say(*words):
    print(*words, flush=True)


# get and put
say("put", client.put("doot", "value"))
say("get", client.get("doot"), client.get("nothing"))
say("create", client.create("once", "1"), client.create("once", "2"))
say("replace", client.replace("once", "1", "3"), client.replace("once", "1", "4"), client.get("once"))
for n in range(3):
    client.put(f"p/{n}", str(n))
say("prefix", [(v, kv["key"], kv["version"]) for v, kv in client.get_prefix("p/")])
say("sorted", [v for v, _ in client.get_prefix("p/", sort_order="descend", sort_target="key")])
say("delete", client.delete("doot"), client.delete("doot"), client.delete_prefix("p/"))

# txn
txn = {
    "compare": [{"key": _encode("once"), "result": "EQUAL", "target": "VALUE", "value": _encode("3")}],
    "success": [{"request_put": {"key": _encode("t"), "value": _encode("yes")}}],
    "failure": [{"request_range": {"key": _encode("once")}}],
}
say("txn", client.transaction(txn).get("succeeded"), client.get("t"))
txn["compare"][0]["value"] = _encode("other")
say("txn", client.transaction(txn).get("succeeded", False))

# watch
events, cancel = client.watch_prefix("w/")


def write():
    time.sleep(0.3)
    client.put("w/a", "1")
    client.put("w/a", "2")
    client.delete("w/a")


writer = threading.Thread(target=write)
writer.start()
for _ in range(3):
    event = next(events)
    say("event", event.get("type", "PUT"), event["kv"]["key"], event["kv"].get("value"))
cancel()
writer.join()
timer = threading.Timer(0.3, lambda: client.put("once-more", "x"))
timer.start()
say("watch once", client.watch_once("once-more", timeout=5)["kv"]["value"])
try:
    client.watch_once("never", timeout=1)
except etcd3gw.exceptions.WatchTimedOut:
    say("watch timed out")

# lease
lease = client.lease(ttl=100)
client.put("leased", "x", lease=lease)
say("lease", 90 < lease.ttl() <= 100, lease.keys(), lease.refresh())
say("revoke", lease.revoke(), client.get("leased"))

# lock
first, second = client.lock("door", ttl=30), client.lock("door", ttl=30)
say("lock", first.acquire(), second.acquire(), first.is_acquired())
say("release", first.release(), second.acquire(), second.release())
with client.lock("room", ttl=30) as held:
    say("held", held.is_acquired())

# refusals
try:
    client.post(client.get_url("/kv/put"), json={"key": "!"})
except etcd3gw.exceptions.Etcd3Exception as error:
    say("refused", type(error).__name__, error.detail_text)
say("members", len(client.members()), client.status()["version"].split(".")[0])
