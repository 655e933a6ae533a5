// Package capture turns the answers of a register into samples: it replaces
// whatever could name somebody by pseudonyms, and keeps the result as files that
// tests, training and a fake register work with.
//
// It owns the rules (key pseudonymise of register.yaml), the pseudonyms and the
// folder of captured cases. What no rule names is masked: a rule that is missing
// costs a value, never a person. The key of the pseudonyms lives in the memory of
// one process, so nobody can go back from a sample to a person, and the same person
// has one pseudonym as long as that process runs. Names of elements and members stay,
// but for those that look like numbers of persons or like texts; an answer in which the
// person asked for is still named after all is not kept. Names of other persons as names
// of elements or members are not found out: a register that writes such answers is not
// for recording.
//
// Before it: connectors/register, with a query and the answer to it. After it: a
// folder of samples of that register.
package capture
