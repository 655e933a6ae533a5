package redisstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"oncegate/schemas/canon"
)

// ShelfConfig says what a Shelf works with.
type ShelfConfig struct {
	Client Client       // Required.
	Prefix Prefix       // Required.
	Sealer canon.Sealer // Required. Seals the private parts of messages.
	// Grace is how long a message that expired waits for somebody who says so.
	// Default: 336 h.
	Grace time.Duration
}

// Shelf keeps messages for partners that fetch them, and those that are sent again
// later. Its methods are those of connectors/edelivery.Shelf.
//
//	<prefix>:shelf:1:item:<sha256 of the message id>   hash: the message, private part sealed, and where it stands
//	<prefix>:shelf:1:ready:<sha256 of the partition>   sorted set: item by the time of its message
//	<prefix>:shelf:1:wait:<sha256 of the partition>    sorted set: item by the time before which it is not handed out
//	<prefix>:shelf:1:out:<sha256 of the partition>     sorted set: item by the end of its lease
//	<prefix>:shelf:1:due                               sorted set: item by the time when it is spent
//	<prefix>:shelf:1:partitions                        sorted set: the partitions that hold items, all with score 0
//	<prefix>:shelf:1:whole                             set once everything was restored from the log
//	<prefix>:shelf:1:recovering                        set while somebody restores
//
// A change is one script. Times in it are those of the caller.
type Shelf struct {
	cfg ShelfConfig
	records
}

// NewShelf checks the configuration and reports all faults at once.
func NewShelf(cfg ShelfConfig) (*Shelf, error) {
	var faults []error
	if cfg.Client == nil {
		faults = append(faults, errors.New("shelf: Client is required"))
	}
	if cfg.Sealer == nil {
		faults = append(faults, errors.New("shelf: Sealer is required"))
	}
	faults = append(faults, cfg.Prefix.check())
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if cfg.Grace <= 0 {
		cfg.Grace = 14 * 24 * time.Hour
	}
	return &Shelf{cfg: cfg, records: records{cfg.Sealer}}, nil
}

func (s *Shelf) key(what string) string { return s.cfg.Prefix.key("shelf", "1:"+what) }

// hashOf keeps names that may come from outside out of our keys.
func hashOf(text string) string {
	h := sha256.Sum256([]byte(text))
	return hex.EncodeToString(h[:])
}

// setTerm makes a set live as long as the longest of its items.
const setTerm = `
local function add(set, score, id, term)
  redis.call('ZADD', set, score, id)
  if redis.call('PTTL', set) < term then redis.call('PEXPIRE', set, term) end
end
`

// makeReady takes what has reached its time from one set into that of ready items.
const makeReady = `
local function move(from, ready, items, now)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', from, '-inf', now)) do
    redis.call('ZREM', from, id)
    local i = redis.call('HMGET', items .. id, 'taken', 'attempts', 'at')
    if i[1] and tonumber(i[1]) < tonumber(i[2]) then add(ready, i[3], id, redis.call('PTTL', items .. id)) end
  end
end
`

