package node

import (
	"strings"
	"testing"
)

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
