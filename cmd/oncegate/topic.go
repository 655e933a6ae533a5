package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"oncegate/cmd/node"
	"oncegate/gateway/kafkalog"
	"oncegate/schemas/canon"
)

func topicCommand() *cobra.Command {
	c := &cobra.Command{Use: "topic", Short: "List and read the topics of the log", Example: "  oncegate topic list -c oncegate.yaml\n  oncegate topic consume audit.v1 --since 10m"}
	t := configFlag(c)
	c.AddCommand(topicList(t), topicConsume(t))
	return c
}

func topicList(t *target) *cobra.Command {
	c := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List topics with their size and how far their readers are behind",
		Example: "  oncegate topic list\n  oncegate topic list -o json",
		Args:    cobra.NoArgs,
	}
	out := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return t.with(c, func(n *node.Node) error {
			topics, err := n.Cluster().Topics(c.Context())
			if err != nil {
				return err
			}
			return out.print(c.OutOrStdout(), topics, []string{"TOPIC", "PARTITIONS", "RECORDS"}, func(add func(...any)) {
				for _, t := range topics {
					add(t.Name, len(t.Partitions), t.Records)
				}
			})
		})
	}
	return c
}

// A headView is what may be shown of a record: its head, never its body.
type headView struct {
	Position     string               `json:"position"`
	Time         time.Time            `json:"time"`
	Conversation canon.ConversationID `json:"conversation"`
	Kind         canon.Kind           `json:"kind,omitempty"`
	Message      canon.MessageID      `json:"message,omitempty"`
	Cause        canon.MessageID      `json:"cause,omitempty"`
	ReplayOf     canon.MessageID      `json:"replayOf,omitempty"`
	Bytes        int                  `json:"bytes"`
	Body         any                  `json:"body,omitempty"` // the open part, with --body
}

func topicConsume(t *target) *cobra.Command {
	var since time.Duration
	var from, to int64
	var partition, limit int
	var conversation string
	var body bool
	c := &cobra.Command{
		Use: "consume TOPIC", Short: "Read records up to the present end: heads, and open parts with --body",
		Long: "Read the records of a topic up to its present end. Private parts stay sealed whatever the flags: this tool never opens them.",
		Example: `  oncegate topic consume evidence.request.v1 --since 2h
  oncegate topic consume audit.v1 --key 4f6b… --body -o json`,
		Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, k := range canon.Kinds() {
				names = append(names, kafkalog.TopicOf(k))
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
	f := c.Flags()
	f.DurationVar(&since, "since", 0, "only records written in this time, e.g. 2h")
	f.IntVar(&partition, "partition", -1, "only this partition")
	f.Int64Var(&from, "from-offset", 0, "with --partition: the first offset")
	f.Int64Var(&to, "to-offset", 0, "with --partition: up to this offset, exclusive")
	f.StringVar(&conversation, "key", "", "only this conversation")
	f.IntVar(&limit, "max", 1000, "at most so many records")
	f.BoolVar(&body, "body", false, "show the open part of bodies")
	out := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if partition < 0 && (f.Changed("from-offset") || f.Changed("to-offset")) {
			return usagef("--from-offset and --to-offset go with --partition")
		}
		return t.with(c, func(n *node.Node) error {
			r := kafkalog.Range{Topic: args[0], FromOffset: from, ToOffset: to, Conversation: canon.ConversationID(conversation)}
			if partition >= 0 {
				r.Partitions = []int{partition}
			}
			if since > 0 {
				r.FromTime = time.Now().Add(-since)
			}
			sealed, err := kafkalog.NewCodec(kafkalog.CodecConfig{Source: "/tools"}) // no keys: private parts stay closed
			if err != nil {
				return err
			}
			views := []headView{}
			err = n.Cluster().Scan(c.Context(), r, func(rec kafkalog.Record) error {
				v := headView{Position: rec.Position().String(), Time: rec.Time, Conversation: canon.ConversationID(rec.Key), Bytes: len(rec.Value)}
				if m, err := sealed.Decode(c.Context(), &rec); err == nil {
					v.Kind, v.Message, v.Cause, v.ReplayOf = m.Kind, m.ID, m.Cause, m.ReplayOf
					if body {
						v.Body = m.Body
					}
				}
				if views = append(views, v); len(views) >= limit {
					return kafkalog.ErrStop
				}
				return nil
			})
			if errors.Is(err, kafkalog.ErrUnknownTopic) {
				return usagef("there is no topic %s; see 'oncegate topic list'", args[0])
			}
			if err != nil {
				return fmt.Errorf("reading %s: %w", args[0], err)
			}
			return out.print(c.OutOrStdout(), views, []string{"POSITION", "TIME", "CONVERSATION", "MESSAGE", "BYTES"}, func(add func(...any)) {
				for _, v := range views {
					add(v.Position, v.Time.UTC().Format(time.RFC3339Nano), v.Conversation, v.Message, v.Bytes)
				}
			})
		})
	}
	return c
}
