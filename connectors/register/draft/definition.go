package draft

import (
	"fmt"
	"strings"

	"oncegate/schemas/records"
)

// definition writes register.yaml.
func (w writer) definition() string {
	var b strings.Builder
	b.WriteString(w.head())
	b.WriteString(w.transport())
	b.WriteString(w.prefixes())
	if w.found == nil {
		b.WriteString(lists(w.Record))
	}
	b.WriteString(w.queryRules())
	if w.found != nil {
		b.WriteString(w.drafted())
	} else {
		b.WriteString(w.reply())
	}
	b.WriteString(`
# What was agreed with the register. A deployment may be stricter, never laxer.
care:
  concurrency: 2                        # calls at one time, all instances together
  rate: {calls: 5, per: 1s, burst: 5}
  timeout: 20s
  repeat: safe                          # never: a call whose fate is unknown is not made twice
`)
	return b.String()
}

func (w writer) head() string {
	about, title := "natural-person", "Register of "+strings.ReplaceAll(w.Name, "-", " ")
	if w.legal {
		about = "legal-person"
	}
	country := w.Country
	if country == "XX" {
		country += "                             # your country"
	}
	return `# yaml-language-server: $schema=register.schema.json
#
# ` + title + `.
#
# This is a first version that works with invented documents. Change it piece by piece
# to what your register really sends, and run after each change:
#
#   oncegate connector check ` + w.Name + ` --dir .     (in the directory above this folder)
apiVersion: oncegate/v1
kind: Register
name: ` + w.Name + `
title: ` + title + `
country: ` + country + `
about: ` + about + `

# The type of evidence as it is entered with the common services. These two are invented.
evidence_type:
  id: ` + w.id("type") + `
  classification: https://sr.oots.tech.ec.europa.eu/evidencetypeclassifications/` + w.Country + "/" + w.id("type") + `
  titles: {EN: ` + sentence(w.Record) + `}
  languages: [EN]                       # of the evidence

issuer:
  scheme: urn:oasis:names:tc:ebcore:partyid-type:unregistered:` + w.Country + `
  id: test-` + w.Name + `
  names: {EN: ` + title + ` (test)}

`
}

func sentence(words string) string {
	return strings.ToUpper(words[:1]) + strings.ReplaceAll(words[1:], "-", " ")
}

// transport writes how the register is asked. Where it is, the deployment says.
func (w writer) transport() string {
	b := "# How the register is asked. Where it is and who we are, the deployment says (registers." + w.Name + ").\ntransport:\n"
	switch w.Transport {
	case "soap11", "soap12":
		return b + "  kind: " + w.Transport + "\n  path: /find                           # after the url of the deployment\n  action: " + w.namespace() + "/Find\n\n"
	case "rest":
		return b + "  kind: rest\n  method: POST\n  path: /find                           # after the url of the deployment\n\n"
	case "rest-json":
		return b + "  kind: rest\n  method: POST\n  path: /find                           # after the url of the deployment\n  body: json\n  accept: json\n\n"
	case "files":
		return b + "  kind: files\n  out: out                              # folders, below the url of the deployment\n  in: in\n\n"
	case "kafka":
		return b + "  kind: kafka\n  request_topic: " + w.Name + ".requests\n  reply_topic: " + w.Name + ".replies\n\n"
	}
	args := "  args:\n    - {from: subject/natural/familyName, required: true}\n    - {from: subject/natural/givenName, required: true}\n    - {from: subject/natural/birthDate, type: date, required: true}\n"
	where := "family_name = $1 and given_name = $2 and birth_date = $3"
	if w.legal {
		args, where = "  args:\n    - {from: subject/legal/name, required: true}\n", "name = $1"
	}
	return b + "  kind: sql\n  statement: |\n    select * from " + strings.ReplaceAll(w.Name, "-", "_") + "\n    where " + where + "\n    limit 2\n" + args + "\n"
}

// prefixes declares those that the rules use.
func (w writer) prefixes() string {
	var b strings.Builder
	if w.form == formXML && (w.found == nil || w.sendsXML()) {
		fmt.Fprintf(&b, "  r: %s\n", w.namespace())
	} else if w.sendsXML() {
		fmt.Fprintf(&b, "  r: %s\n", w.namespace())
	}
	if w.found != nil {
		for _, p := range w.found.prefixes {
			fmt.Fprintf(&b, "  %s: %q\n", p.name, p.space)
		}
		fmt.Fprintf(&b, "  e: %s:evidence\n", w.namespace())
	}
	if b.Len() == 0 {
		return ""
	}
	return "prefixes:\n" + b.String() + "\n"
}

