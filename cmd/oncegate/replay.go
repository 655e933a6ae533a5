package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"oncegate/cmd/node"
	"oncegate/gateway/replay"
	"oncegate/schemas/canon"
)

// A selector is the set of flags that choose records.
type selector struct {
	topics               []string
	partition            int
	from, to             int64
	fromTime, toTime     string
	since                time.Duration
	conversation, id     string
	headers              map[string]string
	limit                int
	flags                *pflag.FlagSet
	allTopicsWhenUnnamed bool
}

func selectorFlags(c *cobra.Command) *selector {
	s := &selector{flags: c.Flags()}
	f := c.Flags()
	f.StringSliceVar(&s.topics, "topic", nil, "topic to read; may be repeated")
	f.IntVar(&s.partition, "partition", 0, "only this partition")
	f.Int64Var(&s.from, "from-offset", 0, "first offset")
	f.Int64Var(&s.to, "to-offset", 0, "up to this offset, exclusive")
	f.StringVar(&s.fromTime, "from-time", "", "written at or after (RFC 3339)")
	f.StringVar(&s.toTime, "to-time", "", "written before (RFC 3339)")
	f.DurationVar(&s.since, "since", 0, "written in this time, e.g. 2h")
	f.StringVar(&s.conversation, "key", "", "only this conversation")
	f.StringVar(&s.id, "id", "", "only this message")
	f.StringToStringVar(&s.headers, "header", nil, "only records with this header, name=value")
	f.IntVar(&s.limit, "max", 0, "at most so many messages")
	_ = c.RegisterFlagCompletionFunc("topic", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return kindNames(), cobra.ShellCompDirectiveNoFileComp
	})
	return s
}

func kindNames() []string {
	var out []string
	for _, k := range canon.Kinds() {
		out = append(out, string(k))
	}
	return out
}

func (s *selector) selection() (replay.Selection, error) {
	sel := replay.Selection{
		Topics: s.topics, Since: s.since, Conversation: canon.ConversationID(s.conversation),
		Message: canon.MessageID(s.id), Headers: s.headers, Limit: s.limit, Dead: s.allTopicsWhenUnnamed,
	}
	if len(sel.Topics) == 0 && s.allTopicsWhenUnnamed {
		sel.Topics = kindNames()
	}
	if s.flags.Changed("partition") {
		sel.Partition = &s.partition
	}
	if s.flags.Changed("from-offset") {
		sel.FromOffset = &s.from
	}
	if s.flags.Changed("to-offset") {
		sel.ToOffset = &s.to
	}
	for _, t := range []struct {
		flag, text string
		to         *time.Time
	}{{"from-time", s.fromTime, &sel.From}, {"to-time", s.toTime, &sel.To}} {
		if t.text == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, t.text)
		if err != nil {
			return sel, usagef("--%s: want RFC 3339 such as 2026-11-21T09:00:00Z", t.flag)
		}
		*t.to = at
	}
	if err := sel.Validate(); err != nil {
		return sel, usagef("%w", err)
	}
	return sel, nil
}

func replayCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "replay", Short: "Send messages of the log again, marked and counted",
		Long: `Send messages of the log again. The same bytes are written with the header
gw_replay_of, ids are kept: whoever has handled a message does nothing more, and
edges do not deliver twice. With --again new ids are derived and the work is done
again; that needs a reason, which is audited.`,
		Example: "  oncegate replay plan --topic register.query.v1 --since 2h\n  oncegate replay run --topic register.query.v1 --since 2h --execute",
	}
	t := configFlag(c)
	c.AddCommand(replayPlan(t), replayRun(t))
	return c
}

