package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"oncegate/cmd/node"
	"oncegate/gateway/api"
	"oncegate/gateway/exchange"
)

func exchangeCommand() *cobra.Command {
	c := &cobra.Command{Use: "exchange", Short: "Look at exchanges: how they stand, and every step they took", Example: "  oncegate exchange list -c oncegate.yaml\n  oncegate exchange timeline evidence.request.v1/0/12"}
	t := configFlag(c)
	c.AddCommand(exchangeList(t), exchangeGet(t), exchangeTimeline(t), exchangeExport(t))
	return c
}

func exchangeList(t *target) *cobra.Command {
	var limit int
	c := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List exchanges by last change, newest first",
		Example: "  oncegate exchange list --max 20", Args: cobra.NoArgs,
	}
	c.Flags().IntVar(&limit, "max", 50, "at most so many")
	out := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return t.with(c, func(n *node.Node) error {
			list, err := n.Exchanges().List(c.Context(), limit)
			if err != nil {
				return err
			}
			views := make([]exchangeView, 0, len(list))
			for _, x := range list {
				views = append(views, viewOf(x))
			}
			return out.print(c.OutOrStdout(), views, []string{"EXCHANGE", "ROLE", "STATE", "PROCEDURE", "PEER", "CHANGED"}, func(add func(...any)) {
				for _, v := range views {
					add(v.ID, v.Role, v.State, v.Procedure, v.Peer, v.Updated.Format(time.RFC3339))
				}
			})
		})
	}
	return c
}

// An exchangeView is the open part of a conversation.
type exchangeView struct {
	ID        string    `json:"id"`
	Role      string    `json:"role"`
	State     string    `json:"state"`
	Exchange  string    `json:"exchange"`
	Procedure string    `json:"procedure"`
	Evidence  string    `json:"evidenceType"`
	Requester string    `json:"requester"`
	Provider  string    `json:"provider"`
	Peer      string    `json:"peer"`
	Register  string    `json:"register,omitempty"`
	Documents int       `json:"documents"`
	Code      string    `json:"code,omitempty"`
	ErrorCode string    `json:"errorCode,omitempty"`
	Detail    string    `json:"detail,omitempty"`
	NextStep  string    `json:"nextStep,omitempty"`
	Opened    time.Time `json:"openedAt"`
	Updated   time.Time `json:"updatedAt"`
	Timer     string    `json:"timer,omitempty"`
	Due       time.Time `json:"due,omitzero"`
}

func viewOf(x *exchange.Conversation) exchangeView {
	return exchangeView{
		ID: string(x.ID), Role: string(x.Role), State: string(x.Phase), Exchange: string(x.Exchange), Procedure: x.Procedure,
		Evidence: x.EvidenceType.Classification, Requester: x.Requester.ID.String(), Provider: x.Provider.ID.String(), Peer: x.Peer.String(),
		Register: x.Register, Documents: len(x.Documents), Code: string(x.Code), ErrorCode: x.ErrorCode, Detail: x.Detail,
		NextStep: x.Code.NextStep(), Opened: x.OpenedAt, Updated: x.UpdatedAt, Timer: x.Timer, Due: x.Due,
	}
}

const anyID = "ID is the exchange, its ExchangeId, an AS4 MessageId, a message id or topic/partition/offset."

func exchangeGet(t *target) *cobra.Command {
	c := &cobra.Command{
		Use: "get ID", Short: "Say how one exchange stands", Long: "Say how one exchange stands, without anything about a person. " + anyID,
		Example: "  oncegate exchange get 4f6b2c1e-… -o yaml", Args: cobra.ExactArgs(1),
	}
	out := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		return t.with(c, func(n *node.Node) error {
			id, err := n.Find(c.Context(), args[0])
			if err != nil {
				return err
			}
			x, err := n.Exchanges().Get(c.Context(), id)
			if err != nil {
				return fmt.Errorf("reading exchange %s: %w", id, err)
			}
			v := viewOf(x)
			return out.print(c.OutOrStdout(), v, nil, func(add func(...any)) {
				add("exchange", v.ID)
				add("role", v.Role)
				add("state", v.State)
				add("procedure", v.Procedure)
				add("requester", v.Requester)
				add("provider", v.Provider)
				add("peer", v.Peer)
				if v.Timer != "" {
					add("waits for", v.Timer+" until "+v.Due.Format(time.RFC3339))
				}
				if v.Code != "" {
					add("code", v.Code+" "+v.ErrorCode)
					add("next step", v.NextStep)
				}
			})
		})
	}
	return c
}

func exchangeTimeline(t *target) *cobra.Command {
	c := &cobra.Command{
		Use: "timeline ID", Short: "Show every hop of one exchange: topic, partition, offset, AS4 message, duration", Long: anyID,
		Example: "  oncegate exchange timeline 4f6b2c1e-…", Args: cobra.ExactArgs(1),
	}
	out := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		return t.with(c, func(n *node.Node) error {
			id, err := n.Find(c.Context(), args[0])
			if err != nil {
				return err
			}
			hops, err := n.Timeline(c.Context(), id)
			if err != nil {
				return err
			}
			return out.print(c.OutOrStdout(), hops, []string{"TIME", "POSITION", "STEP", "OUTCOME", "TOOK", "AS4"}, func(add func(...any)) {
				for _, h := range hops {
					add(hopCells(h)...)
				}
			})
		})
	}
	return c
}

// hopCells is one line of a timeline.
func hopCells(h api.Hop) []any {
	position := ""
	if h.Partition != nil && h.Offset != nil {
		position = fmt.Sprintf("%s/%d/%d", h.Topic, *h.Partition, *h.Offset)
	}
	took := ""
	if h.Duration > 0 {
		took = time.Duration(h.Duration).Round(100 * time.Microsecond).String()
	}
	step := h.Step
	if h.Mapping != "" { // name@digest: the name is the register's
		step = h.Mapping
	}
	outcome := h.Outcome
	if h.Code != "" {
		outcome = strings.TrimSpace(outcome + " " + string(h.Code))
	}
	return []any{h.At.UTC().Format("15:04:05.000"), position, step, outcome, took, h.AS4}
}
