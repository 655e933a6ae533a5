package main

import (
	"errors"
	"fmt"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"oncegate/cmd/node"
	"oncegate/gateway/messages"
	"oncegate/schemas/canon"
)

func messageCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "message", Short: "Look after AS4 messages: where they stand, and sending failed ones again",
		Long: `Look after the messages that other access points sent and were sent. States have
the names of Domibus: READY_TO_SEND, SEND_IN_PROGRESS, WAITING_FOR_RETRY,
READY_TO_PULL, BEING_PULLED, WAITING_FOR_RECEIPT, ACKNOWLEDGED,
ACKNOWLEDGED_WITH_WARNING, SEND_FAILURE, RECEIVED.`,
		Example: "  oncegate message list --state SEND_FAILURE -c oncegate.yaml\n  oncegate message resend 4f6b2c1e-…@gate.example --reason \"partner mended its P-Mode\"",
	}
	t := configFlag(c)
	c.AddCommand(messageList(t), messageGet(t), messageResend(t), pingCommand(t))
	return c
}

func stateNames(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var out []string
	for _, s := range canon.MessageStates() {
		out = append(out, string(s))
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// A noteView is where a message stood at one time.
type noteView struct {
	At       time.Time          `json:"at"`
	State    canon.MessageState `json:"state"`
	Series   int                `json:"series"`
	Attempts int                `json:"attempts"`
	Next     time.Time          `json:"nextAttemptAt,omitzero"`
	Code     canon.Code         `json:"code,omitempty"`
	Error    string             `json:"error,omitempty"`
	NextStep string             `json:"nextStep,omitempty"`
}

// An as4View is one AS4 message.
type as4View struct {
	AS4          string     `json:"as4"`
	Direction    string     `json:"direction"`
	Peer         string     `json:"peer"`
	Action       string     `json:"action,omitempty"`
	Conversation string     `json:"conversation,omitempty"`
	Exchange     string     `json:"exchange,omitempty"`
	Message      string     `json:"message,omitempty"`
	Kind         string     `json:"kind,omitempty"`
	Final        bool       `json:"final"`
	Parts        int        `json:"parts,omitempty"`
	Bytes        int64      `json:"bytes,omitempty"`
	noteView                // where it stands now
	Notes        []noteView `json:"notes,omitempty"` // oldest first
}

func viewOfNote(n canon.MessageNote) noteView {
	return noteView{At: n.At.UTC(), State: n.State, Series: n.Series, Attempts: n.Attempts, Next: n.Next, Code: n.Code, Error: n.Error, NextStep: n.Code.NextStep()}
}

func viewOfMessage(n canon.MessageNote) as4View {
	return as4View{
		AS4: n.AS4, Direction: string(n.Direction), Peer: n.Peer.String(), Action: n.Action, Conversation: string(n.Conversation), Exchange: string(n.Exchange),
		Message: string(n.Message), Kind: string(n.Kind), Final: n.State.Final(), Parts: n.Parts, Bytes: n.Bytes, noteView: viewOfNote(n),
	}
}

// why is the failure of a note in one cell.
func (v noteView) why() string { return strings.TrimSpace(string(v.Code) + " " + v.Error) }

func messageList(t *target) *cobra.Command {
	var f messages.Filter
	var state, direction, conversation, exchange, since, until string
	var limit int
	c := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List messages by last change, newest first",
		Example: `  oncegate message list --max 20
  oncegate message list --state SEND_FAILURE --since 24h -o json
  oncegate message list --peer AP_LV_01 --direction in --since 2026-11-21T00:00:00Z`, Args: cobra.NoArgs,
	}
	fl := c.Flags()
	fl.StringVar(&state, "state", "", "only messages in this state")
	fl.StringVar(&direction, "direction", "", "only messages that came (in) or went (out)")
	fl.StringVar(&f.Peer, "peer", "", "only messages of this access point: its id, or scheme::id")
	fl.StringVar(&f.Action, "action", "", "only messages with this ebMS action")
	fl.StringVar(&conversation, "conversation", "", "only messages of this exchange, by its own id")
	fl.StringVar(&exchange, "exchange", "", "only messages of this exchange, by its ExchangeId on the wire")
	fl.StringVar(&since, "since", "", "changed in this time, e.g. 2h, or at or after (RFC 3339)")
	fl.StringVar(&until, "until", "", "changed before (RFC 3339)")
	fl.IntVar(&limit, "max", 50, "at most so many")
	_ = c.RegisterFlagCompletionFunc("state", stateNames)
	_ = c.RegisterFlagCompletionFunc("direction", cobra.FixedCompletions([]string{"in", "out"}, cobra.ShellCompDirectiveNoFileComp))
	out := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		f.State, f.Direction = canon.MessageState(strings.ToUpper(state)), canon.MessageDirection(direction)
		f.Conversation, f.Exchange = canon.ConversationID(conversation), canon.ExchangeID(exchange)
		if names, _ := stateNames(nil, nil, ""); f.State != "" && !slices.Contains(names, string(f.State)) {
			return usagef("--state %q: want one of %s", state, strings.Join(names, ", "))
		}
		if direction != "" && direction != "in" && direction != "out" {
			return usagef("--direction %q: want in or out", direction)
		}
		if limit < 1 {
			return usagef("--max: want 1 or more")
		}
		var err error
		if f.Since, err = moment("since", since); err != nil {
			return err
		}
		if f.Until, err = moment("until", until); err != nil {
			return err
		}
		return t.with(c, func(n *node.Node) error {
			views, err := listMessages(c, n.Messages(), f, limit)
			if err != nil {
				return err
			}
			return out.print(c.OutOrStdout(), views, []string{"MESSAGE", "DIRECTION", "STATE", "ATTEMPTS", "PEER", "ACTION", "CHANGED", "WHY"}, func(add func(...any)) {
				for _, v := range views {
					add(printable(v.AS4), v.Direction, v.State, v.Attempts, printable(v.Peer), printable(v.Action), v.At.Format(time.RFC3339), v.why())
				}
			})
		})
	}
	return c
}

