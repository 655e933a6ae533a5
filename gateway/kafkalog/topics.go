package kafkalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"oncegate/schemas/canon"
)

// Topics that hold no canonical messages.
const (
	TopicPayload    = "payload.v1"     // sealed chunks of evidence
	TopicPayloadKey = "payload.key.v1" // wrapped conversation keys
	deadSuffix      = ".dlq"
)

// TopicOf returns the topic of a kind.
func TopicOf(k canon.Kind) string { return string(k) }

// DeadLetters returns the topic that takes the dead letters of another.
func DeadLetters(topic string) string { return topic + deadSuffix }

// A TopicSpec says how a topic must be.
type TopicSpec struct {
	Name       string // without the deployment's prefix
	Partitions int    // Default: Config.Partitions.
	Settings   map[string]string
	Purpose    Purpose
}

// Catalogue lists every topic of the gateway with its settings and purpose: one per
// canonical kind and its dead letters, the payload chunks and the wrapped keys.
func (c *Cluster) Catalogue() []TopicSpec {
	var out []TopicSpec
	for _, k := range canon.Kinds() {
		keep := c.cfg.Retention
		switch k {
		case canon.KindAudit:
			keep = c.cfg.AuditRetention
		case canon.KindExchangeRecord:
			keep = c.cfg.RecordRetention
		}
		settings := c.kept(keep)
		if k.Compacted() {
			settings = c.compacted()
		}
		out = append(out,
			TopicSpec{Name: TopicOf(k), Settings: settings},
			// One partition: dead letters are few, and are read in order of death.
			TopicSpec{Name: DeadLetters(TopicOf(k)), Partitions: 1, Settings: c.kept(keep)})
	}
	out = append(out,
		TopicSpec{Name: TopicPayload, Settings: c.kept(c.cfg.Retention)},
		TopicSpec{Name: TopicPayloadKey, Settings: c.compacted()})
	for i := range out {
		out[i].Purpose = purposeOf(out[i].Name)
	}
	return out
}

// compacted returns the settings of a topic that keeps the latest record of every
// key. The embedded broker must not compact: it would lose the topic when it dies
// in between, so it keeps everything.
func (c *Cluster) compacted() map[string]string {
	s := c.kept(0)
	if !c.cfg.Embedded {
		s["cleanup.policy"] = "compact"
		// A forgotten key is gone from the log within a day of its tombstone.
		s["max.compaction.lag.ms"] = ms(24 * time.Hour)
		s["min.cleanable.dirty.ratio"] = "0.1"
		s["delete.retention.ms"] = ms(24 * time.Hour)
		s["segment.ms"] = ms(24 * time.Hour)
	}
	return s
}

// embeddedBytes is how much one partition keeps on the embedded broker, which
// may be told a size but no age: it loses the offsets of a partition that age
// has emptied, and size never takes the last batch.
const embeddedBytes = 1 << 30

// kept returns the settings of a topic whose records are kept for a time; 0
// means for ever.
func (c *Cluster) kept(d time.Duration) map[string]string {
	s := map[string]string{
		"cleanup.policy":         "delete",
		"retention.ms":           "-1",
		"retention.bytes":        "-1",
		"max.message.bytes":      strconv.Itoa(c.cfg.MaxMessageBytes),
		"message.timestamp.type": "CreateTime",
		"compression.type":       "producer",
	}
	switch {
	case d > 0 && c.cfg.Embedded:
		s["retention.bytes"] = strconv.Itoa(embeddedBytes)
	case d > 0:
		s["retention.ms"] = ms(d)
	}
	if c.cfg.MinInSync > 0 {
		s["min.insync.replicas"] = strconv.Itoa(c.cfg.MinInSync)
	}
	return s
}

