package directory

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"oncegate/connectors/directory/answers"
	"oncegate/connectors/directory/httpsig"
	"oncegate/connectors/naptr"
	"oncegate/connectors/netguard"
	"oncegate/connectors/regrep/rim"
	"oncegate/connectors/remember"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
	"oncegate/schemas/rules"
)

// A Client asks the common services. It is safe for concurrent use. Its errors are
// *canon.Fault of the codes OG-DIR; where an instance said no there is a *Refusal
// behind, and none of them holds what a person answered. Answers share memory with
// those of others: they are not to be changed.
type Client struct {
	Config
	fetch   *fetcher
	places  *remember.Memory[place]
	answers *remember.Memory[answer]
	lists   *remember.Memory[[]canon.Choosable]

	dnsMu sync.Mutex
	dns   *naptr.Client // nil until the first name is asked
}

// New returns a client.
func New(c Config) (*Client, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("configuring the client of the common services: %w", err)
	}
	kept := remember.Config{Entries: c.Entries, Stale: c.Stale, Timeout: c.Timeout, Now: c.Now}
	return &Client{
		Config: c, fetch: newFetcher(&c),
		places: remember.New[place](kept), answers: remember.New[answer](kept), lists: remember.New[[]canon.Choosable](kept),
	}, nil
}

// An answer is one that was verified and read.
type answer struct {
	answers.Answer
	provenance canon.Provenance
	breaches   []string // fatal rules
}

// Requirements asks the evidence broker what a procedure wants proved (EB-1). Without
// a country ours is asked, without a procedure the whole catalogue comes.
func (c *Client) Requirements(ctx context.Context, q canon.RequirementsQuery) (canon.RequirementsAnswer, error) {
	if q.Country == "" {
		q.Country = c.Country
	}
	a, origin, err := c.ask(ctx, requirementsQuery(q), func(a *answers.Answer) error { return fitRequirements(a, q) })
	if err != nil {
		return canon.RequirementsAnswer{}, err
	}
	return canon.RequirementsAnswer{Origin: origin, Requirements: requirements(a.Requirements)}, nil
}

// EvidenceTypes asks the evidence broker of a country what it issues that proves a
// requirement (EB-2).
func (c *Client) EvidenceTypes(ctx context.Context, q canon.EvidenceTypesQuery) (canon.RequirementsAnswer, error) {
	a, origin, err := c.ask(ctx, evidenceTypesQuery(q), func(a *answers.Answer) error { return fitEvidenceTypes(a, q) })
	if err != nil {
		return canon.RequirementsAnswer{}, err
	}
	return canon.RequirementsAnswer{Origin: origin, Requirements: requirements(a.Requirements)}, nil
}

// DataServices asks the directory of a country who gives an evidence type. Where the
// directory wants to know more of the person first, the answer has questions, with the
// choices of their code lists, in place of services (DSD:ERR:0005).
func (c *Client) DataServices(ctx context.Context, q canon.DataServicesQuery) (canon.DataServicesAnswer, error) {
	a, origin, err := c.ask(ctx, dataServicesQuery(q), func(a *answers.Answer) error { return fitDataServices(a, q) })
	if err != nil {
		return canon.DataServicesAnswer{}, err
	}
	out := canon.DataServicesAnswer{Origin: origin, Services: dataServices(a.Services)}
	for _, x := range a.Exceptions {
		if x.Service != nil {
			out.EvidenceType = evidenceType(*x.Service)
		}
		out.Questions = append(out.Questions, questions(x)...)
	}
	for i := range out.Questions {
		if err := c.choices(ctx, q.Country, &out.Questions[i]); err != nil {
			return canon.DataServicesAnswer{}, err
		}
	}
	return out, nil
}

// ask returns what is remembered of a query, or asks an instance. fit checks that an
// answer is one to the query: a signature says nothing of the question.
func (c *Client) ask(ctx context.Context, q *query, fit func(*answers.Answer) error) (answer, canon.Origin, error) {
	start := c.Now()
	if !isCountry(q.country) {
		return answer{}, canon.Origin{}, canon.NewFault(canon.CodeDirectoryQuery, nil, "a query names a country by two capital letters")
	}
	var k remember.Answer[answer]
	var err error
	if ask := func(ctx context.Context) remember.Outcome[answer] { return c.outcome(ctx, q, fit) }; q.private {
		// Neither remembered nor shared: the key would be a person's answers.
		ctx, cancel := context.WithTimeout(ctx, c.Timeout)
		defer cancel()
		o := ask(ctx)
		k, err = remember.Answer[answer]{Value: o.Value, Way: remember.Fresh, Until: c.Now()}, o.Err
	} else {
		k, err = c.answers.Get(ctx, q.country+" "+q.encode(nil, false), ask)
	}
	word := string(k.Way)
	if err != nil {
		f, ok := errors.AsType[*canon.Fault](err)
		if !ok {
			f = canon.NewFault(canon.CodeDirectoryDown, err, "the common services of %s gave no answer in time", q.country)
		}
		word, err = string(f.Code), f
	}
	c.Metrics.Asked(q.word, q.country, word, c.Now().Sub(start))
	if err != nil {
		return answer{}, canon.Origin{}, err
	}
	origin := canon.Origin{Provenance: k.Value.provenance, Until: k.Until, Stale: k.Way == remember.Stale, Breaches: k.Value.breaches}
	if origin.Stale {
		c.Logger.WarnContext(ctx, "directory does not answer: an old answer serves", slog.String("query", q.word),
			slog.String("country", q.country), slog.Duration("age", c.Now().Sub(origin.Provenance.At)))
	}
	return k.Value, origin, nil
}

