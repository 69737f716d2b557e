// What etcd's own Go client sees of a server: one line for each thing it is told. Revisions are counted from the first.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

func say(words ...any) { fmt.Println(words...) }

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	return value
}

func refused[T any](_ T, err error) error {
	var server rpctypes.EtcdError
	if errors.As(err, &server) {
		return fmt.Errorf("%v %v", server.Code(), server.Error())
	}
	return err
}

type script struct {
	ctx    context.Context
	client *clientv3.Client
}

func main() {
	client := must(clientv3.New(clientv3.Config{
		Endpoints:   strings.Split(os.Args[1], ","),
		DialTimeout: 5 * time.Second,
	}))
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Second)
	defer cancel()
	s := script{ctx, client}
	s.kv()
	s.watch()
	s.lease()
	s.locks()
	s.election()
	s.stm()
	s.auth()
	_ = client.Close()
}

func (s script) kv() {
	c, ctx := s.client, s.ctx
	put := must(c.Put(ctx, "a", "1"))
	first := put.Header.Revision
	must(c.Put(ctx, "b", "2"))
	again := must(c.Put(ctx, "a", "3", clientv3.WithPrevKV()))
	say("put", again.Header.Revision-first, string(again.PrevKv.Value))
	got := must(c.Get(ctx, "a", clientv3.WithPrefix()))
	say("get", got.Count, got.More, string(got.Kvs[0].Value), got.Kvs[0].Version, got.Kvs[0].ModRevision-first)
	old := must(c.Get(ctx, "a", clientv3.WithRev(first)))
	say("old", string(old.Kvs[0].Value))
	sorted := must(c.Get(ctx, "", clientv3.WithFromKey(), clientv3.WithLimit(1),
		clientv3.WithSort(clientv3.SortByModRevision, clientv3.SortDescend)))
	say("sorted", string(sorted.Kvs[0].Key), sorted.More, sorted.Count)
	txn := must(c.Txn(ctx).
		If(clientv3.Compare(clientv3.Value("a"), "=", "3"), clientv3.Compare(clientv3.CreateRevision("z"), "=", 0)).
		Then(clientv3.OpPut("z", "new"), clientv3.OpGet("z"), clientv3.OpDelete("b", clientv3.WithPrevKV()),
			clientv3.OpTxn(nil, []clientv3.Op{clientv3.OpGet("a", clientv3.WithCountOnly())}, nil)).
		Else(clientv3.OpGet("a")).Commit())
	say("txn", txn.Succeeded, string(txn.Responses[1].GetResponseRange().Kvs[0].Value),
		txn.Responses[2].GetResponseDeleteRange().Deleted,
		txn.Responses[3].GetResponseTxn().Responses[0].GetResponseRange().Count)
	say("deleted", must(c.Delete(ctx, "a", clientv3.WithPrefix())).Deleted)
	say("empty key:", refused(c.Put(ctx, "", "x")))
	say("future:", refused(c.Get(ctx, "a", clientv3.WithRev(1<<40))))
	say("twice:", refused(c.Txn(ctx).Then(clientv3.OpPut("k", "1"), clientv3.OpPut("k", "2")).Commit()))
	must(c.Compact(ctx, again.Header.Revision, clientv3.WithCompactPhysical()))
	say("compacted:", refused(c.Get(ctx, "a", clientv3.WithRev(first))))
}

func (s script) watch() {
	c, ctx := s.client, s.ctx
	watching, cancel := context.WithCancel(ctx)
	start := must(c.Put(ctx, "w/0", "0")).Header.Revision
	events := c.Watch(watching, "w/", clientv3.WithPrefix(), clientv3.WithRev(start), clientv3.WithPrevKV())
	must(c.Put(ctx, "w/1", "1"))
	must(c.Put(ctx, "w/1", "2"))
	must(c.Delete(ctx, "w/1"))
	for seen := 0; seen < 4; {
		for _, event := range (<-events).Events {
			before := ""
			if event.PrevKv != nil {
				before = string(event.PrevKv.Value)
			}
			say("event", event.Type, string(event.Kv.Key), string(event.Kv.Value), before, event.IsCreate())
			seen++
		}
	}
	cancel()
	for range events {
	}
	// A member that is behind may not have compacted yet, and would show what comes.
	past := <-c.Watch(ctx, "w/", clientv3.WithRev(1))
	for tries := 0; !past.Canceled && tries < 50; tries++ {
		time.Sleep(100 * time.Millisecond)
		past = <-c.Watch(ctx, "w/", clientv3.WithRev(1))
	}
	say("past:", past.Canceled, past.CompactRevision < start, past.Err())
}