func ms(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// A Difference is a setting of an existing topic that is not as specified. It is
// reported, not mended: whoever changed it may have had a reason, and fewer
// partitions cannot be had.
type Difference struct {
	Topic, Setting, Want, Got string
}

// EnsureTopics makes the topics that are missing and reports how existing ones
// differ. It makes none where the purpose of one is not declared.
func (c *Cluster) EnsureTopics(ctx context.Context, specs ...TopicSpec) ([]Difference, error) {
	if err := checkPurposes(specs...); err != nil {
		return nil, err
	}
	if err := c.refresh(ctx); err != nil {
		return nil, unavailable(err, "reading the cluster's metadata")
	}
	layout, err := c.layout(ctx)
	if err != nil {
		return nil, unavailable(err, "reading the cluster's metadata")
	}
	var missing []kafka.TopicConfig
	var existing []TopicSpec
	for _, s := range specs {
		setDefault(&s.Partitions, c.cfg.Partitions)
		if _, ok := layout.Topics[c.wireName(s.Name)]; ok {
			existing = append(existing, s)
			continue
		}
		t := kafka.TopicConfig{Topic: c.wireName(s.Name), NumPartitions: s.Partitions, ReplicationFactor: c.cfg.ReplicationFactor}
		for _, k := range slices.Sorted(maps.Keys(s.Settings)) {
			t.ConfigEntries = append(t.ConfigEntries, kafka.ConfigEntry{ConfigName: k, ConfigValue: s.Settings[k]})
		}
		missing = append(missing, t)
	}
	if len(missing) > 0 {
		res, err := c.client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: missing})
		if err != nil {
			return nil, unavailable(err, "creating topics")
		}
		var errs []error
		var made []string
		for wire, err := range res.Errors {
			if err != nil && !errors.Is(err, kafka.TopicAlreadyExists) { // another process was quicker
				errs = append(errs, fmt.Errorf("creating topic %s: %w", wire, err))
				continue
			}
			made = append(made, wire)
		}
		if len(errs) > 0 {
			return nil, errors.Join(errs...)
		}
		if err := c.awaitLeaders(ctx, made); err != nil {
			return nil, unavailable(err, "creating topics")
		}
	}
	return c.compare(ctx, existing)
}

// awaitLeaders waits until every partition can be written to.
func (c *Cluster) awaitLeaders(ctx context.Context, wires []string) error {
	var wait backoff
	for {
		if err := c.refresh(ctx, wires...); err != nil {
			return err
		}
		layout, err := c.layout(ctx)
		if err != nil {
			return err
		}
		ready := true
		for _, wire := range wires {
			t, ok := layout.Topics[wire]
			ready = ready && ok && len(t.Partitions) > 0
			for _, p := range t.Partitions {
				_, led := layout.Brokers[p.Leader]
				ready = ready && led
			}
		}
		if ready {
			return nil
		}
		if !wait.sleep(ctx, writeRetry, c.cfg.Jitter) {
			return context.Cause(ctx)
		}
	}
}

func (c *Cluster) compare(ctx context.Context, specs []TopicSpec) ([]Difference, error) {
	if len(specs) == 0 {
		return nil, nil
	}
	layout, err := c.layout(ctx)
	if err != nil {
		return nil, unavailable(err, "reading the cluster's metadata")
	}
	got, err := c.settings(ctx, specs)
	if err != nil {
		return nil, err
	}
	var out []Difference
	for _, s := range specs {
		if n := len(layout.Topics[c.wireName(s.Name)].Partitions); n != s.Partitions {
			out = append(out, Difference{s.Name, "partitions", strconv.Itoa(s.Partitions), strconv.Itoa(n)})
		}
		for _, k := range slices.Sorted(maps.Keys(s.Settings)) {
			if g := got[s.Name][k]; g != s.Settings[k] {
				out = append(out, Difference{s.Name, k, s.Settings[k], g})
			}
		}
	}
	return out, nil
}

func (c *Cluster) settings(ctx context.Context, specs []TopicSpec) (map[string]map[string]string, error) {
	req := &kafka.DescribeConfigsRequest{}
	for _, s := range specs {
		req.Resources = append(req.Resources, kafka.DescribeConfigRequestResource{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: c.wireName(s.Name), ConfigNames: slices.Sorted(maps.Keys(s.Settings)),
		})
	}
	res, err := c.client.DescribeConfigs(ctx, req)
	if err != nil {
		return nil, unavailable(err, "reading the settings of topics")
	}
	out := make(map[string]map[string]string)
	for _, r := range res.Resources {
		if r.Error != nil {
			return nil, fmt.Errorf("reading the settings of %s: %w", r.ResourceName, r.Error)
		}
		name, _ := c.ownName(r.ResourceName)
		out[name] = make(map[string]string)
		for _, e := range r.ConfigEntries {
			out[name][e.ConfigName] = e.ConfigValue
		}
	}
	return out, nil
}

// A TopicInfo describes a topic as it is.
type TopicInfo struct {
	Name       string          `json:"name"`
	Records    int64           `json:"records"` // between first and end; compaction and transactions leave gaps
	Partitions []PartitionInfo `json:"partitions"`
}

// A PartitionInfo describes one partition.
type PartitionInfo struct {
	Partition int   `json:"partition"`
	Leader    int   `json:"leader"` // -1: none
	Replicas  int   `json:"replicas"`
	InSync    int   `json:"inSync"`
	First     int64 `json:"first"`
	End       int64 `json:"end"`
}

