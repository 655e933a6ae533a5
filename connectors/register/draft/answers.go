package draft

import (
	"fmt"
	"strings"
)

// A field is one element of the invented reply and the rule that reads it. With
// fields it is a record in a list: one for each element of the name.
type field struct {
	to     string // of the canonical record; ends in [] for a list
	words  string // name of the element
	value  string
	rule   string // the keys of the rule after its target; empty: from the element
	fields []field
	again  []field // a second element of the name
}

// items are the elements of a list.
func (f field) items() [][]field {
	if f.again == nil {
		return [][]field{f.fields}
	}
	return [][]field{f.fields, f.again}
}

// person are the fields of a person at a place of the record.
func person(at string) []field {
	return []field{
		{to: at + "familyName", words: "family-name", value: "Example", rule: "from: %s, required: true"},
		{to: at + "givenName", words: "given-name", value: "Alma", rule: "from: %s, required: true"},
		{to: at + "birthDate", words: "birth-date", value: "1990-01-31", rule: "from: partial-date(%s), required: true"},
	}
}

// answers are the replies by the type of the record: what its schema requires and a
// little more.
func answers() map[string][]field {
	institution := field{to: "institution.name", words: "institution", value: "Office of Examples", rule: "from: %s, required: true"}
	return map[string][]field{
		"birth": append(person("person."),
			field{to: "person.sex", words: "sex", value: "F", rule: "from: %s, lookup: sex, unmapped: fail"},
			field{to: "person.placeOfBirth.town", words: "birth-town", value: "Exampleton"},
			field{to: "entry.number", words: "entry-number", value: "1990-42"},
			field{to: "entry.registeredOn", words: "registered", value: "1990-02-03", rule: "from: date(%s)"},
			field{to: "parents[]", words: "parent", fields: []field{
				{to: "role", words: "role", value: "M", rule: "from: %s, lookup: role, unmapped: fail, required: true"},
				{to: "familyName", words: "family-name", value: "Example"},
				{to: "givenName", words: "given-name", value: "Berta"},
			}}),
		"marriage": {
			{to: "date", words: "married", value: "2019-06-15", rule: "from: partial-date(%s), required: true"},
			{to: "entry.number", words: "entry-number", value: "2019-42"},
			{to: "spouses[]", words: "spouse", fields: person(""), again: []field{
				{words: "family-name", value: "Sample"}, {words: "given-name", value: "Cato"}, {words: "birth-date", value: "1991-05-05"},
			}},
		},
		"residence": append(person("person."),
			field{to: "addresses[]", words: "address", fields: []field{
				{to: "street", words: "street", value: "Sample Street"},
				{to: "houseNumber", words: "house-number", value: "7"},
				{to: "postCode", words: "post-code", value: "1042"},
				{to: "town", words: "town", value: "Exampleton"},
				{to: "since", words: "since", value: "2015-05-01", rule: "from: partial-date(%s)"},
			}}),
		"diploma": append(person("person."), institution,
			field{to: "qualification.title", words: "degree", value: "Bachelor of Examples", rule: "from: %s, required: true"},
			field{to: "qualification.awardedOn", words: "awarded", value: "2012-07-01", rule: "from: date(%s)"}),
		"company": {
			{to: "company.name", words: "name", value: "Example Works Ltd", rule: "from: %s, required: true"},
			{to: "company.legalForm", words: "legal-form", value: "Limited company"},
			{to: "status", words: "status", value: "A", rule: "from: %s, lookup: status, unmapped: fail, required: true"},
		},
		"vehicle": {
			{to: "registration.plate", words: "plate", value: "EX 042", rule: "from: %s, required: true"},
			{to: "registration.firstOn", words: "first-registered", value: "2018-03-01", rule: "from: partial-date(%s)"},
			{to: "vehicle.vin", words: "vin", value: "TESTVEHICLE000042", rule: "from: %s, required: true"},
			{to: "vehicle.make", words: "make", value: "Sampler"},
			{to: "holders[]", words: "holder", fields: person("person.")},
		},
		"tax-statement": append(person("taxpayer.person."),
			field{to: "subject", words: "subject", value: "I", rule: "from: %s, lookup: subject, unmapped: fail, required: true"},
			field{to: "period.from", words: "year-from", value: "2024-01-01", rule: "from: date(%s)"},
			field{to: "period.until", words: "year-until", value: "2024-12-31", rule: "from: date(%s)"},
			field{to: "income.value", words: "income", value: "24310.55", rule: "from: %s, as: number"},
			field{to: "income.currency", words: "currency", value: "EUR"}),
		"social-security-statement": append(person("person."), institution,
			field{to: "asOf", words: "as-of", value: "2026-01-15", rule: "from: date(%s)"}),
		"pension-statement": append(person("person."), institution,
			field{to: "pensions[]", words: "pension", fields: []field{
				{to: "kind", words: "kind", value: "A", rule: "from: %s, lookup: pension, unmapped: fail, required: true"},
				{to: "status", words: "status", value: "P", rule: "from: %s, lookup: status, unmapped: fail, required: true"},
				{to: "from", words: "since", value: "2019-03-30", rule: "from: partial-date(%s)"},
			}}),
		"document": append(person("person."),
			field{to: "title", words: "title", value: "Certificate of examples", rule: "from: %s, required: true"},
			field{to: "sections[]", words: "section", fields: []field{
				{to: "title", words: "heading", value: "Data"},
				{to: "text", words: "text", value: "Nothing is entered."},
			}}),
	}
}

