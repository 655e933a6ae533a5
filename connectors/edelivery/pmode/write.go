package pmode

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/schemas/canon"
)

// A Draft is a table before its files are read: certificates and keys are named.
type Draft struct {
	Comment  []string
	Own      Own           // of which Party and Domain are written
	Identity IdentityFiles // for signing and decryption
	Partners []DraftPartner
}

// IdentityFiles name a certificate of ours and its key.
type IdentityFiles struct{ Certificate, Key string }

// A DraftPartner is an agreement with the files of its certificates.
type DraftPartner struct {
	Partner
	Comment    []string // where it came from
	Pinned     []string
	Encryption []string
}

// YAML writes the draft as a P-Mode file. Settings that are the default are left
// out, so that the file says what is special.
func (d Draft) YAML() ([]byte, error) {
	own := mapping()
	own.put("party", party(d.Own.Party.ID))
	if d.Own.Party.Role != "" && d.Own.Party.Role != OOTSRole {
		own.text("role", d.Own.Party.Role)
	}
	own.text("domain", d.Own.Domain)
	id := flow().text("certificate", d.Identity.Certificate).text("key", d.Identity.Key)
	own.put("signing", id.node)
	own.put("decryption", list(yaml.FlowStyle, id.node))
	partners := list(0)
	for _, p := range d.Partners {
		n := p.node(d.Own.withDefaults())
		n.HeadComment = comment(p.Comment)
		partners.Content = append(partners.Content, n)
	}
	root := mapping()
	root.put("own", own.node)
	root.put("partners", partners)
	root.node.HeadComment = comment(d.Comment)
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(root.node); err != nil {
		return nil, fmt.Errorf("writing P-Modes: %w", err)
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("writing P-Modes: %w", err)
	}
	return b.Bytes(), nil
}

