package redisstore

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/redis/go-redis/v9"
)

// BudgetsConfig says what Budgets work with.
type BudgetsConfig struct {
	Client Client // Required.
	Prefix Prefix // Required.
}

// A Budget is what a register bears of all instances together, field by field that
// of connectors/register/care, whose Budgets say what the methods promise.
type Budget struct {
	Concurrency int
	Calls       int
	Burst       int
	Per         time.Duration
}

// A Grant is the answer to Take.
type Grant struct {
	OK   bool
	Wait time.Duration
	Slot int64
}

// Budgets count the calls to registers over all instances, by the clock of the
// server.
//
//	<prefix>:register:<name>:slots   list: when the last calls left or will, newest first
//	<prefix>:register:<name>:even    when the next would be due if all came evenly
//	<prefix>:register:<name>:calls   sorted set: tickets of calls, by the time they are over for sure
//	<prefix>:register:<name>:line    sorted set: tickets that wait, by the time they came
//	<prefix>:register:<name>:seen    sorted set: the same, by the time they are forgotten
//	<prefix>:register:begun          since when this memory knows of calls
//
// Times are microseconds. A lost memory begins empty: what was called in the last
// period is not known, so nothing is called for one, a minute at most.
type Budgets struct{ cfg BudgetsConfig }

// NewBudgets checks the configuration and reports all faults at once.
func NewBudgets(cfg BudgetsConfig) (*Budgets, error) {
	var faults []error
	if cfg.Client == nil {
		faults = append(faults, errors.New("budgets: Client is required"))
	}
	if err := errors.Join(append(faults, cfg.Prefix.check())...); err != nil {
		return nil, err
	}
	return &Budgets{cfg: cfg}, nil
}

// The figures of connectors/register/care.
const (
	budgetAhead  = 100 * time.Millisecond
	budgetPoll   = 20 * time.Millisecond
	budgetLeast  = time.Millisecond
	budgetMost   = time.Second
	budgetGrace  = 2 * time.Second
	budgetEmpty  = time.Minute
	budgetSettle = 1500 * time.Millisecond // after a loss, until everybody has told of the calls that go on
	budgetSkew   = time.Second             // a clock that goes back by less only makes calls wait
	budgetTerm   = 400 * 24 * time.Hour    // of begun; a register that nobody asks for so long begins anew
)

// KEYS slots, even, calls, line, seen, begun. ARGV ticket, concurrency, calls,
// burst, per, hold, and the figures above.
var budgetTakeScript = redis.NewScript(`
local function whole(x) return string.format('%.0f', x) end
local hour = 3600000000 -- more than calls of one instance last longer than those of another
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000000 + tonumber(t[2])
local ticket, concurrency, calls, burst = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local per, hold = tonumber(ARGV[5]), tonumber(ARGV[6])
local ahead, poll, least, most, grace = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
local empty, settle, term, skew = tonumber(ARGV[12]), tonumber(ARGV[13]), tonumber(ARGV[14]), tonumber(ARGV[15])

local begun = tonumber(redis.call('GET', KEYS[6]) or '')
if not begun or begun > now + skew then begun = now end
-- What lies further ahead than anything is ever written was written by a clock that was
-- set back since. Such slots are a memory that was lost.
if tonumber(redis.call('LINDEX', KEYS[1], 0) or '0') > now + ahead + skew then
  redis.call('DEL', KEYS[1], KEYS[2])
  begun = now
end
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', KEYS[5], whole(now + most + grace + skew), '+inf')) do
  redis.call('ZREM', KEYS[4], dead)
  redis.call('ZREM', KEYS[5], dead)
end
for _, call in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], whole(now + hold + hour), '+inf')) do
  redis.call('ZADD', KEYS[3], whole(now + hold), call)
end
redis.call('SET', KEYS[6], whole(begun), 'PX', whole(term / 1000))

redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', whole(now))
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', whole(now))) do
  redis.call('ZREM', KEYS[4], gone)
  redis.call('ZREM', KEYS[5], gone)
end
local place = redis.call('ZRANK', KEYS[4], ticket)
local older = place or redis.call('ZCARD', KEYS[4])

local known, even, due = 0, 0, 0
if calls > 0 then
  even = per / calls
  due = tonumber(redis.call('GET', KEYS[2]) or '0')
  known = redis.call('LLEN', KEYS[1])
  if known == 0 and now < begun + ahead + per then -- some were granted ahead of their time
    for i = 1, calls do
      redis.call('LPUSH', KEYS[1], whole(begun + ahead + math.max(math.min(per, empty), even * i) - per))
    end
    known = calls
  end
end
-- slot is the first moment for the call that comes after so many others.
local function slot(others)
  if calls == 0 then return now end
  local at = now
  local i = calls - 1 - math.min(others, calls - 1)
  if i < known then at = math.max(at, tonumber(redis.call('LINDEX', KEYS[1], i)) + per) end
  if known > 0 then at = math.max(at, tonumber(redis.call('LINDEX', KEYS[1], 0))) end -- in order, whatever was given back
  if others >= calls then at = at + per end
  return math.max(at, math.max(due, now) + even * (others - burst + 1))
end

local wait = 0
if now < begun + settle then wait = begun + settle - now end
if redis.call('ZCARD', KEYS[3]) + older >= concurrency then wait = math.max(wait, poll) end
wait = math.max(wait, slot(older) - now - ahead)
if wait > 0 then
  wait = math.ceil(math.min(math.max(wait, least), most))
  if not place then redis.call('ZADD', KEYS[4], whole(now), ticket) end
  redis.call('ZADD', KEYS[5], whole(now + wait + grace), ticket)
  redis.call('PEXPIRE', KEYS[4], whole((most + grace) / 1000))
  redis.call('PEXPIRE', KEYS[5], whole((most + grace) / 1000))
  return {0, whole(wait), '0'}
end
if place then
  redis.call('ZREM', KEYS[4], ticket)
  redis.call('ZREM', KEYS[5], ticket)
end
local at = math.ceil(slot(0))
redis.call('ZADD', KEYS[3], whole(at + hold), ticket)
redis.call('PEXPIRE', KEYS[3], whole((at - now + hold) / 1000 + 60000))
if calls > 0 then
  redis.call('LPUSH', KEYS[1], whole(at))
  redis.call('LTRIM', KEYS[1], 0, calls - 1)
  redis.call('PEXPIRE', KEYS[1], whole((at - now + 2 * per) / 1000 + 60000))
  redis.call('SET', KEYS[2], whole(math.ceil(math.max(due, at) + even)), 'PX', whole((at - now + 2 * per) / 1000 + 60000))
end
return {1, whole(at - now), whole(at)}
`)

