package mapping

import (
	"regexp"

	"oncegate/mapping/yamldoc"
)

// Secrets gives the value of a secret by its name.
type Secrets func(name string) string

// secretFunction is the name of the expression that stands for a secret.
const secretFunction = "secret"

// Query compiles rules that make what is sent. They alone may name secrets: a rule
// whose whole from is secret('name') writes the deployment's value in the place of the
// call, and nothing can be asked of it or made of it.
func (s *Scope) Query(rules yamldoc.Value, dir Direction) *Program {
	return s.program(rules, dir, true)
}

// Secrets are the names of the secrets that the rules write.
func (p *Program) Secrets() []string { return p.secrets }

// secret is what a rule writes: the value that the run was given, or for everybody
// else (samples, traces, comparisons) a text that says what stands there.
func (m *machine) secret(name string) string {
	if m.secrets == nil || m.trace {
		return SecretPlaceholder(name)
	}
	return m.secrets(name)
}

// SecretPlaceholder is what samples show in the place of a secret.
func SecretPlaceholder(name string) string { return "[secret " + name + "]" }

// secretCall reads the name in secret('name').
func secretCall(text string) (name string, ok bool) {
	m := secretPattern.FindStringSubmatch(text)
	if m == nil {
		return "", false
	}
	return m[1] + m[2], true
}

var secretPattern = regexp.MustCompile(`^\s*secret\(\s*(?:'([a-z][a-z0-9_-]{0,62})'|"([a-z][a-z0-9_-]{0,62})")\s*\)\s*$`)

// SecretName says whether a text can be the name of a secret.
func SecretName(text string) bool {
	_, ok := secretCall("secret('" + text + "')")
	return ok
}

// secret refuses what cannot stand beside a secret.
func (c *ruleCompiler) secret(r *rule, f map[string]yamldoc.Value) {
	if r.secret == "" {
		return
	}
	for _, key := range []string{"each", "when", "default", "lookup", "reverse_lookup", "as", "value"} {
		if f[key].Exists() {
			f[key].Fault("%s does not go with a secret", key)
		}
	}
}
