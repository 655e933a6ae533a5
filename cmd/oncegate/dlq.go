package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"oncegate/gateway/replay"
)

func dlqCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "dlq", Short: "Look after dead letters: records that could not be handled",
		Long:    "A dead letter keeps the original bytes, key and headers; the cause stands in added headers.",
		Example: "  oncegate dlq list -c oncegate.yaml\n  oncegate dlq redrive --topic evidence.request.v1 --execute",
	}
	t := configFlag(c)
	c.AddCommand(dlqList(t), dlqShow(t), dlqRedrive(t))
	return c
}

func dlqList(t *target) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List dead letters that wait for somebody",
		Example: "  oncegate dlq list\n  oncegate dlq list --topic register.record.v1 --all", Args: cobra.NoArgs,
	}
	s := selectorFlags(c)
	s.allTopicsWhenUnnamed = true
	c.Flags().BoolVar(&all, "all", false, "also those that were redriven or discarded")
	out := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		sel, err := s.selection()
		if err != nil {
			return err
		}
		return withReplayer(c, t, func(r *replay.Replayer) error {
			letters := []replay.Letter{}
			if err := r.Letters(c.Context(), sel, all, func(l replay.Letter) error { letters = append(letters, l); return nil }); err != nil {
				return err
			}
			return out.print(c.OutOrStdout(), letters, []string{"POSITION", "DIED", "CODE", "ATTEMPTS", "CAUSE"}, func(add func(...any)) {
				for _, l := range letters {
					add(l.Position, l.DiedAt.UTC().Format(time.RFC3339), l.Code, l.Attempts, l.Cause)
				}
			})
		})
	}
	return c
}

func dlqShow(t *target) *cobra.Command {
	c := &cobra.Command{
		Use: "show POSITION", Short: "Show one dead letter: cause, headers, original bytes",
		Long:    "Show one dead letter. Its bytes are shown as they are stored; a private part in them is sealed.",
		Example: "  oncegate dlq show evidence.request.v1.dlq/0/12", Args: cobra.ExactArgs(1),
	}
	out := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		return withReplayer(c, t, func(r *replay.Replayer) error {
			l, rec, err := r.Show(c.Context(), args[0])
			if err != nil {
				return err
			}
			v := letterView{Letter: l, Headers: map[string]string{}}
			for _, h := range rec.Headers {
				v.Headers[h.Key] = string(h.Value)
			}
			if text := string(rec.Value); utf8.ValidString(text) {
				v.Value = &text
			} else {
				v.Bytes = rec.Value
			}
			return out.print(c.OutOrStdout(), v, nil, func(add func(...any)) {
				add("position", l.Position)
				add("topic", l.Topic)
				add("from", l.Origin)
				add("group", l.Group)
				add("stage", l.Stage)
				add("conversation", l.Conversation)
				add("message", l.ID)
				add("code", l.Code)
				add("cause", l.Cause)
				add("next step", l.NextStep)
				add("attempts", l.Attempts)
				for _, h := range rec.Headers {
					add("  "+printable(h.Key), printable(string(h.Value)))
				}
				add("value", printable(strings.TrimSpace(string(rec.Value))))
			})
		})
	}
	return c
}

// A letterView is one dead letter with its record. What is no text is shown in
// base64: the bytes are the evidence of what went wrong.
type letterView struct {
	*replay.Letter
	Headers map[string]string `json:"headers"`
	Value   *string           `json:"value,omitempty"`
	Bytes   []byte            `json:"valueBase64,omitempty"`
}

// printable quotes what a terminal would obey instead of show: a stranger wrote it.
func printable(s string) string {
	control := func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) && r != '\n' && r != '\t' }
	if strings.ContainsFunc(s, control) {
		return strconv.Quote(s)
	}
	return s
}

func dlqRedrive(t *target) *cobra.Command {
	var opt replay.RunOptions
	var discard, execute bool
	c := &cobra.Command{
		Use: "redrive", Short: "Send dead letters to their topics again; without --execute it only plans",
		Example: "  oncegate dlq redrive --topic evidence.request.v1\n  oncegate dlq redrive --topic evidence.request.v1 --execute", Args: cobra.NoArgs,
	}
	s := selectorFlags(c)
	f := c.Flags()
	f.BoolVar(&execute, "execute", false, "send; without it only the plan is shown")
	f.BoolVar(&discard, "discard", false, "settle without sending; needs --reason")
	f.StringVar(&opt.Reason, "reason", "", "why; audited, names no person")
	f.Float64Var(&opt.Rate, "rate", 50, "messages a second")
	out := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if discard && opt.Reason == "" {
			return &codedError{exitRefused, fmt.Errorf("--discard needs --reason: it is audited")}
		}
		sel, err := s.selection()
		if err != nil {
			return err
		}
		sel.Dead = true
		return withReplayer(c, t, func(r *replay.Replayer) error {
			plan := func() (*replay.Plan, error) { return r.Plan(c.Context(), sel, false) }
			if discard {
				plan = func() (*replay.Plan, error) { return r.PlanDiscard(c.Context(), sel) }
			}
			p, err := plan()
			if err != nil {
				return err
			}
			return execPlan(c, r, p, opt, out, execute)
		})
	}
	return c
}