// KEYS calls. ARGV ticket, left.
var budgetKeepScript = redis.NewScript(`
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000000 + tonumber(t[2])
redis.call('ZADD', KEYS[1], string.format('%.0f', now + tonumber(ARGV[2])), ARGV[1])
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', tonumber(ARGV[2]) / 1000 + 60000))
return 1
`)

// KEYS slots, even, calls, line, seen. ARGV ticket, slot, even.
var budgetReturnScript = redis.NewScript(`
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('ZREM', KEYS[5], ARGV[1])
if ARGV[2] ~= '0' and redis.call('LREM', KEYS[1], 1, ARGV[2]) == 1 then
  local due = tonumber(redis.call('GET', KEYS[2]) or '0')
  if due > 0 then
    redis.call('SET', KEYS[2], string.format('%.0f', due - tonumber(ARGV[3])), 'KEEPTTL')
  end
end
return 0
`)

var registerForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

func (b *Budgets) keys(register string) ([]string, error) {
	if !registerForm.MatchString(register) {
		return nil, fmt.Errorf("budgets: %q is no name of a register", register)
	}
	name := func(what string) string { return b.cfg.Prefix.key("register", register+":"+what) }
	return []string{name("slots"), name("even"), name("calls"), name("line"), name("seen"), b.cfg.Prefix.key("register", "begun")}, nil
}

// Take asks leave for one call.
func (b *Budgets) Take(ctx context.Context, register, ticket string, of Budget, hold time.Duration) (Grant, error) {
	keys, err := b.keys(register)
	if err != nil {
		return Grant{}, err
	}
	if of.Concurrency < 1 || of.Calls < 0 || of.Calls > 0 && (of.Per <= 0 || of.Burst < 1) {
		return Grant{}, errors.New("budgets: a budget that allows no call")
	}
	got, err := budgetTakeScript.Run(ctx, b.cfg.Client, keys, ticket, of.Concurrency, of.Calls, of.Burst,
		of.Per.Microseconds(), hold.Microseconds(), budgetAhead.Microseconds(), budgetPoll.Microseconds(), budgetLeast.Microseconds(),
		budgetMost.Microseconds(), budgetGrace.Microseconds(), budgetEmpty.Microseconds(), budgetSettle.Microseconds(), budgetTerm.Microseconds(), budgetSkew.Microseconds()).Int64Slice()
	if err != nil {
		return Grant{}, unavailable("taking from the budget of a register", err)
	}
	if len(got) != 3 {
		return Grant{}, errors.New("budgets: an answer that is not ours")
	}
	return Grant{OK: got[0] == 1, Wait: time.Duration(got[1]) * time.Microsecond, Slot: got[2]}, nil
}

// Keep says that a call goes on for at most left.
func (b *Budgets) Keep(ctx context.Context, register, ticket string, left time.Duration) error {
	keys, err := b.keys(register)
	if err != nil {
		return err
	}
	return unavailable("telling of a call", budgetKeepScript.Run(ctx, b.cfg.Client, keys[2:3], ticket, left.Microseconds()).Err())
}

// Done says that the call of a ticket is over.
func (b *Budgets) Done(ctx context.Context, register, ticket string) error {
	keys, err := b.keys(register)
	if err != nil {
		return err
	}
	return unavailable("ending a call", b.cfg.Client.ZRem(ctx, keys[2], ticket).Err())
}

// Return gives back a place in line (slot 0), or a grant that was not used.
func (b *Budgets) Return(ctx context.Context, register, ticket string, of Budget, slot int64) error {
	keys, err := b.keys(register)
	if err != nil {
		return err
	}
	var even int64
	if of.Calls > 0 {
		even = of.Per.Microseconds() / int64(of.Calls)
	}
	return unavailable("giving back a call", budgetReturnScript.Run(ctx, b.cfg.Client, keys[:5], ticket, slot, even).Err())
}