// Topics lists the deployment's topics, those of the given names or all.
func (c *Cluster) Topics(ctx context.Context, names ...string) ([]TopicInfo, error) {
	if err := c.refresh(ctx); err != nil {
		return nil, unavailable(err, "listing topics")
	}
	layout, err := c.layout(ctx)
	if err != nil {
		return nil, unavailable(err, "listing topics")
	}
	var out []TopicInfo
	ask := make(map[string][]int)
	for wire, t := range layout.Topics {
		name, ours := c.ownName(wire)
		if !ours || strings.HasPrefix(name, "__") || len(names) > 0 && !slices.Contains(names, name) {
			continue
		}
		info := TopicInfo{Name: name}
		for _, p := range t.Partitions {
			pi := PartitionInfo{Partition: int(p.ID), Leader: -1, Replicas: len(p.Replicas), InSync: len(p.ISR), First: -1, End: -1}
			if b, ok := layout.Brokers[p.Leader]; ok {
				pi.Leader = int(b.ID)
				ask[name] = append(ask[name], int(p.ID))
			}
			info.Partitions = append(info.Partitions, pi)
		}
		slices.SortFunc(info.Partitions, func(a, b PartitionInfo) int { return cmp.Compare(a.Partition, b.Partition) })
		out = append(out, info)
	}
	for _, n := range names {
		if !slices.ContainsFunc(out, func(t TopicInfo) bool { return t.Name == n }) {
			return nil, fmt.Errorf("%w: %s", ErrUnknownTopic, n)
		}
	}
	firsts, err := c.offsets(ctx, firstOffset, ask)
	if err != nil {
		return nil, err
	}
	ends, err := c.offsets(ctx, endOffset, ask)
	if err != nil {
		return nil, err
	}
	for i := range out {
		t := &out[i]
		for j := range t.Partitions {
			p := &t.Partitions[j]
			if p.Leader < 0 {
				continue
			}
			p.First, p.End = firsts[t.Name][p.Partition], ends[t.Name][p.Partition]
			t.Records += p.End - p.First
		}
	}
	slices.SortFunc(out, func(a, b TopicInfo) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// A Lag is how far a group is behind on one partition.
type Lag struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	Committed int64  `json:"committed"` // -1: nothing yet
	End       int64  `json:"end"`
	Lag       int64  `json:"lag"`
}

// Groups lists the deployment's consumer groups.
func (c *Cluster) Groups(ctx context.Context) ([]string, error) {
	res, err := c.client.ListGroups(ctx, &kafka.ListGroupsRequest{})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return nil, unavailable(err, "listing groups")
	}
	var out []string
	for _, g := range res.Groups {
		if name, ours := c.ownName(g.GroupID); ours {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out, nil
}

// Lag returns how far a group is behind, on every partition of the topics.
func (c *Cluster) Lag(ctx context.Context, group string, topics ...string) ([]Lag, error) {
	infos, err := c.Topics(ctx, topics...)
	if err != nil {
		return nil, err
	}
	ask := make(map[string][]int)
	for _, t := range infos {
		for _, p := range t.Partitions {
			ask[c.wireName(t.Name)] = append(ask[c.wireName(t.Name)], p.Partition)
		}
	}
	res, err := c.committed(ctx, group, ask)
	if err != nil {
		return nil, err
	}
	var out []Lag
	for _, t := range infos {
		committed := make(map[int]int64)
		for _, p := range res.Topics[c.wireName(t.Name)] {
			if p.Error != nil {
				return nil, fmt.Errorf("reading the committed offset of %s/%d: %w", t.Name, p.Partition, p.Error)
			}
			committed[p.Partition] = p.CommittedOffset
		}
		for _, p := range t.Partitions {
			l := Lag{Topic: t.Name, Partition: p.Partition, Committed: -1, End: p.End}
			if o, ok := committed[p.Partition]; ok {
				l.Committed = o
			}
			l.Lag = max(0, p.End-max(l.Committed, p.First))
			out = append(out, l)
		}
	}
	return out, nil
}

// committed reads the offsets of a group, waiting for a coordinator that is just
// coming up. A group that nobody knows has committed nothing.
func (c *Cluster) committed(ctx context.Context, group string, wires map[string][]int) (*kafka.OffsetFetchResponse, error) {
	var wait backoff
	for {
		res, err := c.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: c.wireName(group), Topics: wires})
		if err == nil {
			err = res.Error
		}
		if err == nil {
			return res, nil
		}
		if errors.Is(err, kafka.GroupIdNotFound) {
			return &kafka.OffsetFetchResponse{}, nil
		}
		if !brokenConnection(err) || wait.n >= 8 || !wait.sleep(ctx, writeRetry, c.cfg.Jitter) {
			return nil, unavailable(err, "reading committed offsets")
		}
	}
}