var (
	putScript = redis.NewScript(setTerm + `
local item, ready, due, sets = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, at, expires, term = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local shelf, series = unpack(redis.call('HMGET', item, 'shelf', 'series'))
if series then
  if tonumber(series) >= tonumber(ARGV[10]) then return 0 end
  redis.call('DEL', item)
  redis.call('ZREM', sets .. 'ready:' .. shelf, id)
  redis.call('ZREM', sets .. 'wait:' .. shelf, id)
  redis.call('ZREM', sets .. 'out:' .. shelf, id)
end
redis.call('HSET', item, 'series', ARGV[10], 'at', at, 'expires', expires, 'attempts', ARGV[5], 'taken', ARGV[12], 'shelf', ARGV[6], 'partition', ARGV[7], 'conversation', ARGV[8], 'message', ARGV[9])
redis.call('PEXPIRE', item, term)
if ARGV[13] ~= '' then redis.call('HSET', item, 'kept', ARGV[13]) end
if ARGV[11] ~= '' then add(sets .. 'wait:' .. ARGV[6], ARGV[11], id, term) else add(ready, at, id, term) end
add(sets .. 'partitions', 0, ARGV[7], term)
add(due, expires, id, term)
return 1`)

	takeScript = redis.NewScript(setTerm + makeReady + `
local ready, out, due, items, wait, partitions = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local now, till = tonumber(ARGV[1]), tonumber(ARGV[2])
move(wait, ready, items, ARGV[1])
move(out, ready, items, ARGV[1])
while true do
  local id = redis.call('ZRANGE', ready, 0, 0)[1]
  if not id then
    if redis.call('ZCARD', out) + redis.call('ZCARD', wait) == 0 then redis.call('ZREM', partitions, ARGV[3]) end
    return false
  end
  redis.call('ZREM', ready, id)
  local i = redis.call('HMGET', items .. id, 'expires', 'attempts')
  if i[1] and now < tonumber(i[1]) then
    local term = redis.call('PTTL', items .. id)
    add(out, ARGV[2], id, term)
    if redis.call('HINCRBY', items .. id, 'taken', 1) >= tonumber(i[2]) then
      add(due, till < tonumber(i[1]) and ARGV[2] or i[1], id, term)
    end
    return redis.call('HGETALL', items .. id)
  end
end`)

	holdScript = redis.NewScript(setTerm + `
local item, due, sets, id, till = KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[3]
local shelf, series, taken, attempts, expires = unpack(redis.call('HMGET', item, 'shelf', 'series', 'taken', 'attempts', 'expires'))
if series ~= ARGV[2] or not redis.call('ZSCORE', sets .. 'out:' .. shelf, id) then return 0 end
local term = redis.call('PTTL', item)
add(sets .. 'out:' .. shelf, till, id, term)
if tonumber(taken) >= tonumber(attempts) then
  add(due, tonumber(till) < tonumber(expires) and till or expires, id, term)
end
return 1`)

	keepScript = redis.NewScript(`
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'kept', ARGV[1]) end
return 1`)

	waitScript = redis.NewScript(setTerm + `
local item, due, sets = KEYS[1], KEYS[2], KEYS[3]
local id, taken, till = ARGV[1], ARGV[3], ARGV[4]
local shelf, series, attempts, expires = unpack(redis.call('HMGET', item, 'shelf', 'series', 'attempts', 'expires'))
if series ~= ARGV[2] then return 0 end
local term = redis.call('PTTL', item)
redis.call('HSET', item, 'taken', taken)
redis.call('ZREM', sets .. 'ready:' .. shelf, id)
redis.call('ZREM', sets .. 'out:' .. shelf, id)
add(sets .. 'wait:' .. shelf, till, id, term)
local over = tonumber(taken) >= tonumber(attempts) and tonumber(till) < tonumber(expires)
add(due, over and till or expires, id, term)
return 1`)

	wakeScript = redis.NewScript(setTerm + makeReady + `
move(KEYS[1], KEYS[2], KEYS[3], '+inf')
return 1`)

	dropScript = redis.NewScript(`
local item, due, sets, id = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local shelf, series = unpack(redis.call('HMGET', item, 'shelf', 'series'))
if series and series ~= ARGV[2] then return 0 end
redis.call('DEL', item)
redis.call('ZREM', due, id)
if shelf then
  redis.call('ZREM', sets .. 'ready:' .. shelf, id)
  redis.call('ZREM', sets .. 'wait:' .. shelf, id)
  redis.call('ZREM', sets .. 'out:' .. shelf, id)
end
return 1`)

	dueScript = redis.NewScript(`
local due, items, all = KEYS[1], KEYS[2], {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])) do
  local item = redis.call('HGETALL', items .. id)
  if #item > 0 then all[#all + 1] = item else redis.call('ZREM', due, id) end
end
return all`)
)