// outcome asks an instance and says how long the answer holds.
func (c *Client) outcome(ctx context.Context, q *query, fit func(*answers.Answer) error) remember.Outcome[answer] {
	a, limit, ttl, err := c.query(ctx, q)
	if err == nil {
		err = refusal(q, &a.Answer)
	}
	if err == nil {
		if unfit := fit(&a.Answer); unfit != nil {
			err = canon.NewFault(canon.CodeDirectoryAnswer, unfit, "the answer of %s is to another question: %v", q.country, unfit)
		}
	}
	if err != nil {
		f := canon.AsFault(err)
		if f.Code != canon.CodeDirectoryEmpty && f.Code != canon.CodeDirectoryUnknown && ctx.Err() == nil {
			c.Logger.WarnContext(ctx, "directory query failed", slog.String("query", q.word), slog.String("country", q.country), slog.Any("error", f))
		}
		return remember.Outcome[answer]{Err: f, TTL: c.Negative, Down: down(f) || c.hearsay(f)}
	}
	return remember.Outcome[answer]{Value: a, TTL: min(ttl, c.TTL), Limit: limit}
}

// down reports that an error is no answer, so that an old one may serve.
func down(err error) bool {
	f, ok := errors.AsType[*canon.Fault](err)
	return !ok || f.Code == canon.CodeDirectoryDown
}

// query asks an instance once, verifies and reads what it answers.
func (c *Client) query(ctx context.Context, q *query) (a answer, limit time.Time, ttl time.Duration, err error) {
	at, err := c.locate(ctx, q.service, q.country)
	if err != nil {
		return a, limit, 0, err
	}
	var speaks []string
	for _, e := range at.speaks {
		speaks = append(speaks, string(e))
	}
	header, body, err := c.fetch.get(ctx, at.base+"/rest/search?"+q.encode(at.speaks, false), map[string]string{
		"Accept": answers.MediaType, "Accept-Version": strings.Join(speaks, ","),
	}, c.MaxBytes)
	switch {
	case errors.Is(err, netguard.ErrTooLarge):
		return a, limit, 0, canon.NewFault(canon.CodeDirectoryAnswer, err, "%s answers with more than %d bytes", at.base, c.MaxBytes)
	case err != nil:
		return a, limit, 0, canon.NewFault(canon.CodeDirectoryDown, err, "%s gives no answer", at.base)
	}
	now := c.Now()
	signed, err := c.verify(ctx, q.country, header, body, now)
	if err != nil {
		code := canon.CodeDirectorySigner
		if errors.Is(err, httpsig.ErrRevocation) {
			code = canon.CodeDirectoryDown
		}
		return a, limit, 0, canon.NewFault(code, err, "the answer of %s cannot be believed", at.base)
	}
	if a.Answer, a.breaches, err = c.read(ctx, q, body); err != nil {
		return a, limit, 0, err
	}
	sum := sha256.Sum256(body)
	a.provenance = canon.Provenance{
		Edition: string(a.Edition), Source: at.base, Query: q.encode(at.speaks, true), At: now.UTC(),
		Digest: "sha256:" + hex.EncodeToString(sum[:]), Signer: cut(signed.Subject(), 512),
	}
	return a, signed.Until, maxAge(header), nil
}

// verify checks the signature of an answer. An instance that need not sign is believed
// by its TLS certificate; where it signs all the same, the signature must be good.
func (c *Client) verify(ctx context.Context, country string, h http.Header, body []byte, now time.Time) (httpsig.Signed, error) {
	i := c.instance(country)
	if i.Unsigned && (i.Trust == nil || len(h.Values(httpsig.HeaderSignature)) == 0) {
		return httpsig.Signed{}, nil
	}
	return i.Trust.Verify(ctx, h, body, now)
}

