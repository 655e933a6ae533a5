package canon_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"oncegate/schemas/canon"
)

// TestCatalogueIsWhole compares the constants in the source with the catalogue:
// a code without a kind and a next step helps nobody.
func TestCatalogueIsWhole(t *testing.T) {
	declared := constants(t, "catalogue.go", "Code")
	listed := canon.Codes()
	if len(declared) != len(listed) {
		t.Errorf("%d codes are declared, %d are in the catalogue", len(declared), len(listed))
	}
	form := regexp.MustCompile(`^OG-[A-Z0-9]{3}-[0-9]{4}$`)
	for _, value := range declared {
		c := canon.Code(value)
		if !slices.Contains(listed, c) {
			t.Errorf("%s is not in the catalogue", c)
			continue
		}
		if !form.MatchString(value) {
			t.Errorf("%s: want the form OG-XXX-0000", c)
		}
		if !slices.Contains(canon.FaultKinds(), c.Kind()) {
			t.Errorf("%s has the unknown kind %q", c, c.Kind())
		}
		if next := c.NextStep(); len(next) < 10 || !strings.HasSuffix(next, ".") {
			t.Errorf("%s: next step %q is no sentence", c, next)
		}
	}
	if slices.Sort(declared); len(slices.Compact(declared)) != len(listed) {
		t.Error("a code stands for two faults")
	}
}

func TestFaultKindsAreWhole(t *testing.T) {
	declared := constants(t, "fault.go", "FaultKind")
	var listed []string
	for _, k := range canon.FaultKinds() {
		listed = append(listed, string(k))
	}
	slices.Sort(declared)
	slices.Sort(listed)
	if !slices.Equal(declared, listed) {
		t.Errorf("declared %v, listed %v", declared, listed)
	}
}

func TestKindsAreWhole(t *testing.T) {
	declared := constants(t, "kinds.go", "Kind")
	var listed []string
	for _, k := range canon.Kinds() {
		listed = append(listed, string(k))
	}
	if !slices.Equal(declared, listed) {
		t.Errorf("declared %v, listed %v", declared, listed)
	}
}

// constants returns the values of all constants of a type in a file.
func constants(t *testing.T, file, typ string) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); !ok || id.Name != typ {
			return true
		}
		for _, v := range spec.Values {
			if lit, ok := v.(*ast.BasicLit); ok {
				s, err := strconv.Unquote(lit.Value)
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, s)
			}
		}
		return true
	})
	if len(out) == 0 {
		t.Fatalf("no constants of %s in %s", typ, file)
	}
	return out
}

func TestFault(t *testing.T) {
	cause := errors.New("cause")
	f := canon.NewFault(canon.CodeRegisterDown, cause, "register %s", "lv-births")
	if f.Kind != canon.Unavailable || f.Code != canon.CodeRegisterDown {
		t.Errorf("%+v", f)
	}
	if want := "OG-REG-0003 unavailable: register lv-births: cause"; f.Error() != want {
		t.Errorf("Error() = %q, want %q", f.Error(), want)
	}
	wrapped := fmt.Errorf("asking: %w", f)
	if canon.AsFault(wrapped) != f || !errors.Is(wrapped, cause) {
		t.Error("the fault or its cause is lost in the chain")
	}
	if got := canon.AsFault(cause); got.Kind != canon.Internal || got.Code != canon.CodeInternal || !errors.Is(got, cause) {
		t.Errorf("a plain error is %+v, want Internal", got)
	}
	if canon.AsFault(nil) != nil {
		t.Error("no error is a fault")
	}
	if got := canon.Code("OG-XXX-0000").Kind(); got != canon.Internal {
		t.Errorf("an unknown code is %s, want internal", got)
	}
}

func TestForgottenIsAFaultOfItsOwn(t *testing.T) {
	f := canon.AsFault(fmt.Errorf("storing: %w", canon.ErrForgotten))
	if f.Code != canon.CodePayloadForgotten || f.Kind != canon.NotFound || !errors.Is(f, canon.ErrForgotten) {
		t.Errorf("AsFault = %s %s, want %s with its cause", f.Code, f.Kind, canon.CodePayloadForgotten)
	}
}
