package node

import (
	"context"
	"strings"
	"testing"

	"oncegate/schemas/canon"
)

// A query to a register that no process serves waits for as long as somebody
// waits for it, and then makes way.
func TestAQueryToAnUnknownRegisterMakesWayAtItsEnd(t *testing.T) {
	asked := 0
	h := ask(map[string]canon.Handler{"births": func(context.Context, canon.Message) ([]canon.Message, error) {
		asked++
		return nil, nil
	}})
	query := func(register string) *canon.RegisterQuery {
		return &canon.RegisterQuery{Register: register, Private: canon.Clear(canon.QueryPrivate{})}
	}
	message := func(b canon.Body) canon.Message { return canon.Message{ID: "m", Kind: b.Kind(), Body: b} }
	if _, err := h(t.Context(), message(query("births"))); err != nil || asked != 1 {
		t.Errorf("a known register was asked %d times, %v", asked, err)
	}
	if _, err := h(t.Context(), message(query("nowhere"))); err == nil || canon.AsFault(err).Kind != canon.Unavailable {
		t.Errorf("got %v, want it tried again", err)
	}
	data, err := canon.MarshalBody(query("nowhere"), func([]byte) (canon.Box, error) { return canon.Box{Key: "k"}, nil })
	if err != nil {
		t.Fatal(err)
	}
	over, err := canon.UnmarshalBody(canon.KindRegisterQuery, data, func(canon.Box) ([]byte, error) { return nil, canon.ErrForgotten })
	if err != nil {
		t.Fatal(err)
	}
	if out, err := h(t.Context(), message(over)); err != nil || len(out) != 0 {
		t.Errorf("once its exchange is over: %d messages, %v; want it passed over", len(out), err)
	}
}

func TestARouteToARegisterThatIsNotThereIsAFault(t *testing.T) {
	cfg, err := Load(sample(t))
	if err != nil {
		t.Fatal(err)
	}
	delete(cfg.Registers, "births")
	if err := cfg.Check(false); err == nil || !strings.Contains(err.Error(), "births") {
		t.Errorf("got %v, want the register named", err)
	}
	cfg.Roles = []string{RoleCore} // another process serves it
	if err := cfg.Check(false); err != nil {
		t.Errorf("checking a process without registers: %v", err)
	}
}