// maxBreaches bounds the rules that an answer names.
const maxBreaches = 16

// read reads an answer and judges it by the rules of its edition. It returns the fatal
// ones that it breaks.
func (c *Client) read(ctx context.Context, q *query, body []byte) (a answers.Answer, breaches []string, err error) {
	doc, err := xmldoc.ParseBytes(body, limits(c.MaxBytes))
	if err != nil {
		return a, nil, canon.NewFault(canon.CodeDirectoryAnswer, err, "the answer of %s is no XML that is read here", q.country)
	}
	if a, err = answers.Read(doc.Root()); err != nil {
		detail := "structure"
		if f, ok := errors.AsType[*rim.Fault](err); ok {
			detail = f.Error()
		}
		return a, nil, canon.NewFault(canon.CodeDirectoryAnswer, nil, "the answer of %s cannot be read: %s", q.country, detail)
	}
	report := judge(doc.Root(), c.Lists)
	first, broken := report.Fatal()
	switch {
	case !broken:
		return a, nil, nil
	case c.RefuseRules:
		return a, nil, canon.NewFault(canon.CodeDirectoryAnswer, nil, "the answer of %s breaks %s at %s", q.country, first.Rule, first.Path)
	}
	for _, f := range report.Findings {
		if f.Severity == rules.Fatal && len(breaches) < maxBreaches && !slices.Contains(breaches, f.Rule) {
			breaches = append(breaches, f.Rule)
		}
	}
	c.Logger.WarnContext(ctx, "directory answer breaks rules", slog.String("query", q.word), slog.String("country", q.country),
		slog.Any("rules", breaches), slog.String("place", first.Path))
	return a, breaches, nil
}

// maxAge is how long a service says that its answer may be kept. The header is not
// signed: it may shorten our term, never lengthen it.
func maxAge(h http.Header) time.Duration {
	const unsaid = time.Duration(1 << 62)
	for d := range strings.SplitSeq(strings.ToLower(h.Get("Cache-Control")), ",") {
		switch d = strings.TrimSpace(d); {
		case d == "no-store", d == "no-cache":
			return 0
		case strings.HasPrefix(d, "max-age="):
			if n, err := strconv.ParseUint(d[len("max-age="):], 10, 31); err == nil {
				return time.Duration(n) * time.Second
			}
		}
	}
	return unsaid
}

func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}

// A Refusal is what an instance said no with.
type Refusal struct {
	Code string // EB:ERR:nnnn, DSD:ERR:nnnn
}

func (r *Refusal) Error() string { return r.Code }

// refusal turns the exceptions of an answer into a fault. The one that asks for more
// is none: it is an answer with questions.
func refusal(q *query, a *answers.Answer) error {
	if len(a.Exceptions) == 0 {
		return nil
	}
	x := a.Exceptions[0]
	if slices.ContainsFunc(a.Exceptions, func(x answers.Exception) bool { return x.Code == additionalInput }) {
		for _, x := range a.Exceptions {
			if len(questions(x)) > 0 {
				return nil
			}
		}
		return canon.NewFault(canon.CodeDirectoryAnswer, &Refusal{additionalInput}, "the directory of %s asks for more but not what", q.country)
	}
	code, ok := refusals[x.Code]
	switch {
	case ok:
	case x.Type == answers.NotFound:
		code = canon.CodeDirectoryEmpty
	default:
		code = canon.CodeDirectoryQuery
	}
	said := x.Code
	if !ok { // what is not of the list may be anything
		said = "an exception of its own"
	}
	return canon.NewFault(code, &Refusal{said}, "%s answers %s with %s", q.country, q.word, said)
}

const additionalInput = "DSD:ERR:0005"

// refusals says what the codes of the services mean (lists EBErrorCodes, DSDErrorCodes).
var refusals = map[string]canon.Code{
	"EB:ERR:0001": canon.CodeDirectoryEmpty, "EB:ERR:0002": canon.CodeDirectoryUnknown,
	"EB:ERR:0003": canon.CodeDirectoryQuery, "EB:ERR:0004": canon.CodeDirectoryQuery, "EB:ERR:0005": canon.CodeDirectoryQuery,
	"EB:ERR:0006": canon.CodeDirectoryQuery, "EB:ERR:0007": canon.CodeDirectoryQuery,
	"DSD:ERR:0001": canon.CodeDirectoryEmpty, "DSD:ERR:0002": canon.CodeDirectoryUnknown,
	"DSD:ERR:0003": canon.CodeDirectoryQuery, "DSD:ERR:0004": canon.CodeDirectoryQuery, "DSD:ERR:0006": canon.CodeDirectoryQuery,
}