// sendsXML says whether the query is an XML document.
func (w writer) sendsXML() bool { return w.form == formXML }

func (w writer) queryRules() string {
	if w.form == formRows {
		return ""
	}
	fields := [][3]string{{"reference", "message", ""}, {"purpose", "procedure", ""}, {"consumer", "requester/id/id", ""},
		{"family-name", "subject/natural/familyName", ", required: true"}, {"given-name", "subject/natural/givenName", ", required: true"}, {"birth-date", "subject/natural/birthDate", ", required: true"}}
	if w.legal {
		fields = append(fields[:3], [3]string{"name", "subject/legal/name", ", required: true"})
	}
	b, indent := "# What goes out: from the query (testdata/found.query.json) to the register's own form.\nquery:\n  rules:\n", "    "
	if w.sendsXML() {
		b, indent = b+"    - to: r:Find\n      rules:\n", "        "
	}
	for _, f := range fields {
		b += indent + "- {to: " + w.form.step(f[0]) + ", from: " + f[1] + f[2] + "}\n"
	}
	return b + "\n"
}

// reply writes the rules for the invented reply.
func (w writer) reply() string {
	none, hits, names := "\"/r:FindResponse/r:Found = 'false'\"", "/r:FindResponse/r:Record", "all elements"
	switch w.form {
	case formJSON:
		none, hits, names = "\"/json/found = 'false'\"", "/json/record", "members; a list is a repeated element"
	case formRows:
		none, hits, names = "\"not(exists(/rows/row))\"", "/rows/row", "columns"
	}
	same := "subject/natural/birthDate, got: " + bornAt(w.answer)
	if w.legal {
		same = "subject/legal/name, got: company/name"
	}
	b := `# What comes back: from the reply (testdata/found.reply.*) to the canonical record.
reply:
  outcomes:                             # only these may say that there is nothing
    - {when: ` + none + `, means: not-found}
  hits: ` + hits + "   # one of these is one record; several are refused\n"
	if bornAt(w.answer) != "" || w.legal {
		b += "  same:                                 # an answer about somebody else is not believed\n    - {asked: " + same + "}\n"
	}
	return b + "  rules:                                # paths name " + names + " of the reply, below hits\n    - {to: kind, value: " + w.Record + "}\n" +
		rulesOf(w.form, w.answer, "    ") + `
# The canonical record, which is checked: oncegate map schema ` + w.Record + `
record: ` + w.Record + `
evidence: canonical                     # the document that travels is made of the record
supplements:                            # and a page for people
  - {role: HumanReadableVersion, format: application/pdf, page: canonical, titles: {EN: ` + sentence(w.Record) + ` to read}, languages: [EN]}
`
}

// bornAt is where the record holds the birth date of its one person; empty for lists.
func bornAt(fields []field) string {
	for _, f := range fields {
		if strings.HasSuffix(f.to, "person.birthDate") {
			return strings.ReplaceAll(f.to, ".", "/")
		}
	}
	return ""
}

// drafted writes the rules for a reply that was given.
func (w writer) drafted() string {
	names := &naming{form: w.form, record: w.Record, prefix: w.found.prefix}
	return `# What comes back. The rules below take every element of the reply that they were
# drafted from into a record of its own, under its own name. Give the fields the names
# of the canonical record (a comment proposes one where the name looks like it), remove
# what nobody needs, and then exchange the section evidence for the lines
#
#   record: ` + w.Record + `
#   evidence: canonical
#
# A ` + w.Record + ` must have: ` + strings.Join(required(w.Record), ", ") + `
# (oncegate map schema ` + w.Record + ` shows all of it).
reply:
  # outcomes:                           # what the register says when there is nothing
  #   - {when: "...", means: not-found}
  hits: ` + w.found.hits + "   # what stands for one record: a deeper element, where a reply may hold several\n  rules:\n    - {to: kind, value: " + w.Record + "}\n" +
		names.rules(w.found.fields, "    ") + `
evidence:
  rules:
    - to: e:Evidence
      rules:
` + names.evidence(w.found.fields, "        ")
}

// required are the fields that every record of a type has.
func required(record string) []string {
	always := map[string]bool{"": true}
	var out []string
	for _, f := range records.Fields(record) {
		outer := ""
		if i := strings.LastIndexByte(f.Path, '.'); i >= 0 {
			outer = f.Path[:i]
		}
		if f.Required && always[outer] {
			always[f.Path] = true
			out = append(out, f.Path)
		}
	}
	return out
}