// Depth returns how many messages of the partition lie on the shelf or are being
// fetched, and the time of the oldest that lies there.
func (s *Shelf) Depth(ctx context.Context, partition string) (count int64, oldest time.Time, err error) {
	ready, out := s.key("ready:"+hashOf(partition)), s.key("out:"+hashOf(partition))
	var lying, taken *redis.IntCmd
	var first *redis.ZSliceCmd
	_, err = s.cfg.Client.Pipelined(ctx, func(p redis.Pipeliner) error {
		lying, taken = p.ZCard(ctx, ready), p.ZCard(ctx, out)
		first = p.ZRangeWithScores(ctx, ready, 0, 0)
		return nil
	})
	if err != nil {
		return 0, oldest, unavailable("counting a shelf", err)
	}
	for _, z := range first.Val() {
		oldest = time.UnixMilli(int64(z.Score))
	}
	return lying.Val() + taken.Val(), oldest, nil
}

// Put lays a message on the shelf of its partition, unless it lies there in this
// series or a later one.
func (s *Shelf) Put(ctx context.Context, item canon.Shelved) error {
	m := item.Message
	text, err := s.sealMessages(ctx, m.Conversation, []canon.Message{m})
	if err != nil {
		return err
	}
	id, shelf := hashOf(string(m.ID)), hashOf(item.Partition)
	term := max(time.Until(item.Expires), 0) + s.cfg.Grace
	from := ""
	if !item.From.IsZero() {
		from = millis(item.From)
	}
	keys := []string{s.key("item:" + id), s.key("ready:" + shelf), s.key("due"), s.key("")}
	return unavailable("putting a message on the shelf", putScript.Run(ctx, s.cfg.Client, keys,
		id, millis(m.At), millis(item.Expires), term.Milliseconds(), item.Attempts, shelf, item.Partition, string(m.Conversation), text, m.Series,
		from, item.Taken, item.Kept).Err())
}

// Take hands out the oldest message of the partition that is ready at now, until
// lease has passed; nil where there is none.
func (s *Shelf) Take(ctx context.Context, partition string, now time.Time, lease time.Duration) (*canon.Shelved, error) {
	shelf := hashOf(partition)
	keys := []string{s.key("ready:" + shelf), s.key("out:" + shelf), s.key("due"), s.key("item:"), s.key("wait:" + shelf), s.key("partitions")}
	flat, err := takeScript.Run(ctx, s.cfg.Client, keys, millis(now), millis(now.Add(lease)), partition).StringSlice()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, unavailable("taking a message from the shelf", err)
	}
	fields := map[string]string{}
	for i := 0; i+1 < len(flat); i += 2 {
		fields[flat[i]] = flat[i+1]
	}
	return s.read(ctx, fields)
}

// Hold prolongs the lease of a message of that series which is handed out now.
func (s *Shelf) Hold(ctx context.Context, id canon.MessageID, series int, until time.Time) error {
	name := hashOf(string(id))
	keys := []string{s.key("item:" + name), s.key("due"), s.key("")}
	return unavailable("holding a message", holdScript.Run(ctx, s.cfg.Client, keys, name, series, millis(until)).Err())
}

// Keep notes what the receipt of a message must match.
func (s *Shelf) Keep(ctx context.Context, id canon.MessageID, kept []byte) error {
	return unavailable("keeping what a receipt must match",
		keepScript.Run(ctx, s.cfg.Client, []string{s.key("item:" + hashOf(string(id)))}, kept).Err())
}

// Wait puts a message of that series off: it was handed out taken times, and is not
// ready before until.
func (s *Shelf) Wait(ctx context.Context, id canon.MessageID, series, taken int, until time.Time) error {
	name := hashOf(string(id))
	keys := []string{s.key("item:" + name), s.key("due"), s.key("")}
	return unavailable("putting a message off", waitScript.Run(ctx, s.cfg.Client, keys, name, series, taken, millis(until)).Err())
}

// Wake makes ready what waits in the partition for its time.
func (s *Shelf) Wake(ctx context.Context, partition string) error {
	shelf := hashOf(partition)
	keys := []string{s.key("wait:" + shelf), s.key("ready:" + shelf), s.key("item:")}
	return unavailable("waking messages", wakeScript.Run(ctx, s.cfg.Client, keys).Err())
}

