package register

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// OAuth is how a register lets us in with a token of an authorisation server: client
// credentials (RFC 6749 4.4).
type OAuth struct {
	TokenURL string // Required; https, or http to a loopback address
	ClientID string // Required
	Secret   Secret // Required
	Scopes   []string
	Audience string // Default none: for which register, where a server serves several
}

func (o *OAuth) validate() error {
	if o == nil {
		return nil
	}
	var errs []error
	u, err := url.Parse(o.TokenURL)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		errs = append(errs, errors.New("oauth2: token_url must begin with https://"))
	}
	if o.ClientID == "" || o.Secret == "" {
		errs = append(errs, errors.New("oauth2: client_id and client_secret_file are required"))
	}
	return errors.Join(errs...)
}

// tokens keeps the token of one register and renews it. One call at a time asks for a
// new one, the others wait for it.
type tokens struct {
	conf   clientcredentials.Config
	client *http.Client
	now    func() time.Time
	turn   chan struct{} // who holds it may look at what follows
	token  *oauth2.Token // nil: none
	inARow int           // tokens that the register refused, without one that it took in between
}

// renewBefore is how long before its end a token is not used any more: a call takes time.
const renewBefore = 30 * time.Second

func newTokens(o *OAuth, client *http.Client, now func() time.Time) *tokens {
	if o == nil {
		return nil
	}
	t := &tokens{
		conf:   clientcredentials.Config{TokenURL: o.TokenURL, ClientID: o.ClientID, ClientSecret: string(o.Secret), Scopes: o.Scopes},
		client: client, now: now, turn: make(chan struct{}, 1),
	}
	if o.Audience != "" {
		t.conf.EndpointParams = url.Values{"audience": {o.Audience}}
	}
	return t
}

// get returns a token that is good.
func (t *tokens) get(ctx context.Context) (string, error) {
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if k := t.token; k != nil && (k.Expiry.IsZero() || t.now().Add(renewBefore).Before(k.Expiry)) {
		return k.AccessToken, nil
	}
	t.token = nil
	k, err := t.conf.Token(context.WithValue(ctx, oauth2.HTTPClient, t.client))
	switch {
	case err != nil:
		return "", tokenError(err)
	case !strings.EqualFold(k.Type(), "Bearer"):
		return "", errors.New("the token is not a bearer token")
	case k.AccessToken == "" || strings.ContainsFunc(k.AccessToken, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", errors.New("the token cannot stand in a header")
	}
	t.token = k
	return k.AccessToken, nil
}

// told says what the register did with a token. again says that another token may be
// tried: a server may end one before its time. It is tried once, not with every query.
func (t *tokens) told(token string, refused bool) (again bool) {
	t.turn <- struct{}{} // nobody holds it for longer than a call for a token
	defer func() { <-t.turn }()
	if !refused {
		t.inARow = 0
		return false
	}
	if t.token == nil || t.token.AccessToken != token {
		return true // another query had it renewed
	}
	t.token = nil
	t.inARow++
	return t.inARow == 1
}

// tokenError keeps what the server wrote out of logs: it may repeat a secret.
func tokenError(err error) error {
	var re *oauth2.RetrieveError
	if errors.As(err, &re) && re.Response != nil {
		return fmt.Errorf("the authorisation server answered with HTTP status %d", re.Response.StatusCode)
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		return fmt.Errorf("calling the authorisation server: %w", broken(ue.Err))
	}
	return errors.New("the answer of the authorisation server is no token")
}
