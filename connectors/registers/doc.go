// Package registers holds the national registers as data: one folder each, with
// register.yaml and the samples that prove it.
//
// It owns knowledge of formats and nothing else; addresses and secrets belong to
// the deployment, behaviour to connectors/register. The registers model the shape of
// national formats; they are fictitious, and so is everybody in them. Before it:
// authors of register.yaml (docs/adding-a-register.md). After it: register.Load.
package registers