// Partitions returns those that hold messages, and perhaps some that held any before
// Take last found nothing in them.
func (s *Shelf) Partitions(ctx context.Context) ([]string, error) {
	out, err := s.cfg.Client.ZRange(ctx, s.key("partitions"), 0, -1).Result()
	return out, unavailable("asking for partitions", err)
}

// Find returns the message, nil where it is not there.
func (s *Shelf) Find(ctx context.Context, id canon.MessageID) (*canon.Shelved, error) {
	fields, err := s.cfg.Client.HGetAll(ctx, s.key("item:"+hashOf(string(id)))).Result()
	if err != nil {
		return nil, unavailable("looking on the shelf", err)
	}
	if len(fields) == 0 {
		return nil, nil
	}
	return s.read(ctx, fields)
}

// Drop removes the message, if it is there in that series.
func (s *Shelf) Drop(ctx context.Context, id canon.MessageID, series int) error {
	name := hashOf(string(id))
	keys := []string{s.key("item:" + name), s.key("due"), s.key("")}
	return unavailable("taking a message down", dropScript.Run(ctx, s.cfg.Client, keys, name, series).Err())
}

// Due returns up to most messages that are spent at now. They stay until Drop. One that
// cannot be read, as of a newer version, is an error beside the others.
func (s *Shelf) Due(ctx context.Context, now time.Time, most int) ([]canon.Shelved, error) {
	found, err := dueScript.Run(ctx, s.cfg.Client, []string{s.key("due"), s.key("item:")}, millis(now), most).Slice()
	if err != nil {
		return nil, unavailable("asking for spent messages", err)
	}
	out := make([]canon.Shelved, 0, len(found))
	var faults []error
	for _, f := range found {
		flat, _ := f.([]any)
		fields := map[string]string{}
		for i := 0; i+1 < len(flat); i += 2 {
			k, _ := flat[i].(string)
			fields[k], _ = flat[i+1].(string)
		}
		item, err := s.read(ctx, fields)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		out = append(out, *item)
	}
	return out, errors.Join(faults...)
}

var errNotShelved = errors.New("reading the shelf: not of ours")

func (s *Shelf) read(ctx context.Context, fields map[string]string) (*canon.Shelved, error) {
	conversation := canon.ConversationID(fields["conversation"])
	ms, err := s.openMessages(ctx, conversation, []byte(fields["message"]))
	if err != nil {
		return nil, err
	}
	attempts, err1 := strconv.Atoi(fields["attempts"])
	taken, err2 := strconv.Atoi(fields["taken"])
	expires, err3 := strconv.ParseInt(fields["expires"], 10, 64)
	if err := errors.Join(err1, err2, err3); err != nil || len(ms) != 1 {
		return nil, fmt.Errorf("%w: %w", errNotShelved, errors.Join(err, errors.New("damaged item")))
	}
	item := &canon.Shelved{Message: ms[0], Partition: fields["partition"], Attempts: attempts, Taken: taken, Expires: time.UnixMilli(expires).UTC()}
	if kept, ok := fields["kept"]; ok {
		item.Kept = []byte(kept)
	}
	return item, nil
}

// Restore calls fill where the shelf was lost, or never filled, since Restore last
// ended well.
func (s *Shelf) Restore(ctx context.Context, fill func(ctx context.Context) error) error {
	n, err := s.cfg.Client.Exists(ctx, s.key("whole")).Result()
	if err != nil {
		return unavailable("asking whether the shelf is whole", err)
	}
	if n > 0 {
		return nil
	}
	if err := s.cfg.Client.Set(ctx, s.key("recovering"), "1", time.Hour).Err(); err != nil {
		return unavailable("marking a recovery", err)
	}
	if err := fill(ctx); err != nil {
		return err
	}
	return unavailable("marking the shelf whole", wholeScript.Run(ctx, s.cfg.Client, []string{s.key("recovering"), s.key("whole")}).Err())
}

// wholeScript marks nothing where the shelf was lost again meanwhile. The mark has no
// term: it says that nothing was lost since, and goes with everything else.
var wholeScript = redis.NewScript(`
if redis.call('DEL', KEYS[1]) == 1 then redis.call('SET', KEYS[2], '1') end
return 1`)