// lists are the code lists that the rules of a record look codes up in.
func lists(record string) string {
	return map[string]string{
		"birth":             "code_lists:\n  sex: {F: female, M: male}\n  role: {M: mother, F: father}\n\n",
		"company":           "code_lists:\n  status: {A: active, D: deleted}\n\n",
		"tax-statement":     "code_lists:\n  subject: {I: income, D: debts}\n\n",
		"pension-statement": "code_lists:\n  pension: {A: old-age, S: survivor}\n  status: {P: paid, E: ended}\n\n",
	}[record]
}

// rulesOf writes the rules that read the fields.
func rulesOf(f form, fields []field, indent string) string {
	var b strings.Builder
	for _, x := range fields {
		from := f.step(x.words)
		if x.fields != nil {
			fmt.Fprintf(&b, "%s- to: %q\n%s  each: %s\n%s  rules:\n%s", indent, x.to, indent, from, indent, rulesOf(f, x.fields, indent+"    "))
			continue
		}
		rule := "from: " + from
		if x.rule != "" {
			rule = fmt.Sprintf(x.rule, from)
		}
		fmt.Fprintf(&b, "%s- {to: %s, %s}\n", indent, x.to, rule)
	}
	return b.String()
}

func xmlOf(f form, fields []field, indent, prefix string) string {
	var b strings.Builder
	for _, x := range fields {
		name := prefix + f.name(x.words)
		if x.fields != nil {
			for _, item := range x.items() {
				fmt.Fprintf(&b, "%s<%s>\n%s%s</%s>\n", indent, name, xmlOf(f, item, indent+"  ", prefix), indent, name)
			}
			continue
		}
		fmt.Fprintf(&b, "%s<%s>%s</%s>\n", indent, name, x.value, name)
	}
	return b.String()
}

func jsonOf(f form, fields []field, indent string) string {
	var b strings.Builder
	for i, x := range fields {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, "\n%s%q: ", indent, f.name(x.words))
		if x.fields != nil {
			var items []string
			for _, item := range x.items() {
				items = append(items, "{"+jsonOf(f, item, indent+"  ")+"\n"+indent+"}")
			}
			b.WriteString("[" + strings.Join(items, ", ") + "]")
			continue
		}
		fmt.Fprintf(&b, "%q", x.value)
	}
	return b.String()
}
