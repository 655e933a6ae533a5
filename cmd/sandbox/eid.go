package sandbox

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// An eID is the identification means of the landscape: an OpenID Connect
// provider with the code flow and PKCE, whose page lets a visitor choose which
// fictitious person to be.
type eID struct {
	issuer  string
	clients []eIDClient
	signer  jose.Signer
	keys    jose.JSONWebKeySet
	now     func() time.Time

	everywhere bool // lists the people of all Member States

	mu    sync.Mutex
	codes map[string]grant
}

// An eIDClient is a service that may ask who somebody is.
type eIDClient struct {
	ID, Secret, Redirect string
}

type grant struct {
	client    string
	redirect  string
	nonce     string
	challenge string
	persona   persona
	expires   time.Time
}

const codeLife = time.Minute

func newEID(issuer string, now func() time.Time, clients ...eIDClient) (*eID, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generating eID key: %w", err)
	}
	const kid = "eid-1"
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
	if err != nil {
		return nil, fmt.Errorf("making eID signer: %w", err)
	}
	return &eID{
		issuer: issuer, clients: clients, signer: signer, now: now,
		keys:  jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: kid, Algorithm: string(jose.ES256), Use: "sig"}}},
		codes: map[string]grant{},
	}, nil
}

func (e *eID) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{
			"issuer": e.issuer, "authorization_endpoint": e.issuer + "/authorize", "token_endpoint": e.issuer + "/token",
			"jwks_uri": e.issuer + "/jwks", "response_types_supported": []string{"code"}, "subject_types_supported": []string{"pairwise"},
			"id_token_signing_alg_values_supported": []string{"ES256"}, "code_challenge_methods_supported": []string{"S256"},
			"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"},
		})
	})
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, e.keys) })
	mux.HandleFunc("GET /authorize", e.choose)
	mux.HandleFunc("POST /authorize", e.authorize)
	mux.HandleFunc("POST /token", e.token)
	return mux
}

func (e *eID) client(id, redirect string) (eIDClient, bool) {
	i := slices.IndexFunc(e.clients, func(c eIDClient) bool { return c.ID == id && c.Redirect == redirect })
	if i < 0 {
		return eIDClient{}, false
	}
	return e.clients[i], true
}

var choosePage = template.Must(template.New("eid").Parse(pageHead + `
<h1>Who are you?</h1>
<p>This is the eID of the sandbox: it asks for no password, and nobody on this list exists.</p>
<form method="post" action="/authorize">
{{range $k, $v := .Hidden}}<input type="hidden" name="{{$k}}" value="{{$v}}">
{{end}}<ul class="choices">{{range .People}}<li><button name="persona" value="{{.ID}}">{{.Label}}</button><span class="quiet">{{.Known}}</span></li>
{{end}}</ul></form>` + pageFoot))

// choose shows the page; it changes nothing.
func (e *eID) choose(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if _, ok := e.client(q.Get("client_id"), q.Get("redirect_uri")); !ok {
		http.Error(w, "unknown client or redirect_uri", http.StatusBadRequest)
		return
	}
	if q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "" || q.Get("state") == "" {
		http.Error(w, "want response_type=code with state and an S256 code_challenge", http.StatusBadRequest)
		return
	}
	hidden := map[string]string{}
	for _, k := range []string{"client_id", "redirect_uri", "state", "nonce", "code_challenge"} {
		hidden[k] = q.Get(k)
	}
	type person struct{ ID, Label, Known string }
	var list []person
	for _, p := range people() {
		if p.Abroad && !e.everywhere {
			continue
		}
		known := "no register knows this person"
		if p.Register != "" {
			known = "known to: " + p.Register
		}
		list = append(list, person{p.ID, p.label(), known})
	}
	render(w, http.StatusOK, choosePage, map[string]any{"Title": "Sandbox eID", "Hidden": hidden, "People": list})
}

func (e *eID) authorize(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "unreadable form", http.StatusBadRequest)
		return
	}
	f := r.PostForm
	c, ok := e.client(f.Get("client_id"), f.Get("redirect_uri"))
	who, known := personaByID(f.Get("persona"))
	if !ok || !known {
		http.Error(w, "unknown client or person", http.StatusBadRequest)
		return
	}
	code := rand.Text()
	e.mu.Lock()
	for k, g := range e.codes {
		if e.now().After(g.expires) {
			delete(e.codes, k)
		}
	}
	e.codes[code] = grant{c.ID, c.Redirect, f.Get("nonce"), f.Get("code_challenge"), who, e.now().Add(codeLife)}
	e.mu.Unlock()
	to, err := url.Parse(c.Redirect)
	if err != nil {
		http.Error(w, "bad redirect_uri", http.StatusInternalServerError)
		return
	}
	to.RawQuery = url.Values{"code": {code}, "state": {f.Get("state")}}.Encode()
	http.Redirect(w, r, to.String(), http.StatusSeeOther)
}

func (e *eID) token(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	if err := r.ParseForm(); err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_request"})
		return
	}
	id, secret, ok := r.BasicAuth()
	if !ok {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	c, known := e.client(id, r.PostForm.Get("redirect_uri"))
	if !known || subtle.ConstantTimeCompare([]byte(secret), []byte(c.Secret)) != 1 {
		writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		return
	}
	e.mu.Lock()
	g, found := e.codes[r.PostForm.Get("code")]
	delete(e.codes, r.PostForm.Get("code")) // good for one try
	e.mu.Unlock()
	sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	if !found || g.client != c.ID || g.redirect != c.Redirect || e.now().After(g.expires) ||
		subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(g.challenge)) != 1 {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
		return
	}
	claims := g.persona.claims()
	claims["iss"], claims["aud"], claims["nonce"] = e.issuer, c.ID, g.nonce
	claims["sub"] = "sandbox-" + g.persona.ID
	claims["iat"], claims["exp"] = e.now().Unix(), e.now().Add(5*time.Minute).Unix()
	raw, err := json.Marshal(claims)
	if err != nil {
		writeJSON(w, http.StatusInternalServerError, map[string]string{"error": "server_error"})
		return
	}
	jws, err := e.signer.Sign(raw)
	if err != nil {
		writeJSON(w, http.StatusInternalServerError, map[string]string{"error": "server_error"})
		return
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		writeJSON(w, http.StatusInternalServerError, map[string]string{"error": "server_error"})
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, map[string]any{"access_token": rand.Text(), "token_type": "Bearer", "expires_in": 300, "id_token": token})
}