// comment makes one comment of lines; what came from a file cannot end it.
func comment(lines []string) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString("# " + strings.Map(func(r rune) rune {
			if r < ' ' {
				return ' '
			}
			return r
		}, l) + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// node writes what is not the default.
func (p DraftPartner) node(own Own) *yaml.Node {
	d := Partner{Fetch: p.Fetch, TwoWay: p.TwoWay}.withDefaults(&own)
	q := p.Partner.withDefaults(&own)
	m := mapping()
	m.text("name", p.Name)
	m.put("party", party(p.Party.ID))
	unless := func(key, v, def string) {
		if v != def {
			m.text(key, v)
		}
	}
	unless("role", q.Party.Role, d.Party.Role)
	unless("own_role", q.OwnRole, d.OwnRole)
	unless("direction", string(q.Direction), string(d.Direction))
	unless("mep", string(q.MEP), string(d.MEP))
	unless("url", q.URL, "")
	if q.AllowHTTP {
		m.put("allow_http", scalar("true"))
	}
	unless("mpc", q.MPC, d.MPC)
	if q.Fetch.Every > 0 {
		f := flow().text("every", pause(q.Fetch.Every))
		if q.Fetch.MPC != q.MPC {
			f.text("mpc", q.Fetch.MPC)
		}
		m.put("pull", f.node)
	}
	if q.TwoWay {
		m.put("two_way", scalar("true"))
	}
	unless("profile", word(profiles, q.Profile), word(profiles, d.Profile))
	unless("security", word(securities, q.SignOnly), word(securities, d.SignOnly))
	m.put("signing", flow().put("pinned", texts(p.Pinned)).node)
	if len(p.Encryption) > 0 {
		m.put("encryption", texts(p.Encryption))
	}
	if q.SignToken == q.EncryptToken {
		unless("token", word(tokens, q.SignToken), word(tokens, wssec.TokenBST))
	} else {
		m.put("token", flow().text("sign", word(tokens, q.SignToken)).text("encrypt", word(tokens, q.EncryptToken)).node)
	}
	m.algorithms(p.Allow)
	if q.Agreement != (ebms.Agreement{}) {
		a := flow().text("value", q.Agreement.Value)
		a.given("type", q.Agreement.Type)
		a.given("pmode", q.Agreement.PMode)
		m.put("agreement", a.node)
	}
	if len(p.Services) > 0 {
		s := list(0)
		for _, v := range p.Services {
			s.Content = append(s.Content, v.node())
		}
		m.put("services", s)
	}
	if len(q.Corners.Theirs)+len(q.Corners.Ours) > 0 {
		m.put("corners", flow().put("theirs", partiesNode(q.Corners.Theirs)).put("ours", partiesNode(q.Corners.Ours)).node)
	}
	if q.Plain {
		m.put("compress", scalar("false"))
	}
	if q.SOAPFaults {
		m.put("soap_faults", scalar("true"))
	}
	if q.Retry != d.Retry {
		m.put("retry", q.Retry.node())
	}
	unless("timeout", pause(q.Timeout), pause(d.Timeout))
	if q.Limits != d.Limits {
		m.put("limits", flow().put("part", scalar(size(q.Limits.Part))).put("message", scalar(size(q.Limits.Message))).
			put("ratio", scalar(strconv.FormatInt(q.Limits.Ratio, 10))).put("parts", scalar(strconv.Itoa(q.Limits.Parts))).node)
	}
	if q.Retention > 0 {
		m.text("retention", pause(q.Retention))
	}
	return m.node
}

func (m *tree) algorithms(a wssec.Algorithms) {
	f := flow()
	for _, l := range []struct {
		key   string
		words []string
	}{
		{"signature", wordList(signatures, a.Signatures)}, {"data", wordList(ciphers, a.Data)}, {"key_transport", wordList(transports, a.Transports)},
		{"key_agreement", wordList(agreements, a.Agreements)}, {"tokens", wordList(tokens, a.Tokens)},
	} {
		if len(l.words) > 0 {
			f.put(l.key, texts(l.words))
		}
	}
	if len(f.node.Content) > 0 {
		m.put("algorithms", f.node)
	}
}

func (s Service) node() *yaml.Node {
	m := mapping().text("service", s.Service.Value)
	m.given("type", s.Service.Type)
	m.put("actions", texts(s.Actions))
	if len(s.Replies) > 0 {
		m.put("replies", texts(s.Replies))
	}
	if len(s.Properties) > 0 {
		l := list(0)
		for _, q := range s.Properties {
			f := flow().text("name", q.Name)
			if q.Required {
				f.put("required", scalar("true"))
			}
			if q.Datatype != "" && q.Datatype != String {
				f.text("datatype", string(q.Datatype))
			}
			l.Content = append(l.Content, f.node)
		}
		m.put("properties", l)
	}
	p := mapping()
	if s.Payloads.Max > 0 {
		p.put("max", scalar(strconv.Itoa(s.Payloads.Max)))
	}
	if s.Payloads.Size > 0 {
		p.put("size", scalar(size(s.Payloads.Size)))
	}
	if len(s.Payloads.Types) > 0 {
		p.put("types", texts(s.Payloads.Types))
	}
	if len(s.Payloads.Parts) > 0 {
		l := list(0)
		for _, q := range s.Payloads.Parts {
			f := flow().text("id", q.ID)
			f.given("type", q.Type)
			if q.Required {
				f.put("required", scalar("true"))
			}
			if q.Size > 0 {
				f.put("size", scalar(size(q.Size)))
			}
			l.Content = append(l.Content, f.node)
		}
		p.put("parts", l)
	}
	if len(p.node.Content) > 0 {
		m.put("payloads", p.node)
	}
	return m.node
}

func (r Retry) node() *yaml.Node {
	f := flow().put("attempts", scalar(strconv.Itoa(r.Attempts)))
	f.text("initial", pause(r.Initial))
	f.put("factor", scalar(strconv.FormatFloat(r.Factor, 'g', -1, 64)))
	f.text("max", pause(r.Max))
	f.put("jitter", scalar(strconv.FormatFloat(max(r.Jitter, 0), 'g', -1, 64)))
	if r.Expiry > 0 {
		f.text("expiry", pause(r.Expiry))
	}
	return f.node
}

// A tree is a mapping that is being written.
type tree struct{ node *yaml.Node }

func mapping() *tree { return &tree{&yaml.Node{Kind: yaml.MappingNode}} }
func flow() *tree    { return &tree{&yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}} }

func (t *tree) put(key string, n *yaml.Node) *tree {
	t.node.Content = append(t.node.Content, scalar(key), n)
	return t
}

// text puts text, which is quoted where it would be read as something else.
func (t *tree) text(key, v string) *tree {
	n := &yaml.Node{}
	n.SetString(v)
	return t.put(key, n)
}

func (t *tree) given(key, v string) {
	if v != "" {
		t.text(key, v)
	}
}

func scalar(v string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: v} }

func list(style yaml.Style, of ...*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.SequenceNode, Style: style, Content: of}
}

func texts(vs []string) *yaml.Node {
	l := list(yaml.FlowStyle)
	for _, v := range vs {
		n := &yaml.Node{}
		n.SetString(v)
		l.Content = append(l.Content, n)
	}
	return l
}

func party(p canon.Participant) *yaml.Node {
	f := flow().text("id", p.ID)
	f.given("type", ebms.Party{ID: p}.Type())
	return f.node
}

func partiesNode(ps []canon.Participant) *yaml.Node {
	l := list(yaml.FlowStyle)
	for _, p := range ps {
		l.Content = append(l.Content, party(p))
	}
	return l
}

func wordList[T comparable](names map[string]T, vs []T) []string {
	var out []string
	for _, v := range vs {
		out = append(out, word(names, v))
	}
	return out
}

// pause writes a duration without the zeros that time.Duration adds.
func pause(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

func size(v int64) string {
	for _, u := range slices.Backward([]struct {
		name  string
		bytes int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}}) {
		if v%u.bytes == 0 {
			return strconv.FormatInt(v/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(v, 10)
}