func listMessages(c *cobra.Command, r messages.Reader, f messages.Filter, limit int) ([]as4View, error) {
	views := []as4View{}
	q := messages.Query{Filter: f}
	for len(views) < limit {
		q.Limit = min(limit-len(views), messages.MaxLimit)
		page, err := r.List(c.Context(), q)
		if err != nil {
			return nil, err
		}
		for _, n := range page.Messages {
			views = append(views, viewOfMessage(n))
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	return views, nil
}

// moment reads a time, or how long ago it was.
func moment(flag, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return time.Now().Add(-d), nil
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return at, usagef("--%s %q: want a duration such as 2h, or RFC 3339 such as 2026-11-21T09:00:00Z", flag, s)
	}
	return at, nil
}

func messageGet(t *target) *cobra.Command {
	c := &cobra.Command{
		Use: "get ID", Short: "Say where one message stands and how it came there", Long: "Say where one message stands, with its history: every attempt, and what came of it. ID is the ebMS MessageId.",
		Example: "  oncegate message get 4f6b2c1e-…@gate.example -o yaml", Args: cobra.ExactArgs(1),
	}
	out := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		return t.with(c, func(n *node.Node) error {
			m, err := n.Messages().Get(c.Context(), args[0])
			if errors.Is(err, messages.ErrUnknown) {
				return canon.NewFault(canon.CodeUnknownMessage, nil, "no message has this MessageId")
			}
			if err != nil {
				return err
			}
			v := viewOfMessage(m.MessageNote)
			for _, n := range m.Notes {
				v.Notes = append(v.Notes, viewOfNote(n))
			}
			return out.print(c.OutOrStdout(), v, nil, func(add func(...any)) {
				addMessage(add, v)
				for _, n := range v.Notes {
					add("  "+n.At.Format(time.RFC3339), historyCell(n))
				}
			})
		})
	}
	return c
}

func addMessage(add func(...any), v as4View) {
	for _, row := range [][2]string{
		{"message", printable(v.AS4)}, {"direction", v.Direction}, {"state", string(v.State)}, {"peer", printable(v.Peer)}, {"action", printable(v.Action)},
		{"exchange", v.Conversation}, {"kind", v.Kind}, {"why", v.why()}, {"next step", v.NextStep},
	} {
		if row[1] != "" {
			add(row[0], row[1])
		}
	}
	if v.Direction == string(canon.MessageOut) {
		add("attempts", v.Attempts)
	}
	if v.Series > 0 {
		add("resends", v.Series)
	}
	if !v.Next.IsZero() {
		add("next attempt", v.Next.UTC().Format(time.RFC3339))
	}
}

func historyCell(n noteView) string {
	s := string(n.State)
	if n.Attempts > 0 {
		s += fmt.Sprintf(", attempt %d", n.Attempts)
	}
	if n.Series > 0 {
		s += fmt.Sprintf(" of resend %d", n.Series)
	}
	if why := n.why(); why != "" {
		s += ": " + why
	}
	return s
}

func messageResend(t *target) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "resend ID...", Short: "Send failed messages again, under their own MessageId",
		Long: `Send messages that ended in SEND_FAILURE again: the same message under the same
MessageId, in a new series of attempts, so that a partner who has it finds the
duplicate. The reason and your login are entered in the legal record.

A message whose exchange has ended is refused: what it held was erased. So is a
request of ours, whose authority was told of the failure and asks anew.`,
		Example: `  oncegate message resend 4f6b2c1e-…@gate.example --reason "partner mended its P-Mode"`, Args: cobra.MinimumNArgs(1),
	}
	c.Flags().StringVar(&reason, "reason", "", "why; audited, names no person. Required")
	out := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if strings.TrimSpace(reason) == "" {
			return &codedError{exitRefused, fmt.Errorf("a resend needs --reason: it is audited")}
		}
		return t.with(c, func(n *node.Node) error {
			var errs []error
			views := []as4View{}
			for _, id := range args {
				m, err := n.Resend(c.Context(), messages.Order{AS4: id, Reason: reason, Actor: actor()})
				if err != nil {
					errs = append(errs, fmt.Errorf("%s: %w", printable(id), err))
					continue
				}
				views = append(views, viewOfMessage(m))
			}
			perr := out.print(c.OutOrStdout(), views, []string{"MESSAGE", "STATE", "RESEND", "PEER"}, func(add func(...any)) {
				for _, v := range views {
					add(printable(v.AS4), v.State, v.Series, printable(v.Peer))
				}
			})
			return errors.Join(append(errs, perr)...)
		})
	}
	return c
}

// actor is the login of who types, for the legal record.
func actor() string {
	name := ""
	if u, err := user.Current(); err == nil {
		name = strings.Map(func(r rune) rune {
			if r <= ' ' || r > '~' {
				return '_'
			}
			return r
		}, u.Username)
	}
	if name == "" {
		name = "unknown"
	}
	return "os:" + name[:min(len(name), 80)]
}
