package routing

import "oncegate/schemas/codes"

// scope returns the provision under which evidence may be exchanged for a
// procedure: it is one of Annex II, of one of the four directives, or one that a
// Union act integrates; a procedure of the Union with a mechanism of its own has no
// such act and is out (Reg. 2018/1724 Art. 14(1) and 14(10)). Which codes there are
// is data.
func (t *Table) scope(procedure string) (basis string, why Reason) {
	p, ok := t.lists.Procedure(procedure)
	switch {
	case !ok:
		return "", OutOfScope
	case p.Test() && !t.tests:
		return "", TestOnly
	case p.Test():
		return "system check without a person's data", ""
	}
	switch p.Basis.Kind {
	case codes.BasisAnnexII, codes.BasisDirective, codes.BasisUnionAct:
		if p.Basis.Act == "" {
			return "", OutOfScope
		}
		if p.Basis.Provision == "" {
			return p.Basis.Act, ""
		}
		return p.Basis.Act + ", " + p.Basis.Provision, ""
	}
	return "", OutOfScope
}

// Basis returns the provision under which evidence may be exchanged for a
// procedure, nothing where it is out of scope.
func (t *Table) Basis(procedure string) string {
	basis, _ := t.scope(procedure)
	return basis
}