func replayPlan(t *target) *cobra.Command {
	var again bool
	c := &cobra.Command{
		Use: "plan", Short: "Count what a replay would do; nothing is sent",
		Example: "  oncegate replay plan --topic register.query.v1 --since 2h", Args: cobra.NoArgs,
	}
	s := selectorFlags(c)
	c.Flags().BoolVar(&again, "again", false, "plan for doing the work again, under new ids")
	out := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		sel, err := s.selection()
		if err != nil {
			return err
		}
		return withReplayer(c, t, func(r *replay.Replayer) error {
			p, err := r.Plan(c.Context(), sel, again)
			if err != nil {
				return err
			}
			return printPlan(c.OutOrStdout(), out, p)
		})
	}
	return c
}

func printPlan(w io.Writer, out *printer, p *replay.Plan) error {
	return out.print(w, p, nil, func(add func(...any)) {
		add("plan", p.ID)
		add("messages", p.Messages)
		add("exchanges", p.Exchanges)
		for _, k := range p.Kinds {
			add("  "+string(k.Kind), k.Messages)
		}
		for reason, n := range p.Skipped {
			add("left out: "+string(reason), n)
		}
		if p.Truncated {
			add("note", "the limit was reached, there is more")
		}
	})
}

func replayRun(t *target) *cobra.Command {
	var opt replay.RunOptions
	var again, execute bool
	var resume string
	c := &cobra.Command{
		Use: "run", Short: "Carry out a replay; without --execute it only plans",
		Example: `  oncegate replay run --topic register.query.v1 --since 2h --execute
  oncegate replay run --topic exchange.notice.v1 --key 4f6b… --again --reason "portal lost its database" --execute
  oncegate replay run --resume 3d1f… --execute`, Args: cobra.NoArgs,
	}
	s := selectorFlags(c)
	f := c.Flags()
	f.BoolVar(&execute, "execute", false, "send; without it only the plan is shown")
	f.BoolVar(&again, "again", false, "derive new ids, so that the work is done again; needs --reason")
	f.StringVar(&opt.Reason, "reason", "", "why; audited, names no person")
	f.Float64Var(&opt.Rate, "rate", 50, "messages a second")
	f.StringVar(&resume, "resume", "", "go on with this plan")
	out := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if again && opt.Reason == "" {
			return &codedError{exitRefused, fmt.Errorf("--again needs --reason: it is audited")}
		}
		return withReplayer(c, t, func(r *replay.Replayer) error {
			var p *replay.Plan
			if resume != "" {
				var err error
				if p, err = r.Resume(c.Context(), resume); err != nil {
					return err
				}
			} else {
				sel, err := s.selection()
				if err != nil {
					return err
				}
				if p, err = r.Plan(c.Context(), sel, again); err != nil {
					return err
				}
			}
			return execPlan(c, r, p, opt, out, execute)
		})
	}
	return c
}

// execPlan runs a plan with progress on standard error, or only shows it.
func execPlan(c *cobra.Command, r *replay.Replayer, p *replay.Plan, opt replay.RunOptions, out *printer, execute bool) error {
	if !execute {
		fmt.Fprintln(c.ErrOrStderr(), "nothing was sent; add --execute to carry this out")
		return printPlan(c.OutOrStdout(), out, p)
	}
	opt.Progress = func(rep replay.Report) {
		fmt.Fprintf(c.ErrOrStderr(), "\rsent %d of %d", rep.Sent, rep.Messages)
	}
	rep, err := r.Run(c.Context(), p, opt)
	fmt.Fprintln(c.ErrOrStderr())
	if rep == nil {
		return err
	}
	perr := out.print(c.OutOrStdout(), rep, nil, func(add func(...any)) {
		add("plan", rep.Job)
		add("outcome", rep.Outcome)
		add("sent", rep.Sent)
		for reason, n := range rep.Skipped {
			add("left out: "+string(reason), n)
		}
	})
	if err != nil {
		return fmt.Errorf("%w (resume with: oncegate replay run --resume %s --execute)", err, rep.Job)
	}
	return perr
}

func withReplayer(c *cobra.Command, t *target, f func(*replay.Replayer) error) error {
	return t.with(c, func(n *node.Node) error {
		r, err := n.Replayer(stateDir())
		if err != nil {
			return err
		}
		return f(r)
	})
}