func (s script) lease() {
	c, ctx := s.client, s.ctx
	lease := must(c.Grant(ctx, 60))
	must(c.Put(ctx, "leased", "x", clientv3.WithLease(lease.ID)))
	alive, cancel := context.WithCancel(ctx)
	kept := <-must(c.KeepAlive(alive, lease.ID))
	cancel()
	say("lease", lease.TTL, kept.TTL, must(c.KeepAliveOnce(ctx, lease.ID)).TTL)
	left := must(c.TimeToLive(ctx, lease.ID, clientv3.WithAttachedKeys()))
	say("left", left.GrantedTTL, left.TTL > 50, string(left.Keys[0]))
	must(c.Revoke(ctx, lease.ID))
	say("revoked", must(c.Get(ctx, "leased")).Count, must(c.TimeToLive(ctx, lease.ID)).TTL)
	say("no lease:", refused(c.Put(ctx, "leased", "x", clientv3.WithLease(lease.ID))))
	say("no lease:", refused(c.KeepAliveOnce(ctx, lease.ID)))
}

func (s script) locks() {
	one, two := s.session(), s.session()
	first, second := concurrency.NewMutex(one, "door"), concurrency.NewMutex(two, "door")
	must(0, first.Lock(s.ctx))
	say("try:", second.TryLock(s.ctx))
	order := make(chan string, 2)
	go func() {
		must(0, second.Lock(s.ctx))
		order <- "second has it"
	}()
	time.Sleep(300 * time.Millisecond)
	order <- "first lets go"
	must(0, first.Unlock(s.ctx))
	say(<-order, "then", <-order)
	owner := must(s.client.Txn(s.ctx).If(second.IsOwner()).Commit())
	say("owner", owner.Succeeded)
	must(0, two.Close())
	say("left", must(s.client.Get(s.ctx, "door/", clientv3.WithPrefix())).Count)
	must(0, one.Close())
}

func (s script) session() *concurrency.Session {
	return must(concurrency.NewSession(s.client, concurrency.WithTTL(30)))
}

func (s script) election() {
	one, two := s.session(), s.session()
	ann, bob := concurrency.NewElection(one, "chair"), concurrency.NewElection(two, "chair")
	say("nobody:", refused(ann.Leader(s.ctx)))
	must(0, ann.Campaign(s.ctx, "ann"))
	observing, cancel := context.WithCancel(s.ctx)
	leaders := bob.Observe(observing)
	say("leads", string((<-leaders).Kvs[0].Value))
	must(0, ann.Proclaim(s.ctx, "ann again"))
	say("leads", string((<-leaders).Kvs[0].Value))
	elected := make(chan error)
	go func() { elected <- bob.Campaign(s.ctx, "bob") }()
	time.Sleep(200 * time.Millisecond)
	must(0, ann.Resign(s.ctx))
	must(0, <-elected)
	say("leads", string((<-leaders).Kvs[0].Value))
	say("not leader:", ann.Proclaim(s.ctx, "ann"))
	cancel()
	must(0, one.Close())
	must(0, two.Close())
}

func (s script) stm() {
	must(s.client.Put(s.ctx, "count", "x"))
	done := make(chan error)
	for range 4 {
		go func() {
			_, err := concurrency.NewSTM(s.client, func(stm concurrency.STM) error {
				stm.Put("count", stm.Get("count")+"x")
				return nil
			}, concurrency.WithAbortContext(s.ctx))
			done <- err
		}()
	}
	for range 4 {
		must(0, <-done)
	}
	say("stm", string(must(s.client.Get(s.ctx, "count")).Kvs[0].Value))
}

