package redisstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"oncegate/gateway/exchange"
	"oncegate/schemas/canon"
)

// RequestIDsConfig says what RequestIDs work with.
type RequestIDsConfig struct {
	Client Client // Required.
	Prefix Prefix // Required.
	// Recall tells, from the log, which message used which id first. It is called
	// where the memory was lost. Required.
	Recall func(ctx context.Context, tell func(id canon.RequestID, by canon.MessageID) error) error
	// Term is how long an id is remembered. Default: 400 days; twelve months are the
	// least (TDD 4.4).
	Term time.Duration
}

// RequestIDs is an exchange.Requests.
//
//	<prefix>:request:<sha256 of the id>   the message that used it first
//	<prefix>:index:request:whole          set once everything was recalled from the log
//	<prefix>:index:request:recovering     set while somebody recalls
type RequestIDs struct {
	cfg               RequestIDsConfig
	claims            *Claims
	whole, recovering string
	recalling         sync.Mutex
}

var _ exchange.Requests = (*RequestIDs)(nil)

const (
	requestRoom     = "request"
	minRequestTerm  = 366 * 24 * time.Hour
	usualRequestIDs = 400 * 24 * time.Hour
)

// NewRequestIDs checks the configuration and reports all faults at once.
func NewRequestIDs(cfg RequestIDsConfig) (*RequestIDs, error) {
	if cfg.Term == 0 {
		cfg.Term = usualRequestIDs
	}
	var faults []error
	if cfg.Recall == nil {
		faults = append(faults, errors.New("request ids: Recall is required"))
	}
	if cfg.Term < minRequestTerm {
		faults = append(faults, fmt.Errorf("request ids: term %v: want at least %v", cfg.Term, minRequestTerm))
	}
	claims, err := NewClaims(OnceConfig{Client: cfg.Client, Prefix: cfg.Prefix, Room: requestRoom})
	if err := errors.Join(append(faults, err)...); err != nil {
		return nil, err
	}
	return &RequestIDs{
		cfg: cfg, claims: claims,
		whole: cfg.Prefix.key("index", requestRoom+":whole"), recovering: cfg.Prefix.key("index", requestRoom+":recovering"),
	}, nil
}

// Claim implements exchange.Requests. Where the memory was lost it waits until the
// log was read: an id that seems new might not be.
func (r *RequestIDs) Claim(ctx context.Context, id canon.RequestID, by canon.MessageID) (canon.MessageID, error) {
	if n, err := r.cfg.Client.Exists(ctx, r.whole).Result(); err != nil && !errors.Is(err, redis.Nil) {
		return "", unavailable("asking whether the memory is whole", err)
	} else if n == 0 {
		if err := r.recall(ctx); err != nil {
			return "", err
		}
	}
	first, err := r.claims.Claim(ctx, string(id), string(by), r.cfg.Term)
	return canon.MessageID(first), err
}

func (r *RequestIDs) recall(ctx context.Context) error {
	r.recalling.Lock()
	defer r.recalling.Unlock()
	whole, err := isWhole(ctx, r.cfg.Client, r.whole, r.recovering)
	if err != nil || whole {
		return err
	}
	err = r.cfg.Recall(ctx, func(id canon.RequestID, by canon.MessageID) error {
		_, err := r.claims.Claim(ctx, string(id), string(by), r.cfg.Term)
		return err
	})
	if err != nil {
		return fmt.Errorf("recalling the ids of requests: %w", err)
	}
	return markWhole(ctx, r.cfg.Client, r.whole, r.recovering)
}
