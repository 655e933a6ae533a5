// Package choice finds the way from a procedure to evidence requests: what the
// procedure wants proved, which evidence proves it in which Member State, which
// authority gives it, and what of this the person has to choose.
//
// It owns the rules of that: evidence types in one option go together (AND), any
// option proves the requirement (OR), all requirements of a procedure are needed,
// one evidence that proves several requirements is asked for once, and where
// several options or authorities fit, the person chooses, never the gateway. Solve
// is pure; a Guide fetches for it what it does not know. It does not own the
// answers (connectors/directory), nor the exchanges that a plan leads to. Before
// it: gateway/api. After it: the portal, which opens exchanges from a plan.
package choice