// firstAnswer is what a watch says first. etcd's members learn of a token one by one, and a watch may meet one that has not.
func firstAnswer(ctx context.Context, client *clientv3.Client, key string, options ...clientv3.OpOption) clientv3.WatchResponse {
	answer := <-client.Watch(ctx, key, options...)
	unknown := func(err error) bool { return err != nil && strings.Contains(err.Error(), "invalid auth token") }
	for tries := 0; unknown(answer.Err()) && tries < 50; tries++ {
		time.Sleep(100 * time.Millisecond)
		answer = <-client.Watch(ctx, key, options...)
	}
	return answer
}

// A member may learn a moment later than the one that was asked that users have to name themselves.
func (s script) everyMemberRefuses(key string) {
	for _, endpoint := range s.client.Endpoints() {
		one := must(clientv3.New(clientv3.Config{Endpoints: []string{endpoint}}))
		for tries := 0; tries < 50; tries++ {
			if _, err := one.Get(s.ctx, key, clientv3.WithSerializable()); err != nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		_ = one.Close()
	}
}

func (s script) auth() {
	c, ctx := s.client, s.ctx
	say("enable:", refused(c.AuthEnable(ctx)))
	must(c.RoleAdd(ctx, "root"))
	must(c.UserAdd(ctx, "root", "top"))
	must(c.UserGrantRole(ctx, "root", "root"))
	must(c.RoleAdd(ctx, "reader"))
	must(c.RoleGrantPermission(ctx, "reader", "r/", clientv3.GetPrefixRangeEnd("r/"), clientv3.PermissionType(clientv3.PermRead)))
	must(c.UserAdd(ctx, "ann", "secret"))
	must(c.UserGrantRole(ctx, "ann", "reader"))
	must(c.Put(ctx, "r/1", "seen"))
	must(c.AuthEnable(ctx))
	s.everyMemberRefuses("r/1")
	say("nobody:", refused(c.Get(ctx, "r/1")))
	_, err := clientv3.New(clientv3.Config{Endpoints: c.Endpoints(), Username: "ann", Password: "wrong"})
	say("wrong password:", refused(0, err))
	ann := must(clientv3.New(clientv3.Config{Endpoints: c.Endpoints(), Username: "ann", Password: "secret"}))
	say("ann reads", string(must(ann.Get(ctx, "r/", clientv3.WithPrefix())).Kvs[0].Value))
	say("ann writes:", refused(ann.Put(ctx, "r/1", "x")))
	say("ann reads all:", refused(ann.Get(ctx, "", clientv3.WithFromKey())))
	say("ann lists:", refused(ann.UserList(ctx)))
	denied := firstAnswer(ctx, ann, "x")
	say("ann watches:", denied.Canceled, denied.Err())
	seen := firstAnswer(ctx, ann, "r/1", clientv3.WithRev(must(ann.Get(ctx, "r/1")).Kvs[0].ModRevision))
	say("ann watches", string(seen.Events[0].Kv.Value))
	session := must(concurrency.NewSession(ann))
	say("ann locks:", concurrency.NewMutex(session, "door").Lock(ctx))
	root := must(clientv3.New(clientv3.Config{Endpoints: c.Endpoints(), Username: "root", Password: "top"}))
	must(root.Put(ctx, "anything", "x"))
	say("users", must(root.UserList(ctx)).Users, must(root.RoleGet(ctx, "reader")).Perm)
	must(root.UserChangePassword(ctx, "ann", "new"))
	must(root.AuthDisable(ctx))
	// A member may learn of it a moment later than the one that was asked.
	off, err := c.Get(ctx, "anything")
	for tries := 0; err != nil && tries < 50; tries++ {
		time.Sleep(100 * time.Millisecond)
		off, err = c.Get(ctx, "anything")
	}
	say("off", string(must(off, err).Kvs[0].Value))
	_ = ann.Close()
	_ = root.Close()
}
