// Package capture turns the answers of a register into samples: it replaces
// whatever could name somebody by pseudonyms, and keeps the result as files that
// tests, training and a fake register work with.
//
// It owns the rules (key pseudonymise of register.yaml), the pseudonyms and the
// folder of captured cases. What no rule names is masked: a rule that is missing
// costs a value, never a person. The key of the pseudonyms lives in the memory of
// one process, so nobody can go back from a sample to a person, and the same person
// has one pseudonym as long as that process runs.
//
// Before it: connectors/register, with a query and the answer to it. After it: a
// folder of samples of that register.
package capture
