package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"oncegate/connectors/mapxml"
	"oncegate/connectors/register"
	"oncegate/connectors/xmldoc"
	"oncegate/mapping"
)

// tried is what came of a trial.
type tried struct {
	Verdict string
	Parts   []triedPart
}

// A triedPart is one section of the result: a text, or a table.
type triedPart struct {
	ID, Title string
	Text      string
	Head      []string
	Rows      [][]string
}

func (o *tried) text(id, title, text string) {
	if text = strings.TrimRight(text, "\n"); text != "" {
		o.Parts = append(o.Parts, triedPart{ID: id, Title: title, Text: text})
	}
}

func (o *tried) table(id, title string, head []string, rows [][]string) {
	if len(rows) > maxTriedRows {
		title += fmt.Sprintf(" (the first %d of %d)", maxTriedRows, len(rows))
		rows = rows[:maxTriedRows]
	}
	if len(rows) > 0 {
		o.Parts = append(o.Parts, triedPart{ID: id, Title: title, Head: head, Rows: rows})
	}
}

const maxTriedRows = 1000

// shown is the reply of a sample as the text of a page.
func (t *tryit) shown(name string, s register.Case) string {
	text, err := t.defs[name].Text(*s.Reply)
	if err != nil {
		return ""
	}
	return unixLines.Replace(text)
}

func queryText(s register.Case) string {
	if s.Query == nil {
		return ""
	}
	text, err := json.MarshalIndent(s.Query, "", "  ")
	if err != nil {
		return ""
	}
	return string(text)
}

var (
	isRegister = regexp.MustCompile(`(?m)^kind:\s*Register\b`)
	isMIME     = regexp.MustCompile(`(?i)^(MIME-Version|Content-Type):`)
)

// faulty shows faults with their carets.
func faulty(verdict string, err error) *tried {
	out := &tried{Verdict: verdict}
	var list mapping.Errors
	var one *mapping.Error
	switch {
	case errors.As(err, &list):
		out.text("faults", "Faults", list.Render())
	case errors.As(err, &one):
		out.text("faults", "Faults", one.Render())
	default:
		out.text("faults", "Faults", err.Error())
	}
	return out
}

// run tries the rules of a form on its input.
func (t *tryit) run(f tryForm) *tried {
	if !isRegister.MatchString(f.Rules) {
		return runMapping(f)
	}
	d := t.defs[f.Register]
	if d == nil || f.Rules != t.texts[f.Register] { // else it has its folder, with schemas
		var err error
		if d, err = register.Parse(register.DefinitionFile, []byte(f.Rules)); err != nil {
			return faulty("The rules have faults", err)
		}
	}
	var query any
	if strings.TrimSpace(f.Query) != "" {
		var err error
		if query, err = mapping.DecodeJSON([]byte(f.Query)); err != nil {
			return faulty("The query is no JSON", err)
		}
	}
	reply := register.Reply{Body: []byte(f.Input), MIME: isMIME.MatchString(f.Input), UTF8: true}
	if s, ok := t.sample(f.Register); ok && t.shown(f.Register, s) == f.Input {
		reply = *s.Reply // in its own encoding
	}
	return t.runRegister(d, reply, query, f.Input != "")
}

func (t *tryit) runRegister(d *register.Definition, reply register.Reply, query any, answered bool) *tried {
	out := &tried{Verdict: "The rules are sound; there is no reply to try them on"}
	if answered {
		got, err := d.Trial(reply, query)
		if err != nil {
			return faulty("The reply cannot be read", err)
		}
		out = t.answer(d, got)
	}
	if query != nil {
		out.sending(d, query)
	}
	out.lint(d.Lint())
	return out
}

// answer shows what becomes of a reply.
func (t *tryit) answer(d *register.Definition, got register.Trial) *tried {
	out := &tried{Verdict: "Outcome: " + got.Outcome}
	if got.Outcome != "found" {
		if got.Outcome == "invalid" && got.Err != nil {
			out = faulty(out.Verdict, got.Err)
		} else {
			out.text("why", "Why", got.Detail)
		}
	}
	if got.Record != nil {
		out.text("record", "Record", indented(got.Record))
	}
	out.lineage(got.Report)
	out.unread(got.Coverage)
	out.text("schema", "How the reply breaks its schema", strings.Join(got.Broken, "\n"))
	out.text("evidence", "Evidence", string(got.Evidence))
	if got.Record != nil && d.Record() != "" {
		if _, text, err := d.Page(got.Record, got.IssuedOn, "EN", t.now()); err == nil {
			out.text("page", "What the page says", text)
		} else {
			out.text("page", "The page cannot be made", err.Error())
		}
	}
	return out
}

