package node

import (
	"context"
	"fmt"
	"time"

	"oncegate/gateway/kafkalog"
	"oncegate/gateway/payload"
	"oncegate/gateway/redisstore"
)

// openVault loads the key-encryption keys, follows the wrapped keys on the log
// and opens the payload store. It comes before everything that seals.
func (n *Node) openVault(ctx context.Context) error {
	var keks []payload.KEK
	for _, k := range n.cfg.Keys.Wrap {
		key, err := n.cfg.keyFile(k.File)
		if err != nil {
			return fmt.Errorf("keys.wrap %s: %w", k.ID, err)
		}
		keks = append(keks, payload.KEK{ID: k.ID, NotBefore: k.From, Term: k.Until, Key: payload.Secret(key)})
	}
	ring, err := payload.NewRing(keks...)
	if err != nil {
		return fmt.Errorf("keys.wrap: %w", err)
	}
	for _, id := range ring.Expired(time.Now()) {
		n.log.Warn("key-encryption key is past its term: destroy its file", "key", id)
	}
	n.keys = kafkalog.NewKeys(n.cluster, n.producer)
	n.background(n.keys.Run)
	if n.keyring, err = payload.NewKeyring(payload.KeyringConfig{Keys: n.keys, Ring: ring}); err != nil {
		return err
	}
	if n.codec, err = kafkalog.NewCodec(kafkalog.CodecConfig{Source: "/" + n.cfg.Name, Sealer: n.keyring}); err != nil {
		return err
	}
	n.writer = kafkalog.NewWriter(n.codec, n.producer)

	conf := payload.VaultConfig{Keyring: n.keyring, Store: "kafka", MaxSize: n.cfg.Payloads.MaxSize, TempDir: n.cfg.path(n.cfg.Payloads.Temp)}
	if n.cfg.Payloads.Store == "files" {
		conf.Store = "files"
		if conf.Blobs, err = payload.NewFileBlobs(n.cfg.path(n.cfg.Payloads.Dir)); err != nil {
			return err
		}
	} else {
		conf.Blobs = kafkalog.NewChunks(n.cluster, n.producer)
	}
	n.vault, err = payload.NewVault(conf)
	return err
}

// openMemory connects to Redis.
func (n *Node) openMemory(ctx context.Context) error {
	r := n.cfg.Redis
	opt := redisstore.Options{Address: r.Address, Username: r.User, Database: r.DB, TLS: r.TLS}
	if n.eng != nil {
		opt = redisstore.Options{Address: n.eng.Redis}
	}
	if opt.TLS {
		var err error
		if opt.RootCAs, err = n.cfg.pool(r.CA); err != nil {
			return fmt.Errorf("redis.ca: %w", err)
		}
	}
	if r.PasswordFile != "" {
		password, err := n.cfg.secretFile(r.PasswordFile)
		if err != nil {
			return err
		}
		opt.Password = password
	}
	client, err := redisstore.Open(ctx, opt)
	if err != nil {
		return fmt.Errorf("opening the memory: %w", err)
	}
	n.redis = client
	n.closers = append(n.closers, func() {
		if err := client.Close(); err != nil {
			n.log.Warn("closing the memory", "error", err)
		}
	})
	return nil
}

// prefix is how the deployment's keys in Redis begin.
func (n *Node) prefix() redisstore.Prefix {
	if n.cfg.Redis.Prefix != "" {
		return redisstore.Prefix(n.cfg.Redis.Prefix)
	}
	return redisstore.Prefix(n.cfg.Name)
}

// background runs f from now on until Close, which waits for it.
func (n *Node) background(f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := f(ctx); err != nil && ctx.Err() == nil {
			n.log.Error("background work ended", "error", err)
		}
	}()
	n.closers = append(n.closers, func() { cancel(); <-done })
}
