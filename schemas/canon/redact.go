package canon

import (
	"fmt"
	"log/slog"
)

// redacted is what persons and locations print as.
const redacted = "[redacted]"

// Private parts, and the people in them, print nothing of themselves: neither
// with fmt, whatever the verb, nor with slog. What they hold reaches the log's
// topics sealed only (Sealed).

func redact(f fmt.State) { fmt.Fprint(f, redacted) }

var hidden = slog.StringValue(redacted)

// Format prints no person.
func (Subject) Format(f fmt.State, _ rune) { redact(f) }

// LogValue prints no person.
func (Subject) LogValue() slog.Value { return hidden }

// Format prints no person.
func (NaturalPerson) Format(f fmt.State, _ rune) { redact(f) }

// LogValue prints no person.
func (NaturalPerson) LogValue() slog.Value { return hidden }

// Format prints no company.
func (LegalPerson) Format(f fmt.State, _ rune) { redact(f) }

// LogValue prints no company.
func (LegalPerson) LogValue() slog.Value { return hidden }

// Format prints no person and no location.
func (RequestPrivate) Format(f fmt.State, _ rune) { redact(f) }

// LogValue prints no person and no location.
func (RequestPrivate) LogValue() slog.Value { return hidden }

// Format prints no location.
func (PreviewPrivate) Format(f fmt.State, _ rune) { redact(f) }

// LogValue prints no location.
func (PreviewPrivate) LogValue() slog.Value { return hidden }

// Format prints no person.
func (ResponsePrivate) Format(f fmt.State, _ rune) { redact(f) }

// LogValue prints no person.
func (ResponsePrivate) LogValue() slog.Value { return hidden }

// Format prints no person.
func (OpenedPrivate) Format(f fmt.State, _ rune) { redact(f) }

// LogValue prints no person.
func (OpenedPrivate) LogValue() slog.Value { return hidden }

// Format prints no person.
func (QueryPrivate) Format(f fmt.State, _ rune) { redact(f) }

// LogValue prints no person.
func (QueryPrivate) LogValue() slog.Value { return hidden }

// Format prints no person.
func (Representative) Format(f fmt.State, _ rune) { redact(f) }

// LogValue prints no person.
func (Representative) LogValue() slog.Value { return hidden }

// Format prints no place.
func (Address) Format(f fmt.State, _ rune) { redact(f) }

// LogValue prints no place.
func (Address) LogValue() slog.Value { return hidden }

// Format prints no person.
func (NonLatin) Format(f fmt.State, _ rune) { redact(f) }

// LogValue prints no person.
func (NonLatin) LogValue() slog.Value { return hidden }

// Format prints no company.
func (Identifier) Format(f fmt.State, _ rune) { redact(f) }

// LogValue prints no company.
func (Identifier) LogValue() slog.Value { return hidden }

// Format prints no attribute.
func (Attribute) Format(f fmt.State, _ rune) { redact(f) }

// LogValue prints no attribute.
func (Attribute) LogValue() slog.Value { return hidden }

// Format prints no answer.
func (ConceptAnswer) Format(f fmt.State, _ rune) { redact(f) }

// LogValue prints no answer.
func (ConceptAnswer) LogValue() slog.Value { return hidden }