func (o *tried) sending(d *register.Definition, query any) {
	s, err := d.Sending(query)
	if err != nil {
		o.Parts = append(o.Parts, faulty("", err).Parts...)
		o.Parts[len(o.Parts)-1].ID, o.Parts[len(o.Parts)-1].Title = "sent", "The query cannot be made"
		return
	}
	if s.Outcome != "" {
		o.text("sent", "Nothing goes out for the query", "The outcome is "+s.Outcome+".")
		return
	}
	text := strings.TrimSpace(s.Method + " " + s.Target + "\n\n" + string(s.Body))
	if s.Args != nil {
		if args, err := json.Marshal(s.Args); err == nil {
			text = strings.TrimSpace(text + "\n" + string(args))
		}
	}
	o.text("sent", "What goes out for the query", text)
}

// runMapping tries a mapping file.
func runMapping(f tryForm) *tried {
	p, err := mapping.Compile("mapping.yaml", []byte(f.Rules))
	if err != nil {
		return faulty("The rules have faults", err)
	}
	cover := mapping.NewCoverage(p)
	out := &tried{Verdict: "Done: " + p.Direction().String()}
	var report mapping.Report
	if p.Direction() == mapping.XMLToValue {
		var doc *xmldoc.Document
		if doc, err = xmldoc.ParseBytes([]byte(declared.ReplaceAllString(f.Input, `$1"UTF-8"`)), xmldoc.Limits{}); err != nil {
			return faulty("The input cannot be read", err)
		}
		var v any
		if v, report, err = cover.Run(register.Node(doc.Root())); err == nil {
			var text []byte
			if text, err = json.Marshal(v); err == nil {
				out.text("record", "Record", indented(text))
			}
		}
	} else if report, err = runValue(out, cover, p.Direction(), f.Input); errors.Is(err, errNoJSON) {
		return faulty("The input cannot be read", err)
	}
	if err != nil {
		out = faulty("The rules do not hold for this input", err)
	}
	out.lineage(report)
	out.unread(cover.Report())
	if found, err := mapping.Lint("mapping.yaml", []byte(f.Rules), nil); err == nil {
		out.lint(found)
	}
	return out
}

var errNoJSON = errors.New("the input of this mapping is JSON")

func runValue(out *tried, cover *mapping.Coverage, dir mapping.Direction, input string) (mapping.Report, error) {
	in, err := mapping.DecodeJSON([]byte(input))
	if err != nil {
		return mapping.Report{}, fmt.Errorf("%w: %w", errNoJSON, err)
	}
	if dir == mapping.ValueToValue {
		v, report, err := cover.Convert(in)
		if err != nil {
			return report, err
		}
		text, err := json.Marshal(v)
		out.text("record", "Value", indented(text))
		return report, err
	}
	e, report, err := cover.Build(in)
	if err != nil {
		return report, err
	}
	text, err := mapxml.Document(e)
	out.text("document", "Document", string(text))
	return report, err
}

func indented(text []byte) string {
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		return string(text)
	}
	return b.String()
}

func (o *tried) lineage(r mapping.Report) {
	var rows [][]string
	for _, f := range r.Lineage {
		var from []string
		for _, s := range f.Sources {
			at := s.Path
			if s.Line > 0 {
				at += fmt.Sprintf(" (%d:%d)", s.Line, s.Col)
			}
			from = append(from, at)
		}
		how := strings.Join(strings.Fields(f.Expr), " ")
		if how == "" {
			how = "constant"
		}
		if f.List != "" {
			how += ", list " + f.List
		}
		rows = append(rows, []string{f.Target, string(f.Value), strings.Join(from, ", "), fmt.Sprintf("%d:%d", f.Line, f.Col), how})
	}
	o.table("lineage", "Which element fed which field", []string{"Field", "Value", "From (line:column)", "Rule", "How"}, rows)
	rows = nil
	for _, u := range r.Unmapped {
		rows = append(rows, []string{u.List, string(u.Code), fmt.Sprint(u.Count), fmt.Sprint(u.Line)})
	}
	o.table("unmapped", "Codes that no list knows", []string{"List", "Code", "Times", "Line of the rule"}, rows)
}

func (o *tried) unread(r mapping.CoverageReport) {
	var rows []string
	for _, u := range r.Unread {
		rows = append(rows, u.Path)
	}
	o.text("unread", "Never read", strings.Join(rows, "\n"))
}

func (o *tried) lint(found []mapping.Finding) {
	var b strings.Builder
	for _, f := range found {
		b.WriteString(f.Render())
	}
	o.text("lint", "Doubtful in the rules", b.String())
}
