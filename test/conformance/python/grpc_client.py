"""What the client etcd3, which speaks gRPC, sees of a server: one line for each thing it is told."""
import sys
import threading
import time

import etcd3

host, port = sys.argv[1].split(":")
user, password = (sys.argv[2:] + [None, None])[:2]
client = etcd3.client(host=host, port=int(port), timeout=10, user=user, password=password)


def say(*words):
    print(*words, flush=True)


def value(pair):
    return pair[0]


# get and put
client.put("doot", "value")
say("get", value(client.get("doot")), client.get("nothing"))
say("prev", client.put("doot", "other", prev_kv=True).prev_kv.value)
say("put if absent", client.put_if_not_exists("once", "1"), client.put_if_not_exists("once", "2"))
say("replace", client.replace("once", "1", "3"), client.replace("once", "1", "4"))
for n in range(3):
    client.put(f"p/{n}", str(n))
say("prefix", [(v, meta.key, meta.version) for v, meta in client.get_prefix("p/")])
say("range", [v for v, _ in client.get_range("p/0", "p/2", sort_order="descend")])
say("delete", client.delete("doot"), client.delete("doot"), client.delete_prefix("p/").deleted)

# txn
answer = client.transaction(
    compare=[client.transactions.value("once") == "3", client.transactions.version("once") > 1],
    success=[client.transactions.put("t", "yes"), client.transactions.get("once")],
    failure=[client.transactions.delete("once")],
)
say("txn", answer[0], [v for v, _ in answer[1][1]])
say("txn", client.transaction(compare=[client.transactions.create("t") == 0], success=[], failure=[])[0])

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
    say("event", type(event).__name__, event.key, event.value)
cancel()
writer.join()

# lease
lease = client.lease(100)
client.put("leased", "x", lease)
say("lease", 90 < lease.remaining_ttl <= 100, lease.granted_ttl, list(lease.keys))
say("refresh", [answer.TTL for answer in lease.refresh()])
lease.revoke()
say("revoked", value(client.get("leased")))

# lock
first, second = client.lock("door", ttl=30), client.lock("door", ttl=30)
say("lock", first.acquire(), second.acquire(timeout=1), first.is_acquired())
say("release", first.release(), second.acquire(timeout=5), second.release())
with client.lock("room", ttl=30) as held:
    say("held", held.is_acquired())

# refusals
try:
    client.put("", "x")
except Exception as error:
    say("refused", type(error).__name__, getattr(error, "details", lambda: error)())
revision = client.get("once")[1].mod_revision
client.compact(revision)
try:
    next(client.watch("once", start_revision=1)[0])
except etcd3.exceptions.RevisionCompactedError as error:
    say("compacted", error.compacted_revision == revision)
say("members", len(list(client.members)), client.status().version.split(".")[0])
client.close()
